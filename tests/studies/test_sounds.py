"""The sounds of docs/sounds are those that their flag files make."""

import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dreamsound_jax.audio.decoding import decode
from dreamsound_jax.spectral.front_end import FrontEnd
from studies.sounds import list_sounds, read_flags, write_page
from tests.helpers.commands import dream, parse

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/sounds"
NAMES = list_sounds(FOLDER)


@pytest.mark.parametrize("name", NAMES)
def test_a_sound_was_made_by_its_flags(name):
    title, words, flags = read_flags(FOLDER / f"{name}.flags")
    assert 10 < len(title) < 60 and not title.endswith(".")
    assert 80 < len(words) < 300 and "isten" in words
    with soundfile.SoundFile(FOLDER / f"{name}.ogg") as file:
        comment, samples = file.comment, file.read(dtype="float32")
    _, *made_by = shlex.split(comment)
    assert parse(*made_by) == parse(*flags, "--noarrays", "--format=ogg")
    assert np.isfinite(samples).all() and 0.02 < np.abs(samples).max() < 1
    assert (FOLDER / f"{name}.jpg").exists()


def test_the_page_has_all_sounds_and_they_are_small(tmp_path):
    for path in FOLDER.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "README.md").unlink()
    write_page(tmp_path)
    assert (tmp_path / "README.md").read_text() == (FOLDER / "README.md").read_text()
    assert len(NAMES) >= 12
    assert sum(path.stat().st_size for path in FOLDER.glob("*.ogg")) < 3e6
    assert sum(path.stat().st_size for path in FOLDER.glob("*.jpg")) < 1.5e6


@pytest.mark.slow
def test_the_flags_make_the_sound_again(tmp_path, compiled_in_full):
    *_, flags = read_flags(FOLDER / "drums.flags")
    dream(*flags, "--noplots", "--noarrays", "--format=ogg", "-o", tmp_path / "again.ogg", cwd=ROOT)
    made, kept = (
        np.asarray(FrontEnd().analyse(decode(path.read_bytes()).recording.channels.mean(axis=1)))
        for path in (tmp_path / "again.ogg", FOLDER / "drums.ogg")
    )
    assert np.abs(made - kept).mean() < 0.5
