"""The constants of a front end are checked and read from cards."""

import dataclasses

import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.spectral.front_end_constants import (
    changed_constants,
    format_front_end,
    parse_front_end,
)
from dreamsound_jax.system.errors import UserError

TEXT = "sample_rate=16000,n_fft=1024,hop=320,n_mels=64,f_min=50,compression=db"
CONSTANTS = {"sample_rate": 16000, "n_fft": 1024, "hop": 320, "n_mels": 64, "f_min": 50} | {
    "compression": "db"
}


def refuse(text):
    with pytest.raises(UserError) as caught:
        parse_front_end(text)
    message = str(caught.value)
    assert "\n" not in message and "--front_end" in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"{TEXT},win_length=None",
        " sr = 16000, n_fft=1024, win_length=1024, hop_length=320, mel_bins=64, fmin=50, "
        "fmax=none, compression=db, window=hann, center=True, power=2.0, mel_scale=slaney, htk=0",
    ],
)
def test_constants_are_understood_by_the_names_of_librosa_and_torchaudio_too(text):
    found = parse_front_end(text)
    assert FrontEnd(**found) == FrontEnd(**CONSTANTS)
    assert type(found["hop"]) is int


TORCHAUDIO = {"n_mels": 64, "mel_scale": "htk", "mel_norm": "none", "pad_mode": "reflect"}


@pytest.mark.parametrize(
    "text",
    [
        "n_mels=64,mel_scale=htk,mel_norm=none,pad_mode=reflect",
        "n_mels=64,htk=true,norm=none,pad_mode=reflect,center=true,pad=0,normalized=false",
        "n_mels=64,htk=1,mel_scale=htk,norm=null,pad_mode=reflect",
    ],
)
def test_torchaudios_filters_and_ends_are_understood(text, tmp_path):
    assert parse_front_end(text) == TORCHAUDIO
    assert parse_front_end(format_front_end(TORCHAUDIO)) == TORCHAUDIO
    file = tmp_path / "front_end.json"
    file.write_text('{"n_mels": 64, "htk": true, "norm": null, "pad_mode": "reflect"}')
    assert parse_front_end(str(file)) == TORCHAUDIO


def test_spectrograms_have_no_floor_where_their_training_had_none():
    logarithmic = {"compression": "log", "log_offset": 1e-5}
    text = format_front_end(logarithmic)
    assert parse_front_end(text) == logarithmic | {"top_db": 300}
    assert parse_front_end(f"{text},top_db=60") == logarithmic | {"top_db": 60}
    assert parse_front_end("top_db=none") == {"top_db": 300}
    assert parse_front_end("compression=db") == {"compression": "db"}


def test_constants_may_be_in_a_json_file(tmp_path):
    file = tmp_path / "front_end.json"
    file.write_text('{"sr": 16000, "n_fft": 1024, "hop": 320, "n_mels": 64, "f_min": 50}')
    assert parse_front_end(str(file)) == {k: v for k, v in CONSTANTS.items() if k != "compression"}


def test_constants_that_are_written_are_read_again():
    assert parse_front_end(format_front_end(CONSTANTS)) == CONSTANTS
    front_end = dataclasses.replace(FrontEnd(**CONSTANTS), f_max=7000.0, mean=-20.0)
    changed = changed_constants(front_end)
    assert "compression" not in changed and "mean" not in changed
    assert FrontEnd(**parse_front_end(format_front_end(changed)), mean=-20.0) == front_end
    assert changed_constants(FrontEnd()) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "hopp=3",
            "no such constant of the front end: 'hopp' (did you mean hop?); choose",
        ),
        ("hop_lenght=3", "(did you mean hop_length?)"),
        ("hop=0", "hop must be a whole number above 0, got 0"),
        ("hop=3.5", "hop must be a whole number above 0, got 3.5"),
        ("hop=true", "hop must be a number, got true"),
        ("hop=1,hop_length=2", "hop must be given once, got hop and hop_length"),
        ("f_min=nan", "f_min must be a finite number, got nan"),
        ("f_min=low", "f_min must be a finite number, got 'low'"),
        ("sr=16000,fmax=9000", "must lie in 0 to 8000 Hz, got 0 to 9000 Hz"),
        ("n_mels=256", "use n_mels of at most 132 or n_fft of 882"),
        ("n_fft=1024,win_length=400", "win_length must be 1024, which is n_fft, got 400"),
        ("mel_scale=htk,htk=false", "mel_scale must be given once, got mel_scale and htk"),
        ("htk=maybe", "htk must be true or false, got maybe"),
        ("mel_scale=mel", "no mel_scale 'mel'; choose from: slaney, htk"),
        ("norm=1", "no mel_norm 1; choose from: slaney, none"),
        ("pad_mode=edge", "no pad_mode 'edge'; choose from: constant, reflect"),
        ("normalized=true", "normalized must be False, got True"),
        ("power=1", "power must be 2, got 1"),
        ("compression=lg", "no compression 'lg' (did you mean log?)"),
        ("log_offset=1e-3", "log_offset needs compression=log, got compression=db"),
        ("compression=log,log_offset=-1", "log_offset must be 0 or more, got -1"),
        ("compression=log,log_offset=small", "log_offset must be a finite number, got 'small'"),
        ("input_std=2", "input_std must be left out: a conversion takes it from --std"),
        ("mean=-20", "mean must be left out: a conversion takes it from --mean"),
        ("hop=3,n_mels", "such as sample_rate=16000,hop=320, or a .json file, got 'n_mels'"),
        ("", "must be a list such as"),
    ],
)
def test_wrong_constants_are_refused_in_one_line(text, words):
    assert words in refuse(text)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'[["hop", 3]]', "must hold a JSON object"),
        (b'{"hop": 3, "hop": 4}', "hop must be given once"),
        (b'{"hop": {"a": 1}}', "hop must be a whole number above 0"),
        (b'{"compression": [1]}', "no compression [1]"),
        (None, "No such file"),
    ],
)
def test_wrong_files_are_refused_in_one_line(content, words, tmp_path):
    file = tmp_path / "front_end.json"
    if content is not None:
        file.write_bytes(content)
    assert words in refuse(str(file))
