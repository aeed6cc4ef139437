"""Converting PyTorch files to checkpoints; test_convert_weights.py runs the command itself."""

import dataclasses
import hashlib
import json
import re

import jax
import numpy as np
import pytest

from dreamsound_jax.networks import catalogue, loading
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights import checkpoint
from dreamsound_jax.weights.conversion_request import ConversionRequest
from dreamsound_jax.weights.convert import convert_weights
from dreamsound_jax.weights.dream_scale import estimate_db_statistics
from dreamsound_jax.weights.torch_weights import BATCH_NORM_TORCH_NAMES
from tests.helpers.published import publish_tiny_model
from tests.helpers.safetensors_files import write_safetensors
from tests.helpers.tiny import CARD, as_module, write_checkpoint
from tests.helpers.torch_files import vgg19_arrays, write_pth

ENTRIES = {key: value for key, value in CARD.entries().items() if key != "name"}
ARRAYS = vgg19_arrays(loading.weight_shapes(CARD))


@pytest.fixture(scope="module")
def pth(tmp_path_factory):
    return write_pth(tmp_path_factory.mktemp("pth") / "tiny.pth", ARRAYS)


@pytest.fixture
def published(tmp_path, pth, monkeypatch):
    """The folder of a published model, `tiny`, whose weights are those of `pth`."""
    return publish_tiny_model(tmp_path / "checkpoints", pth.read_bytes(), monkeypatch)


