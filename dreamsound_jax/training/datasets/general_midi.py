"""A data set of rendered phrases: the 16 General MIDI instrument families, without a download.

A clip is a random phrase on one of the eight programs of a family. It is rendered from a soundfont,
in a random room and over some noise, and depends only on (split, seed, number). The second program
of each family is never trained on. Those programs measure whether a network knows a family, or only
its members that it was trained on.
"""

import functools
from pathlib import Path

import numpy as np
import soxr
from scipy import signal

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets.dataset import Dataset, LabelledSound
from dreamsound_jax.training.datasets.phrases import draw_phrase
from dreamsound_jax.training.datasets.soundfont import (
    DEFAULT_SOUNDFONTS,
    SAMPLE_RATE,
    SoundfontPlayer,
    find_soundfont,
)

FAMILIES = {
    "piano": (36, 88),
    "chromatic_percussion": (52, 96),
    "organ": (36, 88),
    "guitar": (40, 80),
    "bass": (28, 55),
    "strings": (36, 86),
    "ensemble": (36, 84),
    "brass": (36, 80),
    "reed": (40, 84),
    "pipe": (57, 96),
    "synth_lead": (40, 88),
    "synth_pad": (36, 84),
    "synth_effects": (36, 84),
    "ethnic": (43, 84),
    "percussive": (36, 84),
    "sound_effects": (36, 84),
}
"""{family: its lowest and highest MIDI key}, in the order of the General MIDI programs."""

PROGRAMS_PER_FAMILY = 8
HELD_OUT_PROGRAM = 1  # Bright piano, glockenspiel, and so on.
SPLITS = ("train", "held_out_phrases", "held_out_instruments")
RENDERING_VERSION = 1  # Raise this when the clips change, so that cached ones are not used.

CLIP_SAMPLES = 51200
MAX_LEAD_IN_SECONDS = 0.7  # A clip starts up to this far inside of its phrase.
NOISE_DB = (-90, -30)  # The noise's standard deviation, relative to the phrase's peak.
REVERB_PROBABILITY = 0.5
REVERB_SECONDS = (0.2, 1.5)  # The time in which the reverberation decays by 60 dB.
REVERB_GAIN = (0.1, 0.6)
MAX_ATTEMPTS = 20
SILENT_PEAK = 1e-3  # If a phrase's peak is lower, its program made no sound, and another is drawn.


def make_dataset(
    *, clips: int, held_out_clips: int, seed: int, soundfont: str | None = None
) -> Dataset:
    """Makes the data set. Its clips are rendered when they are read, and then resampled.

    A soundfont and its player are needed only for clips that are not in the cache yet.

    Args:
      clips: the number of clips to train on.
      held_out_clips: the number of clips in each of the two held-out splits.
      seed: decides all phrases.
      soundfont: an .sf2 file, or None for FluidR3_GM.
    """
    counts = dict(zip(SPLITS, (clips, held_out_clips, held_out_clips)))
    splits = {
        split: [LabelledSound(f"{split} {n}", n % len(FAMILIES)) for n in range(count)]
        for split, count in counts.items()
    }

    def open_reader(sample_rate):
        player = SoundfontPlayer(find_soundfont(soundfont))
        return functools.partial(_read_clip, player, seed, sample_rate)

    font = Path(soundfont or DEFAULT_SOUNDFONTS[0]).stem
    return Dataset(
        classes=tuple(FAMILIES),
        splits=splits,
        open_reader=open_reader,
        fingerprint=lambda name: "",
        cache_key=f"gm {RENDERING_VERSION} {font} {seed}",
        description="Names the General MIDI instrument family that plays a phrase.",
        source={
            "soundfont": soundfont or "FluidR3_GM (MIT)",
            "seconds_per_clip": f"{CLIP_SAMPLES / SAMPLE_RATE:.2f}",
            "held_out_phrases": "other phrases on the programs that are trained on",
            "held_out_instruments": "the second program of each family, never trained on",
        },
        license="MIT",
        rebuild_needs="Install the soundfont (Debian: `apt install fluid-soundfont-gm`) and its "
        "player\n(`pip install --no-deps tinysoundfont`), then:",
        thread_safe=False,
    )


def render_clip(player: SoundfontPlayer, *, split: str, seed: int, number: int) -> np.ndarray:
    """Renders one clip. Its class is `number % 16`.

    Args:
      player: plays the phrase.
      split: one of SPLITS.
      seed: the seed of the data set.
      number: the number of the clip in its split.

    Returns:
      Samples (51200,), float32, with a peak of 1.

    Raises:
      UserError: the soundfont has no audible program for this family.
    """
    family = number % len(FAMILIES)
    for attempt in range(MAX_ATTEMPTS):
        rng = np.random.default_rng((seed, SPLITS.index(split), number, attempt))
        sound = _play_phrase(player, rng, family, _draw_program(rng, split))
        if np.abs(sound).max() > SILENT_PEAK:
            return _add_room_and_noise(rng, sound).astype(np.float32)
    raise UserError(
        "the soundfont must be a General MIDI soundfont, but it plays only silence for "
        f"{list(FAMILIES)[family]}"
    )


def _read_clip(player, seed, sample_rate, name):
    split, number = name.split()
    clip = render_clip(player, split=split, seed=seed, number=int(number))
    return soxr.resample(clip, SAMPLE_RATE, sample_rate, quality="HQ")


def _draw_program(rng, split):
    """Draws one of a family's programs."""
    if split == "held_out_instruments":
        return HELD_OUT_PROGRAM
    programs = range(PROGRAMS_PER_FAMILY)
    return rng.choice([program for program in programs if program != HELD_OUT_PROGRAM])


def _play_phrase(player, rng, family, program):
    lead_in = int(rng.uniform(0, MAX_LEAD_IN_SECONDS) * SAMPLE_RATE)
    samples = lead_in + CLIP_SAMPLES
    notes = draw_phrase(rng, tuple(FAMILIES.values())[family], samples)
    program, tuning = int(family * PROGRAMS_PER_FAMILY + program), rng.uniform(-0.5, 0.5)
    return player.play(notes, program=program, tuning=tuning, samples=samples)[lead_in:]


def _add_room_and_noise(rng, sound):
    """Returns the sound in a random room (half of the time), over noise, with a peak of 1."""
    if rng.uniform() < REVERB_PROBABILITY:
        sound = _reverberate(rng, sound)
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    sound = sound / np.abs(sound).max() + level * rng.standard_normal(sound.size)
    return sound / np.abs(sound).max()


def _reverberate(rng, sound):
    """Adds the sound's convolution with noise that decays exponentially."""
    time = np.arange(int(REVERB_SECONDS[1] * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(time.size) * 10 ** (-3 * time / rng.uniform(*REVERB_SECONDS))
    reverberation = signal.fftconvolve(sound, tail / np.linalg.norm(tail))[: sound.size]
    return sound + rng.uniform(*REVERB_GAIN) * reverberation
