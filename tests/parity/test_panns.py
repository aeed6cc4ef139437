"""PANNs' networks against an implementation in PyTorch, before and after a conversion."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.networks.architectures import ARCHITECTURES
from dreamsound_jax.networks.card import card_from_entries, read_card
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.interpolate import resize_nearest
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from tests.helpers.safetensors_files import write_safetensors

torch = pytest.importorskip("torch", reason="PyTorch computes the numbers that are compared")
from tests.helpers import torch_panns  # noqa: E402
from tests.weights.test_convert_weights import MEASURE_PEAK  # noqa: E402

FRONT_END = {
    "sample_rate": 32000,
    "n_fft": 1024,
    "hop": 320,
    "n_mels": 64,
    "f_min": 50,
    "f_max": 14000,
    "top_db": 300,
    "pad_mode": "reflect",
}


def make_entries(size, classes=5):
    return {
        "classes": [f"class_{index}" for index in range(classes)],
        "mean": 0,
        "std": 1,
        "architecture": {"name": "panns", **size},
        "front_end": FRONT_END,
    }


def convert(network, folder, size, *, old_format=True, **changes):
    """Saves a network of PyTorch, converts the file, and returns the folder of the checkpoint."""
    path = torch_panns.save_as_published(network, folder / "a.pth", old_format=old_format)
    request = ConversionRequest("mine", make_entries(size) | changes, output=folder / "mine")
    convert_weights(path, request)
    return folder / "mine"


def draw_mel_db(frames, seed=0):
    return np.random.default_rng(seed).normal(-30, 15, (64, frames))


def compare(found, expected):
    largest = np.abs(expected).max()
    assert found.shape == expected.shape and largest > 0
    assert np.abs(found - expected).max() <= 1e-5 * largest


def run_torch(network, mel_db):
    """Computes all activations, and the gradient of the sum of squared logits, with our axes."""
    # The gradient of PyTorch 2.13 is wrong for a tensor with the strides of such a view.
    x = torch.tensor(mel_db.T[None, None].copy(), requires_grad=True)
    found = network.activations(x)
    (gradient,) = torch.autograd.grad((found["output"] ** 2).sum(), x)
    activations = {name: value[0].detach().numpy() for name, value in found.items()}
    turned = {n: v.transpose(2, 1, 0) if v.ndim == 3 else v for n, v in activations.items()}
    return turned, gradient[0, 0].numpy().T


def run_jax(model, mel_db):
    layers = model.card.architecture.layers
    standardise = model.card.front_end.standardise

    def measure(mel_db, network):
        found = network.activations(standardise(mel_db), layers)
        return (found["output"] ** 2).sum(), found

    compute = jax.jit(jax.grad(measure, has_aux=True))
    gradient, found = compute(jnp.asarray(mel_db), model.network)
    return found, gradient


@pytest.mark.parametrize(
    ("size", "frames"),
    [
        (torch_panns.SMALL, 75),
        ({"channels": [4, 6, 8], "pools": 2}, 33),
        pytest.param(torch_panns.CNN10, 101, marks=pytest.mark.slow),
        pytest.param(torch_panns.CNN14, 101, marks=pytest.mark.slow),
    ],
)
def test_a_converted_network_computes_what_pytorch_does(tmp_path, x64, size, frames):
    network = torch_panns.make_network(**size)
    folder = convert(network, tmp_path, size)
    (tmp_path / "a.pth").unlink()
    model, mel_db = loading.load_model(checkpoint=folder, dtype=jnp.float64), draw_mel_db(frames)
    found, gradient = run_jax(model, mel_db)
    expected, expected_gradient = run_torch(network, mel_db)
    assert set(found) == set(expected)
    for name in model.card.architecture.layers:
        compare(found[name], expected[name])
    compare(gradient, expected_gradient)


def test_each_band_of_a_pyramid_level_is_treated_as_the_band_that_it_was_taken_from(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    model = loading.load_model(checkpoint=convert(network, tmp_path, torch_panns.SMALL))
    mel_db = jnp.asarray(draw_mel_db(20), jnp.float32)
    weights = model.network.weights["input"]
    kept = {name: array[::4] for name, array in weights.items()}
    small = model.card.front_end.standardise(resize_nearest(mel_db, (16, 20)))
    expected = small * kept["scale"][:, None] + kept["shift"][:, None]
    whole = {name: jnp.full(64, value) for name, value in (("scale", 1.0), ("shift", 0.0))}
    plain = model.network.replace(weights={**model.network.weights, "input": whole})
    found = model.network.activations(small, ("relu1_2",))["relu1_2"]
    np.testing.assert_allclose(
        found, plain.activations(expected, ("relu1_2",))["relu1_2"], rtol=1e-5, atol=1e-5
    )


def test_the_cards_statistics_standardise_the_input(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    card = json.loads((convert(network, tmp_path, torch_panns.SMALL) / "card.json").read_text())
    mean = network.bn0.running_mean.mean().item()
    std = (network.bn0.running_var + 1e-5).sqrt().mean().item()
    assert card["mean"] == pytest.approx(mean, abs=1e-4)
    assert card["std"] == pytest.approx(std, abs=1e-4)
    assert "width" not in card and "hidden" not in card


def test_both_formats_of_pytorch_give_the_same_weights(tmp_path):
    network, weights = torch_panns.make_network(**torch_panns.SMALL, dtype=torch.float32), []
    for old_format in (True, False):
        folder = tmp_path / str(old_format)
        folder.mkdir()
        convert(network, folder, torch_panns.SMALL, old_format=old_format)
        weights.append(loading.load_model(checkpoint=folder / "mine").network.weights)
    jax.tree.map(np.testing.assert_array_equal, *weights)


def test_the_geometry_of_the_layers_is_that_of_the_activations():
    size = torch_panns.SMALL
    described = ARCHITECTURES["panns"].describe(5, **size)
    assert described.multi_label and described.class_layer == "output"
    assert described.last_local.name == "pool4" and described.last_local.reach == 45
    assert hash(described) == hash(ARCHITECTURES["panns"].describe(5, **size))
    card = card_from_entries(make_entries(size) | {"name": "a"}, source="a")
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape), loading.weight_shapes(card))
    network = loading.build_network(card, zeros)
    for frames in (16, 47):
        x = jax.ShapeDtypeStruct((64, frames), jnp.float32)
        found = jax.eval_shape(lambda x: network.activations(x, described.layers), x)
        for layer in (layer for stage in described.stages for layer in stage):
            *sides, channels = found[layer.name].shape
            cells = [side // stride for side, stride in zip((64, frames), layer.stride)]
            assert channels == layer.channels and sides == ([] if layer.reach is None else cells)


def test_the_head_continues_from_a_joined_activation_and_cells_are_local(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    folder = convert(network, tmp_path, torch_panns.SMALL)
    network = loading.load_model(checkpoint=folder).network
    x = jnp.asarray(draw_mel_db(160), jnp.float32) / 15
    last = network.architecture.last_local
    found = network.activations(x, (last.name, "output"))
    continued = network.activations_after(last.name, found[last.name], ("output",))
    np.testing.assert_allclose(continued["output"], found["output"], rtol=1e-5)
    cell, touched = 5, x.at[:, 80 + last.reach + 1].set(9.0)
    changed = network.activations(touched, (last.name,))[last.name]
    np.testing.assert_allclose(changed[:, cell], found[last.name][:, cell], rtol=1e-5, atol=1e-6)
    touched = x.at[:, 80 + last.reach].set(9.0)
    changed = network.activations(touched, (last.name,))[last.name]
    assert np.abs(changed[:, cell] - found[last.name][:, cell]).max() > 1e-4


def test_the_front_end_is_that_of_panns():
    sound = np.random.default_rng(0).normal(size=32000).astype(np.float32) * 0.1
    sound[9000:20000] = 0
    window = torch.hann_window(1024)
    options = {"hop_length": 320, "window": window, "pad_mode": "reflect", "return_complex": True}
    power = torch.stft(torch.tensor(sound), 1024, **options).abs() ** 2
    filters = torch_panns.Panns(**torch_panns.SMALL, classes=5).logmel_extractor.melW.detach()
    expected = 10 * torch.log10(torch.clamp(filters.T @ power, min=1e-10)).numpy()
    found = np.asarray(FrontEnd(**FRONT_END).level_db(jnp.asarray(sound)))
    np.testing.assert_allclose(found, expected, atol=1e-2)


@pytest.mark.parametrize(
    ("name", "filters"),
    [
        ("cnn10", torch_panns.MEL),
        ("cnn14", torch_panns.MEL),
        ("cnn14_16k", {"sr": 16000, "n_fft": 512, "n_mels": 64, "fmin": 50, "fmax": 8000}),
    ],
)
def test_the_cards_of_panns_have_its_filters_and_mirrored_ends(name, filters):
    front_end = read_card(shipped("checkpoints") / name).front_end
    expected = librosa.filters.mel(**filters, dtype=np.float64)
    np.testing.assert_array_equal(front_end.bands.filters, expected)
    assert front_end.sample_rate == filters["sr"] and front_end.hop == filters["sr"] // 100
    assert front_end.pad_mode == "reflect"


def test_wrong_filters_are_refused_and_the_right_front_end_is_named(tmp_path):
    other = {"sr": 16000, "n_fft": 512, "n_mels": 64, "fmin": 50, "fmax": 8000}
    network = torch_panns.make_network(**torch_panns.SMALL, mel=other)
    words = "differ in shape from .* front end of mine; .* sample_rate 16000, n_fft 512, hop 160"
    check_refusal(network, tmp_path, words)
    network = torch_panns.make_network(**torch_panns.SMALL, mel=torch_panns.MEL | {"fmin": 60})
    check_refusal(network, tmp_path, "differ by 0.* of the largest.*those of no network")
    network = torch_panns.make_network(**torch_panns.SMALL)
    changes = {"front_end": FRONT_END | {"f_max": 15000}}
    check_refusal(network, tmp_path, "those of sample_rate 32000", **changes)


def test_another_architecture_or_a_missing_tensor_is_named(tmp_path):
    words = "blocks of 4, 6, 8 channels, but mine must have blocks of 4, 6, 8, 10"
    check_refusal(torch_panns.make_network(channels=[4, 6, 8], pools=3), tmp_path, words)
    network = torch_panns.make_network(**torch_panns.SMALL)
    del network.fc1, network.conv_block2.bn1, network.conv_block3.bn2
    check_refusal(network, tmp_path, "missing: conv_block2.bn1.bias, .* and 4 more")
    network = torch_panns.make_network(**torch_panns.SMALL, classes=6)
    check_refusal(network, tmp_path, r"fc_audioset.weight is \(6, 10\), not \(5, 10\)")
    check_refusal(torch.nn.Linear(3, 2), tmp_path, "must be that of PANNs' network; missing: bn0")


def test_a_network_is_found_inside_of_another(tmp_path, caplog):
    network = torch_panns.make_network(**torch_panns.SMALL)
    inside = torch.nn.ModuleDict({"backbone": network, "head": torch.nn.Linear(2, 3)})
    found = loading.load_model(checkpoint=convert(inside, tmp_path, torch_panns.SMALL)).network
    assert "2 tensors, head.weight, head.bias" in caplog.text
    expected = loading.load_model(checkpoint=convert(network, tmp_path, torch_panns.SMALL)).network
    jax.tree.map(np.testing.assert_array_equal, found.weights, expected.weights)


def test_a_compression_that_panns_networks_never_hear_is_refused(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    changes = {"front_end": FRONT_END | {"compression": "log"}}
    check_refusal(network, tmp_path, "compression must be db, .*, got log", **changes)


def test_statistics_that_are_no_numbers_are_refused(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    network.bn0.running_var[3] = float("nan")
    check_refusal(network, tmp_path, "mean and variance of bn0 must be finite")


@pytest.mark.parametrize("name", ["conv_block3.conv2.weight", "conv_block2.bn1.bias", "fc1.bias"])
def test_a_weight_that_is_no_number_is_refused_with_its_name(tmp_path, name):
    network = torch_panns.make_network(**torch_panns.SMALL)
    network.state_dict()[name].ravel()[-1] = float("nan")
    check_refusal(network, tmp_path, f"^{name} must hold finite numbers")


def test_quantised_weights_are_refused(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL)
    network.fc1.weight = torch.nn.Parameter(network.fc1.weight.to(torch.int8), requires_grad=False)
    check_refusal(network, tmp_path, "PANNs' network; not floating-point: fc1.weight$")


def test_prefixes_and_safetensors_files_give_the_same_weights(tmp_path):
    network = torch_panns.make_network(**torch_panns.SMALL, dtype=torch.float32)
    wrapped = {f"model._orig_mod.{name}": value for name, value in network.state_dict().items()}
    arrays = {name: value.numpy() for name, value in network.state_dict().items()}
    expected = loading.load_model(checkpoint=convert(network, tmp_path, torch_panns.SMALL))
    torch.save({"net": wrapped}, tmp_path / "b.pth")
    write_safetensors(tmp_path / "c.safetensors", arrays)
    for name in ("b.pth", "c.safetensors"):
        entries = make_entries(torch_panns.SMALL)
        convert_weights(tmp_path / name, ConversionRequest(name, entries, output=tmp_path / "of"))
        found = loading.load_model(checkpoint=tmp_path / "of").network.weights
        jax.tree.map(np.testing.assert_array_equal, found, expected.network.weights)


def test_a_network_that_hears_something_else_than_its_card_states_is_removed(tmp_path):
    network, expected = torch_panns.make_network(**torch_panns.SMALL), ["class_0"]
    check_refusal(network, tmp_path, "must hear class_0 in drums", heard_in_drums=expected)


def check_refusal(network, folder, words, **changes):
    with pytest.raises(UserError, match=words) as caught:
        convert(network, folder, torch_panns.SMALL, **changes)
    assert "\n" not in str(caught.value) and not (folder / "mine").exists()


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ({"channels": [], "pools": 0}, "channels must be a list"),
        ({"channels": [4, -1], "pools": 1}, "channels must be a list"),
        ({"channels": [4, 6], "pools": 3}, "pools must be a whole number from 0 to 2, got 3"),
        ({"channels": [4, 6]}, "architecture must have the entry 'pools'"),
    ],
)
def test_a_card_of_an_impossible_size_is_refused(size, words):
    with pytest.raises(UserError, match=words):
        card_from_entries(make_entries(size) | {"name": "a"}, source="a")


@pytest.mark.slow
def test_a_file_as_large_as_that_of_cnn14_converts_in_little_memory(tmp_path):
    """The conversion needs less than one and a half times the file's size of memory."""
    network = torch_panns.make_network(**torch_panns.CNN14, classes=527, dtype=torch.float32)
    path = torch_panns.save_as_published(network, tmp_path / "a.pth")
    script = Path(__file__).parents[2] / "scripts/convert_weights.py"
    flags = ["--model=cnn14", f"--pth={path}", f"--output={tmp_path / 'b'}", "--noverify_hash"]
    # A process begins with its parent's size of memory, so a small one starts the command.
    measure = [sys.executable, "-c", MEASURE_PEAK, sys.executable, script, *flags]
    process = subprocess.run(measure, check=False, capture_output=True, text=True, timeout=200)
    assert process.returncode == 0, process.stderr
    if sys.platform == "linux":  # Other systems count in another unit.
        assert int(process.stdout) * 1024 < 1.5 * path.stat().st_size
    model = loading.load_model(checkpoint=tmp_path / "b")
    assert len(model.card.classes) == 527 and model.card.classes[137] == "Music"
