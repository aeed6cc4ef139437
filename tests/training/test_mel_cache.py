"""Spectrograms for training are kept, and used only where they fit."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training import analysis, mel_cache
from dreamsound_jax.training.datasets.dataset import Dataset
from dreamsound_jax.training.mel_cache import locate_cache
from tests.helpers.sounds import RATE, white_noise

FRONT_END = FrontEnd()
analyse_sounds = functools.partial(mel_cache.analyse_sounds, front_end=FRONT_END)
LENGTHS = {
    "shorter than half a frame": 150,
    "tiny": 300,
    "short": 9000,
    "whole": 51200,
    "long": 100 * RATE,
}

LENGTHS_OF_A_PIECE = [name for name in LENGTHS if name != "long"]


def read_noise(name):
    return white_noise(LENGTHS[name])


def make_dataset(read=read_noise, fingerprint=lambda name: ""):
    return Dataset(
        classes=("noise",),
        splits={},
        open_reader=lambda sample_rate: read,
        fingerprint=fingerprint,
        cache_key="sounds",
        description="",
        source={},
    )


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
def test_sounds_are_analysed_as_they_are_for_dreaming(tmp_path, pad_mode):
    front_end = dataclasses.replace(FRONT_END, pad_mode=pad_mode, top_db=50.0)
    options = {"front_end": front_end}
    cached, broken = analyse_sounds(tmp_path, make_dataset(), LENGTHS_OF_A_PIECE, **options)
    assert not broken
    for name, (piece,) in cached.items():
        sound = read_noise(name) / np.abs(read_noise(name)).max()
        expected = jax.jit(front_end.level_db)(np.float32(sound))
        assert np.asarray(piece).dtype == np.float16
        np.testing.assert_allclose(piece, expected, atol=0.05, strict=False)
        assert np.shape(piece) == expected.shape


def test_long_sounds_are_cut_and_silent_pieces_left_out(tmp_path):
    def read(name):
        sound = read_noise(name)
        sound[: 35 * RATE] = 0
        return sound

    cached, _ = analyse_sounds(tmp_path, make_dataset(read), ["long"])
    pieces = [np.asarray(piece) for piece in cached["long"]]
    assert [piece.shape[1] for piece in pieces] == [FRONT_END.frame_count(100 * RATE // 3)] * 2
    assert min(piece.max() for piece in pieces) > -30, "each piece has a peak of 1"


def test_pieces_of_different_lengths_are_kept_exactly(tmp_path, monkeypatch):
    monkeypatch.setattr(analysis, "MAX_PIECE_SECONDS", 1000 / RATE)
    sound = white_noise(1601)  # It is cut into 801 and 800 samples, which have 5 and 4 frames.
    cached, _ = analyse_sounds(tmp_path, make_dataset(lambda name: sound), ["uneven"])
    pieces = analysis.cut_into_pieces(sound, sample_rate=RATE)
    expected = [analysis.compute_mel_db(piece, front_end=FRONT_END) for piece in pieces]
    assert [piece.shape[1] for piece in expected] == [5, 4]
    for piece, spectrogram in zip(cached["uneven"], expected, strict=True):
        np.testing.assert_array_equal(np.asarray(piece), spectrogram)


def test_a_sound_is_read_once_and_again_when_it_changes(tmp_path):
    read_names = []

    def read(name):
        read_names.append(name)
        return read_noise(name)

    names = ["tiny", "short"]
    first, _ = analyse_sounds(tmp_path, make_dataset(read), names)
    again, _ = analyse_sounds(tmp_path, make_dataset(read), names)
    assert sorted(read_names) == sorted(names)
    np.testing.assert_array_equal(first["short"][0], again["short"][0])
    analyse_sounds(tmp_path, make_dataset(read, fingerprint=lambda name: name[:1]), ["short"])
    assert read_names.count("short") == 2


def test_a_killed_run_keeps_what_it_has_done(tmp_path):
    def read_until_killed(name):
        if name == "whole":
            raise KeyboardInterrupt
        return read_noise(name)

    names = ["tiny", "short", "whole"]
    with pytest.raises(KeyboardInterrupt):
        analyse_sounds(tmp_path, make_dataset(read_until_killed), names)
    (tmp_path / ".half-written.part").write_bytes(b"cut short")
    read_names = []

    def read(name):
        read_names.append(name)
        return read_noise(name)

    cached, _ = analyse_sounds(tmp_path, make_dataset(read), names)
    assert read_names == ["whole"]
    for name in names:
        assert np.shape(cached[name][0]) == (128, FRONT_END.frame_count(LENGTHS[name]))


def pickle_an_array(path):
    np.save(path, np.array([print], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:1000]), id="cut short"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(b"no array"), id="other content"),
        pytest.param(pickle_an_array, id="pickle"),
        pytest.param(lambda path: np.save(path, np.float16(1)), id="number"),
        pytest.param(lambda path: np.save(path, np.array(["a"])), id="text"),
        pytest.param(lambda path: np.save(path, np.zeros((1, 45, 128))), id="dtype"),
        pytest.param(lambda path: np.save(path, np.zeros((1, 45, 64), np.float16)), id="bands"),
        pytest.param(lambda path: np.save(path, np.zeros((1, 0, 128), np.float16)), id="frames"),
        pytest.param(
            lambda path: np.save(path, np.full((1, 45, 128), np.nan, np.float16)), id="NaN"
        ),
        pytest.param(lambda path: (path.unlink(), path.mkdir()), id="folder"),
    ],
)
def test_a_damaged_file_is_replaced(tmp_path, caplog, damage):
    analyse_sounds(tmp_path, make_dataset(), ["short"])
    (path,) = tmp_path.iterdir()
    damage(path)
    cached, _ = analyse_sounds(tmp_path, make_dataset(), ["short"])
    assert "is damaged, so its sound is analysed again" in caplog.text
    assert np.shape(cached["short"][0]) == (128, FRONT_END.frame_count(LENGTHS["short"]))


def fail(error):
    raise error


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (lambda: fail(ValueError("odd")), "'bad' cannot be read: ValueError: odd"),
        (lambda: fail(MemoryError()), "'bad' cannot be read: MemoryError"),
        (lambda: fail(RuntimeError("two" + chr(10) + "lines")), "RuntimeError: two lines"),
        (lambda: np.zeros(0), "a sound must have samples"),
        (lambda: np.zeros(5000), "a sound must not be silent"),
        (lambda: np.full(5000, np.nan), "they must be finite"),
    ],
)
def test_a_sound_that_fails_in_any_way_stops_no_other(tmp_path, read, reason):
    dataset = make_dataset(lambda name: read() if name == "bad" else read_noise(name))
    cached, broken = analyse_sounds(tmp_path, dataset, ["short", "bad"])
    assert set(cached) == {"short"} and reason in broken["bad"]


def test_names_that_are_not_utf_8_have_their_place_in_the_cache(tmp_path):
    name = b"caf\xe9.wav".decode(errors="surrogateescape")
    dataset = make_dataset(lambda name: read_noise("short"))
    assert set(analyse_sounds(tmp_path, dataset, [name])[0]) == {name}
    assert locate_cache(tmp_path, name, FRONT_END).parent == tmp_path


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="choose another folder with --cache"):
        analyse_sounds(tmp_path / "file" / "cache", make_dataset(), ["tiny"])


def test_each_analysis_has_a_cache_of_its_own(tmp_path):
    front_end = FrontEnd(n_fft=1024)
    usual = locate_cache(tmp_path, "sounds", front_end)
    measured = dataclasses.replace(front_end, mean=-24.0, std=17.0)
    assert locate_cache(tmp_path, "sounds", measured) == usual
    others = [
        locate_cache(tmp_path, "sounds", dataclasses.replace(front_end, **constant))
        for constant in (
            {"sample_rate": 16000},
            {"n_fft": 512},
            {"hop": 160},
            {"n_mels": 64},
            {"f_min": 50.0},
            {"f_max": 8000.0},
            {"amin": 1e-8},
            {"top_db": 60.0},
            {"compression": "log1p"},
            {"mel_scale": "htk", "n_mels": 64},
            {"mel_norm": "none"},
            {"pad_mode": "reflect"},
        )
    ]
    assert len({usual, *others, locate_cache(tmp_path, "other", front_end)}) == 14
