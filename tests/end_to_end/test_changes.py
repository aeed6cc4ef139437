"""A run that is resumed through the real command after what it was begun with has changed."""

import shutil

import numpy as np
import pytest
import soundfile

from tests.helpers import tiny
from tests.helpers.clips import samples_of
from tests.helpers.commands import QUICK, finish, start

NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, (3, 6000))


@pytest.mark.slow
def test_what_has_changed_or_is_gone_is_seen(tmp_path):
    """In folder B, which has the same names as A, the same command goes on in the same folder."""
    for folder, sounds in (("A", NOISE[:2]), ("B", NOISE[1:])):
        (tmp_path / folder / "in").mkdir(parents=True)
        for name, sound in zip(("x", "y"), sounds):
            soundfile.write(tmp_path / folder / "in" / f"{name}.wav", sound, 22050)
    shutil.copy(tmp_path / "A/in/x.wav", tmp_path / "B/in/x.wav")
    tiny.write_checkpoint(tmp_path / "A/net")
    shutil.copytree(tmp_path / "A/net", tmp_path / "B/net")
    (tmp_path / "A/in/bad.wav").write_text("no sound")
    flags = ("in", "--checkpoint=net", *QUICK, "--seed=1", "--output_dir=../out")
    dream = tmp_path / "out/00002-y.wav"

    code, printed = finish(start(*flags, cwd=tmp_path / "A"))
    assert code == 2 and "in/bad.wav" in printed
    first = samples_of(dream)

    code, printed = finish(start(*flags, cwd=tmp_path / "B"))
    assert code == 0, printed
    assert "gone since the run began, and left out: in/bad.wav\n" in printed
    assert "changed since it was dreamed on, and dreamed on again: in/y.wav\n" in printed
    assert printed.count(": the network hears") == 1
    assert samples_of(dream) != first

    shutil.rmtree(tmp_path / "B/net")
    tiny.write_checkpoint(tmp_path / "B/net", bias=0.1)
    code, printed = finish(start(*flags, cwd=tmp_path / "B"))
    assert (code, printed) == (
        2,
        "dreamsound: the network in 'net' has changed since the run in '../out' was begun: name "
        "another --output_dir for the dreams with what it is now\n",
    )