def test_batch_norm_is_folded(tmp_path):
    """The reference is PyTorch's formula, written in NumPy."""
    arrays = vgg19_arrays(loading.weight_shapes(CARD), batch_norm=True)
    path = write_pth(tmp_path / "bn.pth", arrays)
    convert_weights(path, ConversionRequest("bn", ENTRIES, output=tmp_path / "bn"))
    model = as_module(loading.load_model(checkpoint=tmp_path / "bn").network)
    x = np.random.default_rng(0).normal(size=(32, 48)).astype(np.float32)
    found = model(x[None], ("conv1_1", "relu1_1", "conv1_2"))
    conv, norm = BATCH_NORM_TORCH_NAMES["conv1_2"], "features.4"
    padded = np.pad(np.float64(found["relu1_1"][0]), ((1, 1), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (0, 1))
    out = np.einsum("hwikl,oikl->hwo", windows, arrays[f"{conv}.weight"]) + arrays[f"{conv}.bias"]
    scale, bias, mean, variance = (
        arrays[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    expected = (out - mean) / np.sqrt(variance + 1e-5) * scale + bias
    np.testing.assert_allclose(found["conv1_2"][0], expected, atol=1e-4)


FRONT_END = {"sample_rate": 16000, "n_fft": 1024, "hop": 320, "n_mels": 64, "f_min": 50}


def test_a_safetensors_file_and_another_front_end_become_a_checkpoint(tmp_path, pth):
    path = write_safetensors(tmp_path / "a.safetensors", ARRAYS)
    request = ConversionRequest("a", ENTRIES | {"front_end": FRONT_END}, output=tmp_path / "a")
    convert_weights(path, request)
    found = loading.load_model(checkpoint=tmp_path / "a")
    assert found.card.front_end == dataclasses.replace(CARD.front_end, **FRONT_END)
    assert "`sample_rate=16000,n_fft=1024,hop=320," in (tmp_path / "a/README.md").read_text()
    convert_weights(pth, ConversionRequest("b", ENTRIES, output=tmp_path / "b"))
    expected = loading.load_model(checkpoint=tmp_path / "b")
    jax.tree.map(np.testing.assert_array_equal, found.network.weights, expected.network.weights)


@pytest.mark.parametrize("threshold", [0, checkpoint.STREAMING_THRESHOLD])
def test_numbers_that_are_nan_leave_nothing(tmp_path, monkeypatch, threshold):
    monkeypatch.setattr(checkpoint, "STREAMING_THRESHOLD", threshold)
    bias = np.full(4, np.nan, np.float32)
    path = write_pth(tmp_path / "a.pth", ARRAYS | {"features.0.bias": bias})
    with pytest.raises(UserError, match=r"^features.0.bias must hold finite numbers"):
        convert_weights(path, ConversionRequest("a", ENTRIES, output=tmp_path / "a"))
    assert [place.name for place in tmp_path.iterdir()] == ["a.pth"]


def test_a_published_model_is_selected_by_its_name(published, pth):
    with pytest.raises(UserError, match="has no weights in .*; run the converter"):
        loading.load_model("tiny")
    assert "no weights here: run the converter" in catalogue.describe_models()
    before = json.loads((published / "card.json").read_text())
    assert "--model=tiny" in convert_weights(pth, ConversionRequest("tiny", {}))
    assert json.loads((published / "card.json").read_text()) == before
    assert loading.load_model("tiny").card.classes == CARD.classes
    assert f"checkpoint: {published}" in catalogue.describe_models()


def test_a_file_other_than_the_published_one_needs_noverify_hash(published, tmp_path):
    arrays = ARRAYS | {"features.0.bias": np.ones(4, np.float32)}
    other = write_pth(tmp_path / "other.pth", arrays)
    with pytest.raises(UserError, match="is not the published tiny.pth.*--noverify_hash"):
        convert_weights(other, ConversionRequest("tiny", {}))
    assert not (published / "weights").exists()
    convert_weights(other, ConversionRequest("tiny", {}, verify_hash=False))
    assert json.loads((published / "card.json").read_text())["source"]["file"] == "other.pth"
    with pytest.raises(UserError, match="is not the published tiny.pth"):
        convert_weights(other, ConversionRequest("tiny", {}))


def test_a_published_file_of_which_only_the_md5_is_known_is_verified(published, pth, tmp_path):
    card = json.loads((published / "card.json").read_text())
    del card["source"]["sha256"]
    card["source"]["md5"] = hashlib.md5(pth.read_bytes()).hexdigest()
    (published / "card.json").write_text(json.dumps(card))
    other = write_pth(tmp_path / "other.pth", ARRAYS | {"features.0.bias": np.ones(4, np.float32)})
    with pytest.raises(UserError, match="its MD5 must be .*--noverify_hash"):
        convert_weights(other, ConversionRequest("tiny", {}))
    convert_weights(pth, ConversionRequest("tiny", {}))
    assert json.loads((published / "card.json").read_text())["source"] == card["source"]


def test_a_published_file_without_a_known_digest_is_converted_and_the_user_is_told(published, pth):
    card = json.loads((published / "card.json").read_text())
    source = card["source"]
    del source["sha256"], source["bytes"]
    (published / "card.json").write_text(json.dumps(card))
    for _ in ("first", "again"):
        said = convert_weights(pth, ConversionRequest("tiny", {})).splitlines()
        assert "no digest of tiny.pth is known, so the file itself could not be verified" in said[1]
    card = json.loads((published / "card.json").read_text())
    assert card["published"] == source
    digest = hashlib.sha256(pth.read_bytes()).hexdigest()
    assert card["source"] == {"file": "tiny.pth", "sha256": digest}


def test_statistics_of_another_scale_than_db_are_those_of_what_the_network_is_shown(pth, tmp_path):
    constants = {"n_fft": 1024, "n_mels": 64, "mel_norm": "none", "compression": "log"}
    entries = ENTRIES | {"mean": -4.5, "std": 3.25, "front_end": constants}
    convert_weights(pth, ConversionRequest("a", entries, output=tmp_path / "a"))
    front_end = loading.load_model(checkpoint=tmp_path / "a").card.front_end
    assert (front_end.input_mean, front_end.input_std) == (-4.5, 3.25)
    # Dreams take steps as large as those of gm, around a level that follows the filters.
    gm = loading.load_model("gm").card.front_end
    assert front_end.std == pytest.approx(gm.std, abs=0.1)
    page = (tmp_path / "a/README.md").read_text()
    assert "the natural log(x + 1e-06) of the mel power x" in page
    assert "mean -4.5000 and standard deviation 3.2500. Dreams are in dB" in page


def test_the_dream_scale_of_a_front_end_like_that_of_gm_is_that_of_gm():
    gm = loading.load_model("gm").card.front_end
    found = estimate_db_statistics(dataclasses.replace(gm, mean=0.0, std=1.0))
    assert found == pytest.approx({"mean": gm.mean, "std": gm.std}, abs=0.1)


def test_the_page_of_a_converted_network_says_how_much_its_layers_hear(pth, tmp_path):
    convert_weights(pth, ConversionRequest("a", ENTRIES, output=tmp_path / "a"))
    page = (tmp_path / "a/README.md").read_text()
    # mp3 reaches 29 frames to each side: (2 x 29 hops of 200 + 441 samples) / 22050 Hz.
    assert "`conv3_4`, `relu3_4`, `mp3` | up to 0.55 s |" in page and "| dreams |" not in page


def test_a_user_may_state_what_the_network_must_hear(pth, tmp_path):
    def convert(*classes):
        entries = ENTRIES | {"heard_in_drums": list(classes)}
        return convert_weights(pth, ConversionRequest("a", entries, output=tmp_path / "a"))

    said = convert_weights(pth, ConversionRequest("a", ENTRIES, output=tmp_path / "a"))
    first, second, third = re.findall(r"(class_\d) \d+%", said)
    convert(second, first)
    assert json.loads((tmp_path / "a/card.json").read_text())["heard_in_drums"] == [second, first]
    assert f"it hears, above all, {second}, {first}." in (tmp_path / "a/README.md").read_text()
    with pytest.raises(UserError, match=f"must hear {third} in drums, and hears {first}, {second}"):
        convert(third)
    with pytest.raises(UserError, match="no class 'clas_1'"):
        convert("clas_1")
    with pytest.raises(UserError, match="--heard_in_drums must name at most 3 classes"):
        convert(*CARD.classes[:4])


def test_a_network_that_was_trained_here_is_not_replaced(pth, tmp_path):
    folder = write_checkpoint(tmp_path / "mine")
    card = json.loads((folder / "card.json").read_text()) | {"rebuild": "python train.py"}
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match="holds a network that was trained here"):
        convert_weights(pth, ConversionRequest("mine", ENTRIES, output=folder))
    assert loading.load_model(checkpoint=folder).card == CARD


def test_a_file_that_does_not_fit_leaves_nothing(tmp_path):
    path = write_pth(tmp_path / "a.pth", {**ARRAYS, "fc.weight": np.zeros(3)})
    with pytest.raises(UserError, match="unexpected: fc.weight"):
        convert_weights(path, ConversionRequest("a", ENTRIES, output=tmp_path / "a"))
    assert [place.name for place in tmp_path.iterdir()] == ["a.pth"]


def test_a_folder_that_is_not_a_checkpoint_is_not_replaced(pth, tmp_path):
    (tmp_path / "music").mkdir()
    (tmp_path / "music/song.wav").write_text("precious")
    with pytest.raises(UserError, match="must be new, empty or a checkpoint"):
        convert_weights(pth, ConversionRequest("a", ENTRIES, output=tmp_path / "music"))
    assert (tmp_path / "music/song.wav").read_text() == "precious"


def test_a_number_of_classes_stands_for_numbered_names():
    request = ConversionRequest("mine", ENTRIES | {"classes": ["3"]})
    assert request.card_entries()["classes"] == ["class_0", "class_1", "class_2"]


@pytest.mark.parametrize(
    ("name", "entries", "words"),
    [
        ("mine", {}, r"mine is not a published model .*needs --classes, --mean, --std"),
        ("mine", ENTRIES | {"front_end": {"n_mels": 16}}, "n_mels must be at least 32"),
        ("gm", ENTRIES, "gm holds a network that was trained here"),
        (
            "mine",
            ENTRIES | {"front_end": {"compression": "log"}, "std": 0},
            "input_std must be above",
        ),
        ("../up", ENTRIES, "--model must consist of letters, .*, got '../up'"),
        ("mine", ENTRIES | {"mean": np.nan}, "--mean must be a finite number, got nan"),
        ("mine", ENTRIES | {"classes": ["0"]}, "--classes must be names, or one number from 1 to"),
        ("mine", ENTRIES | {"classes": ["9" * 5000]}, "or one number from 1 to 10000, got 999999"),
        ("mine", ENTRIES | {"classes": ["-3"]}, "or one number from 1 to 10000, got -3"),
        ("mine", ENTRIES | {"classes": ["a", "a"]}, "--classes must be names, each .* got 'a'"),
        ("mine", ENTRIES | {"classes": []}, "--classes must be names, each of them once, got none"),
        (
            "fma-small",
            {},
            r"has 32 channels, which --width=0.0625 fits; .* --hidden=32 fits; .* and",
        ),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_one_line(pth, name, entries, words):
    with pytest.raises(UserError, match=words) as caught:
        convert_weights(pth, ConversionRequest(name, entries))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="cannot read no.pth: No such file"):
        convert_weights("no.pth", ConversionRequest("a", ENTRIES, output=tmp_path / "a"))
