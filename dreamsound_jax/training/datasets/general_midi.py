"""A data set of rendered phrases: the 16 General MIDI instrument families, without a download.

A clip is a random phrase on one of the eight programs of a family. It is rendered from a soundfont,
in a random room and over some noise, and depends only on (soundfont, conditions, split, seed,
number). The second program of each family is never trained on. Those programs measure whether a
network knows a family, or only its members that it was trained on; soundfonts that are held out
measure whether it knows the instruments, or only the recordings of them.
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soxr

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets import conditions
from dreamsound_jax.training.datasets.dataset import TRAIN, Dataset, LabelledSound
from dreamsound_jax.training.datasets.phrases import draw_phrase
from dreamsound_jax.training.datasets.soundfont import (
    DEFAULT_SOUNDFONT,
    SAMPLE_RATE,
    SoundfontPlayer,
    find_soundfont,
)
from dreamsound_jax.training.datasets.soundfont_info import (
    UNKNOWN,
    SoundfontInfo,
    read_soundfont_info,
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
SPLITS = (TRAIN, "held_out_phrases", "held_out_instruments", "held_out_soundfont")
# A split for each soundfont that is held out has its name, and phrases of the last one of SPLITS.
SOUNDFONT_SPLIT = SPLITS[-1]
PLAIN, WIDE = CONDITIONS = ("plain", "wide")
RENDERING_VERSION = 1  # Raise this when the clips change, so that cached ones are not used.

CLIP_SAMPLES = 51200
MAX_LEAD_IN_SECONDS = 0.7  # A clip starts up to this far inside of its phrase.
MAX_ATTEMPTS = 20
SILENT_PEAK = 1e-3  # If a phrase's peak is lower, its program made no sound, and another is drawn.
COMPANION_PROBABILITY = 0.3  # In wide conditions, another family plays along, more softly.
COMPANION_DB = (-24, -9)


def make_dataset(
    *,
    clips: int,
    held_out_clips: int,
    seed: int,
    soundfonts: Sequence[str] = (DEFAULT_SOUNDFONT,),
    held_out_soundfonts: Sequence[str] = (),
    recorded: str = PLAIN,
) -> Dataset:
    """Makes the data set. Its clips are rendered when they are read, and then resampled.

    A soundfont and its player are needed only for clips that are not in the cache yet.

    Args:
      clips: the number of clips to train on, which take turns with the soundfonts.
      held_out_clips: the number of clips in each held-out split.
      seed: decides all phrases.
      soundfonts: names of installed soundfonts, or files, to train with.
      held_out_soundfonts: those that are never trained with; each is a held-out split of its name.
      recorded: one of CONDITIONS, in which clips to train on are recorded; the other splits are
        always recorded in plain ones.

    Raises:
      UserError: two soundfonts have one name, or a name is that of another split.
    """
    trained = {Path(font).stem: font for font in soundfonts}
    held_out = {Path(font).stem: font for font in held_out_soundfonts}
    _check_soundfonts([*soundfonts, *held_out_soundfonts])
    counts = {TRAIN: clips} | dict.fromkeys([*SPLITS[1:-1], *held_out], held_out_clips)

    def open_reader(sample_rate):
        players = {
            name: SoundfontPlayer(find_soundfont(font))
            for name, font in (trained | held_out).items()
        }
        return functools.partial(_read_clip, players, list(trained), seed, recorded, sample_rate)

    infos = {name: _find_info(font) for name, font in (trained | held_out).items()}
    digests = ",".join(f"{name}:{infos[name].digest}" for name in trained)
    held_out_digests = {name: infos[name].digest for name in held_out}
    parts = ["gm", RENDERING_VERSION, digests, seed]
    return Dataset(
        classes=tuple(FAMILIES),
        splits={
            split: [LabelledSound(f"{split} {n}", n % len(FAMILIES)) for n in range(count)]
            for split, count in counts.items()
        },
        open_reader=open_reader,
        # The clips of a soundfont that is held out have its name.
        fingerprint=lambda name: held_out_digests.get(name.rsplit(maxsplit=1)[0], ""),
        cache_key=" ".join(map(str, parts if recorded == PLAIN else [*parts, recorded])),
        description="Names the General MIDI instrument family that plays a phrase.",
        source={
            "soundfont": "; ".join(_describe_soundfont(name, infos[name]) for name in trained),
            "recording conditions": recorded,
            "seconds_per_clip": f"{CLIP_SAMPLES / SAMPLE_RATE:.2f}",
            "held_out_phrases": "other phrases on the programs that are trained on",
            "held_out_instruments": "the second program of each family, never trained on",
            **dict.fromkeys(held_out, "a soundfont that is never trained on"),
        },
        license="that of the soundfonts, which say of their copyright: "
        + "; ".join(infos[name].copyright for name in trained),
        rebuild_needs=_describe_needs([*trained, *held_out]),
        thread_safe=False,
    )


def _describe_needs(names):
    """Says what the data set is rendered with, for the model card."""
    debian = " (Debian: `apt install fluid-soundfont-gm`)" if DEFAULT_SOUNDFONT in names else ""
    return (
        f"Install the soundfonts {', '.join(names)}{debian} and their player\n"
        "(`pip install --no-deps tinysoundfont`), then:"
    )


def _find_info(font):
    """Returns what a soundfont says of itself; its clips may be in the cache if it is not here."""
    try:
        return read_soundfont_info(find_soundfont(font))
    except UserError:
        return SoundfontInfo(UNKNOWN, "missing")


def _describe_soundfont(name, info):
    return f"{name} (copyright: {info.copyright})"


def _check_soundfonts(given):
    names = [Path(font).stem for font in given]
    for name in names:
        if names.count(name) > 1 or name in SPLITS:
            raise UserError(f"each soundfont must have a name of its own, got {','.join(given)}")


def render_clip(
    player: SoundfontPlayer, *, split: str, seed: int, number: int, recorded: str = PLAIN
) -> np.ndarray:
    """Renders one clip. Its class is `number % 16`.

    Args:
      player: plays the phrase.
      split: one of SPLITS.
      seed: the seed of the data set.
      number: the number of the clip in its split.
      recorded: one of CONDITIONS.

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
            return _record(player, rng, sound, recorded, family).astype(np.float32)
    raise UserError(
        "the soundfont must be a General MIDI soundfont, but it plays only silence for "
        f"{list(FAMILIES)[family]}"
    )


def _read_clip(players, trained, seed, recorded, sample_rate, name):
    split, number = name.rsplit(maxsplit=1)
    number = int(number)
    # Neighbours are of different families, so each soundfont plays one clip of each in turn.
    font = split if split in players else trained[number // len(FAMILIES) % len(trained)]
    clip = render_clip(
        players[font],
        split=SOUNDFONT_SPLIT if split in players else split,
        seed=seed,
        number=number,
        recorded=recorded if split == TRAIN else PLAIN,
    )
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


def _record(player, rng, sound, recorded, family):
    """Returns the sound as it is recorded, with a peak of 1."""
    if recorded == PLAIN:
        return conditions.add_room_and_noise(rng, sound)
    if rng.uniform() < COMPANION_PROBABILITY:
        other = int(family + rng.integers(1, len(FAMILIES))) % len(FAMILIES)
        companion = _play_phrase(player, rng, other, _draw_program(rng, TRAIN))
        sound = conditions.mix(sound, companion, level_db=rng.uniform(*COMPANION_DB))
    return conditions.record_anywhere(rng, sound)
