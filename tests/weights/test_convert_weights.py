"""The command scripts/convert_weights.py, run as a process."""

import dataclasses
import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.card import read_card
from dreamsound_jax.networks.vgg19 import LAYERS
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from tests.helpers import full_width
from tests.helpers.tiny import CARD, as_module, write_checkpoint
from tests.helpers.torch_files import vgg19_arrays, write_pth

SCRIPT = [sys.executable, str(Path(__file__).parents[2] / "scripts/convert_weights.py")]
ENTRIES = {key: value for key, value in CARD.entries().items() if key != "name"}
FLAGS = [
    f"--{key}={','.join(value) if isinstance(value, list) else value}"
    for key, value in ENTRIES.items()
]
# Runs a command and prints the largest size of its memory.
MEASURE_PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@pytest.fixture
def pth(tmp_path):
    return write_pth(tmp_path / "tiny.pth", vgg19_arrays(loading.weight_shapes(CARD)))


def run(*arguments):
    arguments = list(map(str, arguments))
    return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=200)


def test_bad_input_is_one_line_and_exit_code_2():
    process = run(*SCRIPT, "--model=mine")
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "give either --pth=FILE or, for a published model, --download" in process.stderr


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--front_end=hopp=320", "(did you mean hop?)"),
        ("--front_end=no.json", "cannot read --front_end=no.json: No such file"),
        ("--front_end=n_fft=256", "use n_mels of at most 76 or n_fft of 512"),
        ("--hidden=64", "classifier.3.weight has 32 features, which --hidden=32 fits"),
    ],
)
def test_a_network_or_front_end_that_does_not_fit_is_one_line_and_leaves_nothing(
    flag, words, pth, tmp_path
):
    others = [each for each in FLAGS if each.partition("=")[0] != flag.partition("=")[0]]
    flags = [*others, flag, f"--output={tmp_path / 'a'}"]
    process = run(*SCRIPT, "--model=a", f"--pth={pth}", *flags)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert words in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]


def test_a_full_disk_leaves_nothing(pth, tmp_path):
    """The process must not write files of more than 100 kB."""
    limit = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh"]
    output = f"--output={tmp_path / 'a'}"
    process = run(*limit, *SCRIPT, "--model=a", f"--pth={pth}", output, *FLAGS)
    assert process.returncode == 2 and process.stderr.count("\n") == 1
    assert "cannot write the checkpoint" in process.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]


def test_a_conversion_that_is_killed_leaves_the_old_checkpoint(pth, tmp_path):
    folder = write_checkpoint(tmp_path / "mine")
    command = [*SCRIPT, "--model=mine", f"--pth={pth}", f"--output={folder}", *FLAGS]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (tmp_path / ".mine.new").exists():
        time.sleep(0.002)
    process.kill()
    process.wait()
    loading.load_model(checkpoint=folder)
    convert_weights(pth, ConversionRequest("mine", ENTRIES, output=folder))
    assert read_card(folder).name == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.pth", "mine"}


@pytest.mark.slow
def test_a_converted_file_dreams_and_its_card_names_the_source(pth, tmp_path):
    folder = tmp_path / "mine"
    process = run(*SCRIPT, "--model=mine", f"--pth={pth}", f"--output={folder}", *FLAGS)
    assert process.returncode == 0 and f"--checkpoint={folder}" in process.stdout
    source = json.loads((folder / "card.json").read_text())["source"]
    digest = hashlib.sha256(pth.read_bytes()).hexdigest()
    assert source == {"file": "tiny.pth", "sha256": digest}
    assert read_card(folder) == dataclasses.replace(CARD, name="mine")
    assert digest in (folder / "README.md").read_text()
    dream = [sys.executable, "-m", "dreamsound_jax", "noise", f"--checkpoint={folder}"]
    dream += ["--pyramid_size=1", "--layers_to_use=relu2_2", f"--output_dir={tmp_path / 'dream'}"]
    assert run(*dream).returncode == 0
    assert (tmp_path / "dream/00000-noise.wav").stat().st_size > 100_000


@pytest.mark.slow
def test_a_full_width_network_computes_what_pytorch_does(tmp_path):
    """The conversion needs less than one and a half times the file's size of memory."""
    path, folder = write_pth(tmp_path / "full.pth", full_width.arrays()), tmp_path / "full"
    flags = ["--model=full", f"--output={folder}", "--classes=8", "--mean=-24", "--std=17"]
    # A process begins with its parent's size of memory, so a small one starts the command.
    process = run(sys.executable, "-c", MEASURE_PEAK, *SCRIPT, f"--pth={path}", *flags)
    assert process.returncode == 0, process.stderr
    if sys.platform == "linux":  # Other systems count in another unit.
        assert int(process.stdout) * 1024 < 1.5 * path.stat().st_size
    path.unlink()
    with jax.enable_x64(True):
        model = loading.load_model(checkpoint=folder, dtype=jnp.float64)
        found = full_width.numbers(*compute(model.network, full_width.spectrogram()))
    stored = np.load(full_width.STORED)
    assert set(found) == set(stored.files)
    for name, expected in stored.items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)


def compute(network, spectrogram):
    """Returns all activations and some gradients of one clip, with PyTorch's order of axes."""
    run_network = jax.jit(lambda network, x: as_module(network)(x[None], LAYERS))
    activations = {n: np.asarray(v[0]) for n, v in run_network(network, spectrogram).items()}
    activations = {n: v.transpose(2, 0, 1) if v.ndim == 3 else v for n, v in activations.items()}

    def sum_squares(spectrogram, network, layer):
        return jnp.sum(as_module(network)(spectrogram[None], (layer,))[layer] ** 2)

    gradient = jax.jit(jax.grad(sum_squares), static_argnums=2)
    gradients = {n: np.asarray(gradient(spectrogram, network, n)) for n in full_width.GRADIENTS}
    return activations, gradients


@pytest.mark.slow
def test_the_stored_numbers_are_those_of_pytorch():
    pytest.importorskip("torch", reason="PyTorch computes the numbers that are stored")
    from tests.helpers import torch_reference

    computed = torch_reference.full_width_numbers()
    for name, expected in np.load(full_width.STORED).items():
        np.testing.assert_allclose(computed[name], expected, rtol=1e-9, atol=1e-12, err_msg=name)
