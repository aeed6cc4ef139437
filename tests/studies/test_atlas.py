"""The atlas: probes name channels, excerpts excite them, and the page shows all of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from studies.atlas.excerpts import find_excerpts
from studies.atlas.probes import MIXED, SILENT, hear_columns, make_probes, name_channels
from tests.helpers import tiny
from tests.helpers.sounds import RATE, white_noise

ROOT = Path(__file__).parents[2]
LAYER = "relu2_1"


def test_a_channel_is_called_after_what_excites_it_clearly_more_than_anything_else():
    responses = {
        "onsets": np.array([5.0, 1.0, 0.0, 5.0]),
        "tones": np.array([2.0, 1.1, 0.0, 4.9]),
        "glides": np.array([1.0, 3.0, 0.0, 1.0]),
    }
    assert name_channels(responses) == ["onsets", "glides", SILENT, MIXED]


def test_probes_are_what_they_are_called():
    probes = {kind: sounds[0] for kind, sounds in make_probes(RATE).items()}
    powers = {kind: np.abs(np.fft.rfft(sound)) ** 2 for kind, sound in probes.items()}
    hertz = np.fft.rfftfreq(probes["low noise"].size, 1 / RATE)

    def share(kind, low, high):
        return powers[kind][(hertz >= low) & (hertz < high)].sum() / powers[kind].sum()

    assert share("low noise", 0, 500) > 0.99 < share("high noise", 3000, RATE)
    assert share("middle noise", 500, 3000) > 0.99
    assert np.count_nonzero(probes["onsets"]) == 7
    rising, falling = probes["rising glides"], probes["falling glides"]
    early, late = slice(0, 4000), slice(10000, 14000)
    crossings = [
        [np.count_nonzero(np.diff(np.sign(glide[part]))) for part in (early, late)]
        for glide in (rising, falling)
    ]
    assert crossings[0][0] < crossings[0][1] and crossings[1][0] > crossings[1][1]


def test_the_excerpt_is_the_moment_that_excites_a_channel_most(tmp_path):
    """A burst in an otherwise quiet file excites some channels more than what is around it."""
    model = tiny.tiny_model()
    burst = np.zeros(4 * RATE, np.float32)
    burst[2 * RATE : 3 * RATE] = white_noise(RATE)
    burst += 1e-3 * white_noise(4 * RATE, seed=1)
    soundfile.write(tmp_path / "burst.wav", burst, RATE)
    soundfile.write(tmp_path / "quiet.wav", np.zeros(RATE), RATE)
    files = [str(tmp_path / name) for name in ("quiet.wav", "burst.wav", "nowhere.wav")]
    found = find_excerpts(model, LAYER, files, seconds=1.0)
    heard = hear_columns(model, LAYER, burst / np.abs(burst).max())
    width = round(len(heard) / 4)
    means = np.stack([heard[n : n + width].mean(axis=0) for n in range(len(heard) - width + 1)])
    for channel, excerpt in enumerate(found):
        assert Path(excerpt.file).name == "burst.wav" and excerpt.sound.size == RATE
        assert excerpt.start == pytest.approx(4 * means[:, channel].argmax() / len(heard), abs=0.1)
    starts = [excerpt.start for excerpt in found]
    assert any(1.7 < start < 2.3 for start in starts)


@pytest.mark.slow
def test_the_page_shows_each_channel_and_a_stopped_run_is_resumed(tmp_path):
    checkpoint = tiny.write_checkpoint(tmp_path / "tiny")
    command = [
        *(sys.executable, "scripts/atlas.py", f"--model={checkpoint}", f"--layer={LAYER}"),
        *("--num_iterations=2", "--batch_size=4", f"--output={tmp_path / 'out'}"),
        *(f"--sounds={ROOT / 'tests/data/misc_crow.flac'}", "--channels=1:4"),
    ]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])

    def run(*more):
        return subprocess.run(
            [*command, *more],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    page = (out / "index.html").read_text()
    assert page.count("<tr data-kind") == 3 and page.count("<audio") == 9
    assert all((out / name.split('"')[0]).exists() for name in page.split('src="')[1:])
    assert set(json.loads((out / "channels.json").read_text())) == {"1", "2", "3"}
    dreams = {path: path.stat().st_mtime_ns for path in (out / "dreams").glob("*/*.wav")}
    assert len(dreams) == 6
    (gone,) = (path for path in dreams if path.name == "0002-1.wav")
    again = gone.read_bytes()
    gone.unlink()
    assert run().returncode == 0 and gone.read_bytes() == again
    kept = {path for path in dreams if path.stat().st_mtime_ns == dreams[path]}
    assert {path.name for path in kept} == {"0003-0.wav", "0003-1.wav"}
    other = run("--num_iterations=3")
    assert other.returncode == 0 and len([*(out / "dreams").glob("*/*.wav")]) == 12
    wrong = run("--channels=5:99")
    assert wrong.returncode == 2 and "must be a range within 0:8" in wrong.stderr
