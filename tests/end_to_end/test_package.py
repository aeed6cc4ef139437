"""The package as a person installs it: from a clone, and from a wheel into another place."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dreamsound_jax.outputs.page import page

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel, built in a copy, so that the clone is left as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    built = {str(ROOT): ("build", "outputs")}
    anywhere = shutil.ignore_patterns(".*", "*.egg-info", "__pycache__")

    def unneeded(path, names):
        return {*anywhere(path, names), *built.get(path, ())}

    shutil.copytree(ROOT, folder / "copy", ignore=unneeded)
    command = [sys.executable, "-c", BUILD, folder]
    subprocess.run(command, cwd=folder / "copy", check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_holds_configs_and_checkpoints_and_pages_and_no_tests(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    pages = page.PARTS
    assert {f"dreamsound_jax/outputs/page/{part}" for part in pages} <= set(names)
    assert "dreamsound_jax/configs/clip_1.flags" in names
    assert "dreamsound_jax/checkpoints/gm/card.json" in names
    shipped = {f.relative_to(ROOT) for f in (ROOT / "checkpoints/gm").rglob("*") if f.is_file()}
    assert {f"dreamsound_jax/{path.as_posix()}" for path in shipped} <= set(names)
    assert "dreamsound_jax/audio/recordings/drums.flac" in names
    modules = {f.relative_to(ROOT).as_posix() for f in (ROOT / "dreamsound_jax").rglob("*.py")}
    assert modules <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "benchmarks/"))]


SHIPPED = """
import dreamsound_jax.networks.loading as loading
from dreamsound_jax.system.shipped import shipped
print(loading.__file__, shipped("checkpoints"))
"""


@pytest.mark.slow
def test_an_installed_wheel_dreams_with_its_own_checkpoint_and_flag_files(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "--quiet", "install", "--no-deps", "--target", site, wheel]
    subprocess.run(pip, check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    keywords = {"cwd": tmp_path, "env": environment, "text": True, "capture_output": True}
    found = subprocess.run([sys.executable, "-c", SHIPPED], check=True, **keywords).stdout.split()
    assert all(path.startswith(str(site)) for path in found), found

    flags = ("--flagfile=clip_1", "--model=gm", "--num_iterations=1")
    run = subprocess.run([sys.executable, "-m", "dreamsound_jax", *flags], check=False, **keywords)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "outputs" / "1" / "00000-noise.wav").stat().st_size > 100_000
    bare = ("--preset=hits", "--pyramid_size=1", "--num_iterations=1", "--noplots")
    run = subprocess.run([sys.executable, "-m", "dreamsound_jax", *bare], check=False, **keywords)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "outputs" / "2" / "00000-drums.wav").stat().st_size > 1_000_000
