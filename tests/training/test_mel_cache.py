import jax
import numpy as np
import pytest

from dreamsound_jax.spectral import mel, stft
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training import mel_cache
from dreamsound_jax.training.datasets import Dataset
from tests.helpers.sounds import RATE, white_noise

LENGTHS = {"tiny": 300, "short": 9000, "whole": 51200, "long": 100 * RATE}


def sounds(read=lambda name: white_noise(LENGTHS[name]), stamp=lambda name: ""):
    return Dataset(
        classes=("noise",),
        splits={},
        reader=lambda: read,
        stamp=stamp,
        identity="sounds",
        description="",
        facts={},
    )


def test_sounds_are_analysed_as_they_are_for_dreaming(tmp_path):
    kept, broken = mel_cache.analyse_all(tmp_path, sounds(), ["tiny", "short", "whole"])
    assert not broken
    for name, (piece,) in kept.items():
        sound = white_noise(LENGTHS[name]) / np.abs(white_noise(LENGTHS[name])).max()
        expected = jax.jit(mel.sound_to_mel_db)(np.float32(sound))
        assert piece.shape == expected.shape
        np.testing.assert_allclose(piece, expected, atol=0.05)


def test_long_sounds_are_cut_and_silent_pieces_dropped(tmp_path):
    def read(name):
        sound = white_noise(LENGTHS[name])
        sound[: 35 * RATE] = 0
        return sound

    kept, _ = mel_cache.analyse_all(tmp_path, sounds(read), ["long"])
    assert [piece.shape[1] for piece in kept["long"]] == [stft.frame_count(100 * RATE // 3)] * 2
    assert min(piece.max() for piece in kept["long"]) > -30, "each piece has a peak of 1"


def test_a_sound_is_read_once_and_again_when_it_changes(tmp_path):
    seen = []

    def read(name):
        seen.append(name)
        return white_noise(LENGTHS[name])

    names = ["tiny", "short"]
    first, _ = mel_cache.analyse_all(tmp_path, sounds(read), names)
    again, _ = mel_cache.analyse_all(tmp_path, sounds(read), names)
    assert sorted(seen) == sorted(names)
    np.testing.assert_array_equal(first["short"][0], again["short"][0])
    mel_cache.analyse_all(tmp_path, sounds(read, stamp=lambda name: name[:1]), ["short"])
    assert seen.count("short") == 2


def test_what_a_killed_run_had_done_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(mel_cache, "GROUP", 1)

    def read(name):
        if name == "whole":
            raise KeyboardInterrupt
        return white_noise(LENGTHS[name])

    names = ["tiny", "short", "whole"]
    with pytest.raises(KeyboardInterrupt):
        mel_cache.analyse_all(tmp_path, sounds(read), names)
    (data,), (index,) = tmp_path.glob("*.mel"), tmp_path.glob("*.jsonl")
    with data.open("ab") as half_written:
        half_written.write(b"cut short")
    with index.open("a") as half_written:
        half_written.write('{"key": "who')
    seen = []
    kept, _ = mel_cache.analyse_all(
        tmp_path, sounds(lambda name: seen.append(name) or white_noise(LENGTHS[name])), names
    )
    assert seen == ["whole"]
    assert [kept[name][0].shape[1] for name in names] == [
        stft.frame_count(LENGTHS[name]) for name in names
    ]


def test_a_damaged_part_of_the_cache_is_made_anew(tmp_path, caplog):
    mel_cache.analyse_all(tmp_path, sounds(), ["short"])
    (data,) = tmp_path.glob("*.mel")
    data.write_bytes(data.read_bytes()[:1000])
    kept, _ = mel_cache.analyse_all(tmp_path, sounds(), ["short"])
    assert "damaged part of the cache" in caplog.text
    assert kept["short"][0].shape == (128, stft.frame_count(LENGTHS["short"]))


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="--cache names another folder"):
        mel_cache.analyse_all(tmp_path / "file" / "cache", sounds(), ["tiny"])
