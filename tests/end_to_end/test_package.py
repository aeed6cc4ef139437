"""The package as a person installs it: from a clone, and from a wheel into another place."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dreamsound_jax.outputs.page import page

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package from a wheel, and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT]
    subprocess.run(build, check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return wheel, folder / "site"


def test_the_wheel_holds_configs_and_checkpoints_and_pages_and_no_tests(installed):
    names = zipfile.ZipFile(installed[0]).namelist()
    pages = ("page.html", *page.PARTS)
    assert {f"dreamsound_jax/outputs/page/{part}" for part in pages} <= set(names)
    assert "dreamsound_jax/configs/clip_1.flags" in names
    assert "dreamsound_jax/checkpoints/gm/card.json" in names
    shipped = {f.relative_to(ROOT) for f in (ROOT / "checkpoints/gm").rglob("*") if f.is_file()}
    assert {f"dreamsound_jax/{path.as_posix()}" for path in shipped} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "benchmarks/"))]


@pytest.mark.slow
def test_an_installed_wheel_dreams_with_its_own_checkpoint_and_flag_files(installed, tmp_path):
    _, site = installed
    where = (
        "import dreamsound_jax.networks.models as m; print(m.__file__, m.shipped('checkpoints'))"
    )
    environment = {**os.environ, "PYTHONPATH": str(site)}
    options = {"cwd": tmp_path, "env": environment, "text": True, "capture_output": True}
    found = subprocess.run([sys.executable, "-c", where], check=True, **options).stdout.split()
    assert all(path.startswith(str(site)) for path in found), found

    flags = ("--flagfile=configs/clip_1.flags", "--model=gm", "--num_iterations=1")
    run = subprocess.run([sys.executable, "-m", "dreamsound_jax", *flags], check=False, **options)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "outputs" / "1" / "00000-noise.wav").stat().st_size > 100_000
