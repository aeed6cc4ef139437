"""Videos and pictures that are asked for when a run is done."""

import io
import json
import logging

import numpy as np
import pytest
from PIL import Image

from dreamsound_jax.run.run import run as run_options
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny
from tests.helpers.clips import records_of

DREAM = {
    "layers_to_use": ("relu2_2",),
    "pyramid_size": 1,
    "num_iterations": 2,
    "plots": False,
    "clip_length": 6144,
    "seed": 3,
}
OUROBOROS = {**DREAM, "create_ouroboros": True, "ouroboros_length": 2}
MADE = ("00000-noise.mp4", "00000-noise.png", "00000-noise.small.png")


@pytest.fixture
def run(tiny_checkpoint, tmp_path, monkeypatch, caplog):
    """Runs in the folder `tmp_path`; returns {name: content} of the files in its folder."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.INFO, logger="dreamsound_jax")

    def call(output_dir, **changes):
        caplog.clear()
        given = {"checkpoint": str(tiny_checkpoint), "output_dir": output_dir, **changes}
        assert run_options(tiny.options(**given), command="dreamsound") == 0
        return {path.name: path.read_bytes() for path in (tmp_path / output_dir).iterdir()}

    return call


@pytest.mark.slow
@pytest.mark.parametrize(
    "given",
    [DREAM, OUROBOROS, {**DREAM, "domain": "mel", "write_input": False, "mix": 0.5}],
    ids=["dream", "ouroboros", "mel, without its input beside it"],
)
def test_they_are_made_without_dreaming_again_as_if_they_had_been_asked_for_at_once(
    run, given, caplog, tmp_path
):
    without = run("later", **given)
    assert not set(MADE) & set(without)
    later = run("later", **given | {"plots": True, "video": "square"})
    for kind in ("picture", "video"):
        assert f"making the {kind} of 1 clip, without dreaming again" in caplog.text
    assert "dreaming by" not in caplog.text and "all clips were done before" in caplog.text
    at_once = run("at_once", **given | {"plots": True, "video": "square"})
    assert later[MADE[0]] == at_once[MADE[0]]
    for name in MADE[1:]:  # The .json of an ouroboros has its curves with three digits.
        pictures = [np.array(Image.open(io.BytesIO(each[name]))) for each in (later, at_once)]
        assert np.abs(np.subtract(*pictures, dtype=float)).mean() < 0.01, name
    for name in without.keys() - {"index.html", "params.json", "manifest-000.jsonl"}:
        assert later[name] == without[name], name
    records = [records_of(tmp_path / name)[-1] for name in ("later", "at_once")]
    assert [each.pop("files").keys() for each in records][0] >= {".mp4", ".png", ".small.png"}
    assert records[0] == records[1]
    flags = json.loads(later["params.json"])["flags"]
    assert (flags["video"], flags["plots"]) == ("square", True)
    assert b'"video":".mp4"' in later["index.html"]
    run("later", **given | {"plots": True, "video": "square"})
    assert "making" not in caplog.text


def test_what_cannot_be_made_is_said_and_other_files_need_another_folder(run, caplog, tmp_path):
    run("out", **DREAM, arrays=False)
    made = run("out", **DREAM | {"arrays": False, "plots": True})
    assert "00000-noise.png could not be made: it is drawn of the .npz, which" in caplog.text
    assert "00000-noise.png" not in made
    with pytest.raises(UserError) as caught:
        run("out", **DREAM | {"arrays": False, "plots": True, "format": "mp3"})
    assert str(caught.value) == (
        "'out' already holds a run with --format wav, not --format mp3; name another --output_dir, "
        "and add --seed=3 for the same dreams"
    )


def test_the_growth_of_a_dream_needs_a_dream(run, caplog):
    run("out", **DREAM, video_growth=True)
    assert "00000-noise.mp4" not in run("out", **DREAM, video_growth=True, video="square")
    assert (
        "--video_growth shows the dream after each pass, which is not kept: name another "
        "--output_dir to dream again with --video"
    ) in caplog.text


def test_a_run_that_was_stopped_goes_on_with_videos_of_all_its_clips(run, tmp_path):
    given = DREAM | {"input": ("noise", "sine")}
    (tmp_path / "out").mkdir()
    run("out", **given)
    (tmp_path / "out" / "00001-sine.wav").unlink()
    made = run("out", **given | {"video": "square"})
    assert {"00000-noise.mp4", "00001-sine.mp4", "00001-sine.wav"} <= set(made)
