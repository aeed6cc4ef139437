"""Model cards are read, written and checked."""

import dataclasses
import json

import pytest

from dreamsound_jax.networks.card import Card, card_from_entries, read_card
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import shipped
from tests.helpers.tiny import CARD

OTHER = FrontEnd(
    sample_rate=16000, n_fft=512, hop=256, n_mels=96, f_min=50.0, f_max=7000.0, mean=-30, std=15
)


def message_of(call, *arguments, **keywords):
    """The message of the UserError that a call raises, which must be one line."""
    with pytest.raises(UserError) as caught:
        call(*arguments, **keywords)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def entries(**changes):
    """The entries of a card, without those that are changed to None."""
    changed = CARD.entries() | changes
    return {name: value for name, value in changed.items() if value is not None}


def refuse(entries):
    return message_of(card_from_entries, entries, source="card.json")


LOGARITHMIC = dataclasses.replace(
    OTHER,
    mel_scale="htk",
    mel_norm="none",
    pad_mode="reflect",
    compression="log",
    log_offset=1e-5,
    input_mean=-4.5,
    input_std=3.25,
)


@pytest.mark.parametrize("front_end", [CARD.front_end, OTHER, LOGARITHMIC])
def test_a_card_goes_round_by_json(front_end, tmp_path):
    card = dataclasses.replace(CARD, front_end=front_end)
    (tmp_path / "card.json").write_text(json.dumps(card.entries()))
    assert read_card(tmp_path) == card


def test_a_card_states_only_what_is_not_the_references():
    assert "front_end" not in CARD.entries() and "architecture" not in CARD.entries()
    card = dataclasses.replace(CARD, front_end=dataclasses.replace(CARD.front_end, hop=100))
    assert card.entries()["front_end"] == {"hop": 100}
    assert (card.entries()["mean"], card.entries()["std"]) == (-24, 17)


def test_a_card_may_name_its_architecture():
    named = entries(width=None, hidden=None, architecture={"name": "vgg19", **CARD.size})
    assert card_from_entries(named, source="card.json") == CARD
    bare = card_from_entries(entries(width=None, hidden=None), source="card.json")
    assert bare.architecture.layer("linear1").channels == 4096


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"classes": None}, "it must have the entry 'classes'"),
        ({"mean": None}, "it must have the entry 'mean'"),
        ({"mean": 10**400}, "mean must be from -1e6 to 1e6, got a whole number of 1329 bits"),
        ({"std": 1e308}, "std must be from -1e6 to 1e6, got 1e+308"),
        ({"mean": "x" * 9999}, "mean must be a finite number, got 'xxx"),
        ({"input_std": [1]}, "input_std must be a finite number, got [1]"),
        ({"hidden": 10**30}, "hidden must be at most 1048576, got a whole number of 100 bits"),
        ({"weights_from": ["x"]}, "weights_from must be a text in one line, got ['x']"),
        (
            {"name": "a" + chr(10) + "b"},
            "name must be a text in one line, got 'a" + chr(92) + "nb'",
        ),
        ({"classes": ["a" + chr(10)]}, "classes must be names, each of them once, got 'a"),
        ({"classes": [["dog"]]}, "classes must be names, each of them once, got ['dog']"),
        ({"default_layer": []}, "default_layer must be a text in one line, got []"),
        ({"synonyms": ["a"]}, "synonyms must be an object, got ['a']"),
        ({"synonyms": {"a": []}}, "synonyms must name classes, got [] for 'a'"),
        ({"source": "a page"}, "source must be an object, got 'a page'"),
        ({"source": {"url": "x"}}, "source must have the entry 'file'"),
        (
            {"source": {"url": "x", "file": "y", "bytes": "9"}},
            "bytes must be a whole number, got '9'",
        ),
        ({"front_end": {"hop": 10**400}}, "hop must be at most n_fft"),
        ({"architecture": {"name": []}}, "no architecture []"),
        ({"architecture": {"name": "panns"}}, "architecture must have the entry 'channels'"),
        (
            {"architecture": {"name": "panns", "channels": [4, -1], "pools": 1}},
            "channels must be a list of whole numbers above 0, got [4, -1]",
        ),
        ({"mean": "loud"}, "mean must be a finite number, got 'loud'"),
        ({"std": 0}, "std must be above 0, got 0"),
        ({"std": float("nan")}, "std must be a finite number, got nan"),
        (
            {"front_end": {"hopp": 200}},
            "no such constant of the front end: 'hopp' (did you mean",
        ),
        ({"front_end": {"mean": -20}}, "no such constant of the front end: 'mean'"),
        ({"front_end": {"n_mels": 31}}, "n_mels must be at least 32, which this network's pooling"),
        ({"front_end": {"n_fft": 256}}, "use n_mels of at most 76 or n_fft of 512"),
        ({"front_end": {"hop": "200"}}, "hop must be a whole number above 0, got '200'"),
        ({"front_end": {"n_mels": 0}}, "n_mels must be a whole number above 0, got 0"),
        ({"front_end": {"n_fft": 441.5}}, "n_fft must be a whole number above 0, got 441.5"),
        ({"front_end": {"hop": True}}, "hop must be a whole number above 0, got True"),
        ({"front_end": {"sample_rate": True}}, "sample_rate must be a whole number above 0, got T"),
        ({"front_end": {"top_db": True}}, "top_db must be a finite number, got True"),
        ({"mean": False}, "mean must be a finite number, got False"),
        ({"front_end": {"f_max": "high"}}, "f_max must be a finite number, got 'high'"),
        ({"front_end": {"f_max": 12000}}, "must lie in 0 to 11025 Hz, got 0 to 12000 Hz"),
        ({"front_end": {"f_min": 900, "f_max": 800}}, "got 900 to 800 Hz"),
        ({"front_end": {"mel_scale": "bark"}}, "no mel_scale 'bark'; choose from: slaney, htk"),
        ({"front_end": {"norm": None}}, "no such constant of the front end: 'norm'"),
        ({"input_mean": 3}, "input_mean and input_std must be left out where the compression is"),
        ({"front_end": {"compression": "log"}, "input_std": -1}, "input_std must be above 0"),
        ({"front_end": ["hop"]}, "front_end must be an object, got ['hop']"),
        ({"front_end": {"hop": 442}}, "hop must be at most n_fft, which is 441, got 442"),
        ({"front_end": {"n_fft": 2**40}}, "n_fft must be at most 65536, got 1099511627776"),
        ({"architecture": {"name": "vgg9"}}, "no architecture 'vgg9' (did you mean vgg19?)"),
        ({"architecture": {"width": 1.0}}, "architecture must have the entry 'name'"),
        ({"architecture": {"name": "vgg19", "depth": 3}}, "depth"),
        ({"architecture": "vgg19"}, "architecture must be an object, got 'vgg19'"),
        ({"width": "wide"}, "width must be a number from 0.01 to 16, got 'wide'"),
        ({"width": -1}, "width must be a number from 0.01 to 16, got -1"),
        ({"hidden": True}, "hidden must be a whole number above 0, got True"),
        ({"width": True}, "width must be a number from 0.01 to 16, got True"),
        (
            {"architecture": {"name": "musicnn"}, "front_end": {"n_fft": 512, "n_mels": 64}},
            "n_mels must be 96, for which this network was trained, got 64",
        ),
        (
            {
                "architecture": {"name": "panns", "channels": [4, 6], "pools": 2},
                "front_end": {"n_fft": 1024, "n_mels": 96},
            },
            "n_mels must be 64, for which this network was trained, got 96",
        ),
        ({"hidden": 0}, "hidden must be a whole number above 0, got 0"),
        ({"default_layer": "relu9"}, "no layer 'relu9'"),
        ({"name": 5}, "name must be a text in one line, got 5"),
        ({"classes": "abc"}, "classes must be a list, got 'abc'"),
        ({"classes": []}, "classes must be names, each of them once, got none"),
        ({"classes": ["dog", 1]}, "classes must be names, each of them once, got 1"),
        ({"classes": ["dog", "cat", "dog"]}, "classes must be names, each of them once, got 'dog'"),
    ],
)
def test_a_wrong_card_is_refused_in_one_line_that_names_it(changes, hint):
    message = refuse(entries(**changes))
    assert message.startswith("card.json") and hint in message
    assert len(message) < 400 and message.isprintable()


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[1, 2]", "must be a JSON object"),
        ('"card"', "must be a JSON object"),
        ("{", "is not a model card"),
        ('{"name": "x"}', "it must have the entry 'classes'"),
        ("[" * 100_000, "is not a model card"),
        (chr(0) + "x" * 10_000, "is not a model card"),
    ],
)
def test_a_file_that_is_no_card_is_refused(text, hint, tmp_path):
    (tmp_path / "card.json").write_text(text)
    message = message_of(read_card, tmp_path)
    assert hint in message and str(tmp_path / "card.json") in message
    assert len(message) < 500


