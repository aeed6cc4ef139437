"""How near the written sounds come to the loudness that was asked for, and how high they peak."""

from collections.abc import Sequence

import numpy as np

import dreamsound_jax as ds
from dreamsound_jax.audio.files import Recording
from dreamsound_jax.audio.loudness import measure_loudness
from dreamsound_jax.audio.rendering import find_target_lufs, render_sound
from studies.first_dream.dreams import Input
from studies.report import markdown_table

LOUDNESSES = ("safe", "match", "-14")
PRESET = "hits"  # Its dreams have the highest peaks.
HEADS = (
    "sounds",
    "--loudness",
    "files",
    "over 0.2 LU away",
    "farthest (LU)",
    "highest true peak (dBTP)",
    "limited",
    "most limiting (dB)",
)


def measure(model: ds.Model, inputs: Sequence[Input]) -> str:
    """Returns a table with a row for the inputs and for their dreams, at each loudness.

    Inputs that are shorter than the longest are not dreamed: each length would be compiled.
    """
    longest = max(given.channels.shape[-1] / given.sample_rate for given in inputs)
    dreams = [
        (given, ds.dream(given.channels, given.sample_rate, model, preset=PRESET).sound)
        for given in inputs
        if given.channels.shape[-1] / given.sample_rate > 0.999 * longest
    ]
    rows = []
    for name, sounds in (
        ("recordings", [(given, given.channels) for given in inputs]),
        (f"their dreams, {PRESET}", dreams),
    ):
        rows += [_row(name, loudness, sounds) for loudness in LOUDNESSES]
    return markdown_table(HEADS, rows, names=2)


def _row(name, loudness, sounds):
    away, peaks, limiting = np.array([_measure(loudness, *each) for each in sounds]).T
    return [
        name,
        loudness,
        f"{len(sounds)}",
        f"{np.sum(np.abs(away) > 0.2)}",
        f"{away[np.argmax(np.abs(away))]:.2f}",
        f"{peaks.max():.2f}",
        f"{np.sum(limiting > 0.05)}",
        f"{limiting.max():.1f}",
    ]


def _measure(loudness, given, sound):
    """Returns how far a written sound is from its target in LU, its peak, and how it was limited.

    The limiting is by how much the true peak would be higher without it.
    """
    original = Recording(np.atleast_2d(given.channels).T, given.sample_rate)
    channels = np.atleast_2d(sound).T
    target = find_target_lufs(loudness, original)
    assert target is not None
    rendered = render_sound(channels, sample_rate=given.sample_rate, target_lufs=target)
    written = measure_loudness(rendered.recording.channels, sample_rate=given.sample_rate)
    before = measure_loudness(channels, sample_rate=given.sample_rate)
    unlimited = before.true_peak_dbtp + written.lufs - before.lufs
    away = written.lufs - target if np.isfinite(written.lufs) else 0.0
    limiting = unlimited - written.true_peak_dbtp if np.isfinite(unlimited) else 0.0
    return away, written.true_peak_dbtp, limiting