def test_a_file_in_place_of_a_checkpoint_is_to_be_converted(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"PK")
    message = message_of(read_card, tmp_path / "net.pth")
    assert f"scripts/convert_weights.py --pth={tmp_path / 'net.pth'} makes one" in message


def test_a_byte_order_mark_is_left_out(tmp_path):
    (tmp_path / "card.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(CARD.entries()).encode())
    assert read_card(tmp_path) == CARD


def test_a_folder_without_a_card_is_refused(tmp_path):
    assert "is not a checkpoint: it has no card.json" in message_of(read_card, tmp_path)


def test_classes_are_found_by_name_and_by_number():
    assert CARD.class_index("class_3") == CARD.class_index(3) == 3
    assert "did you mean class_3?" in message_of(CARD.class_index, "clas_3")
    assert "5 class_5" in message_of(CARD.class_index, 6)
    assert "no class -1" in message_of(CARD.class_index, -1)


@pytest.mark.parametrize(
    ("name", "mean", "std", "index", "of_index"),
    [
        ("fma-small", -24.1847, 16.8729, 3, "experimental"),
        ("UrbanSounds8k", -23.5891, 16.3979, 4, "drilling"),
    ],
)
def test_the_cards_of_the_reference_have_its_statistics(name, mean, std, index, of_index):
    card = read_card(shipped("checkpoints") / name)
    assert isinstance(card, Card)
    assert card.front_end == FrontEnd(mean=mean, std=std)
    assert card.classes[index] == of_index
    assert card.architecture.layer("relu3_4").channels == 256


def test_a_class_is_found_by_what_people_call_it():
    gm = read_card(shipped("checkpoints") / "gm")
    for word, name in (("flute", "pipe"), ("Violin", "strings"), ("drums", "percussive")):
        assert gm.classes[gm.class_index(word)] == name
    with pytest.raises(
        UserError, match=r"no class 'fluet' \(did you mean flute\?\); choose from: p"
    ):
        gm.class_index("fluet")
    # In General MIDI, each of these instruments is in the family that is named.
    assert not set(gm.synonyms) & set(gm.classes) and set(gm.synonyms.values()) <= set(gm.classes)
    assert card_from_entries(gm.entries(), source="x") == gm
    with pytest.raises(UserError, match="no class 'horns'"):
        card_from_entries(gm.entries() | {"synonyms": {"horn": "horns"}}, source="x")
