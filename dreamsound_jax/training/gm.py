"""Labelled music without a download: phrases played by the 16 General MIDI instrument families.

A clip is a random phrase on one of the family's eight programs, rendered from a soundfont, in a
random room, over some noise. It depends on (split, seed, number) alone. The programs of `HELD_OUT`
(the second of every family) are never trained on: they measure whether a network knows the family
or only its members.
"""

import functools
import pathlib

import numpy as np
from scipy import signal

from dreamsound_jax.spectral.mel import SAMPLE_RATE
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.training.datasets import Dataset, Labelled

CLIP_SAMPLES = 51200
PROGRAMS = 8  # in each family
HELD_OUT = 1  # which of a family's programs: bright piano, glockenspiel, ... trombone, ... breath
SPLITS = ("train", "held_out_phrases", "held_out_instruments")
SOUNDFONTS = ("/usr/share/sounds/sf2/FluidR3_GM.sf2", "/usr/share/soundfonts/FluidR3_GM.sf2")
RECIPE = 1  # raise it when clips change: cached ones are then rendered anew

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

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 6, 7, 10))
# What is played at each step, as degrees above a wandering position in the scale.
FIGURES = {
    "melody": ((0,),),
    "chords": ((0, 2, 4),),
    "arpeggio": ((0,), (2,), (4,), (7,)),
}
WANDER = 3  # scale degrees, at most, from one figure to the next
STEP_SECONDS = (0.12, 0.6)
HELD = (0.3, 1.3)  # how long a note lasts, in steps
LOUDNESS = (60, 115)  # of a phrase, as a MIDI velocity; single notes differ by up to 15
REST = 0.1  # the share of steps left out
LEAD_IN_SECONDS = 0.7  # at most: clips start in the middle of a phrase
NOISE_DB = (-90, -30)  # standard deviation, below the phrase's peak
DECAY_SECONDS = (0.2, 1.5)
WET = (0.1, 0.6)
ATTEMPTS = 20
SILENT = 1e-3  # a peak below this is a program that did not speak: draw again


def find_soundfont(path=None):
    """`path`, or else the place where Debian or Fedora puts FluidR3_GM.

    Raises:
      UserError: no such file.
    """
    for candidate in [path] if path else SOUNDFONTS:
        if pathlib.Path(candidate).is_file():
            return str(candidate)
    raise UserError(
        f"no soundfont at {path or ' or '.join(SOUNDFONTS)}: "
        "install fluid-soundfont-gm, or name an .sf2 file"
    )


class Player:
    """A synthesizer that plays single phrases, each as if it were the first."""

    def __init__(self, soundfont):
        try:
            import tinysoundfont
        except ImportError as error:
            raise UserError("rendering needs: pip install --no-deps tinysoundfont") from error
        self._synth = tinysoundfont.Synth(gain=-6, samplerate=SAMPLE_RATE)
        self._font = self._synth.sfload(soundfont)

    def play(self, notes, *, program, tuning, samples):
        """Renders notes (start, stop, key, velocity), in samples; float64 (samples,), mono."""
        self._synth.sounds_off()
        self._synth.generate(SAMPLE_RATE // 10)  # lets the last phrase's voices die
        self._synth.program_select(0, self._font, 0, program)
        self._synth.set_tuning(0, tuning)
        pieces, now = [], 0
        for time, velocity, key in _events(notes):
            pieces.append(self._generate(min(time, samples) - now))
            now = min(time, samples)
            self._strike(key, velocity)
        pieces.append(self._generate(samples - now))
        return np.concatenate(pieces)

    def _strike(self, key, velocity):
        if velocity:
            self._synth.noteon(0, key, velocity)
        else:
            self._synth.noteoff(0, key)

    def _generate(self, samples):
        if not samples:
            return np.zeros(0)
        stereo = np.frombuffer(self._synth.generate(samples), np.float32).reshape(-1, 2)
        return stereo.mean(1, dtype=np.float64)


def _events(notes):
    """Notes as (time, velocity, key) in order; velocity 0 ends a note, before others start."""
    starts = [(start, velocity, key) for start, _, key, velocity in notes]
    stops = [(stop, 0, key) for _, stop, key, _ in notes]
    return sorted(starts + stops)


def render_clip(player, *, split, seed, number):
    """One clip of family `number % 16`.

    Args:
      player: a Player.
      split: one of SPLITS.
      seed: of the whole data set.
      number: of the clip in its split.

    Returns:
      Samples (51200,), float32, peak 1.

    Raises:
      UserError: only silence, time after time: not a General MIDI soundfont.
    """
    family = number % len(FAMILIES)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng((seed, SPLITS.index(split), number, attempt))
        sound = _play_phrase(player, rng, family, _draw_program(rng, split))
        if np.abs(sound).max() > SILENT:
            return _record(rng, sound).astype(np.float32)
    raise UserError(f"the soundfont plays only silence for {list(FAMILIES)[family]}")


def _draw_program(rng, split):
    if split == "held_out_instruments":
        return HELD_OUT
    return rng.choice([program for program in range(PROGRAMS) if program != HELD_OUT])


def _play_phrase(player, rng, family, program):
    lead_in = int(rng.uniform(0, LEAD_IN_SECONDS) * SAMPLE_RATE)
    samples = lead_in + CLIP_SAMPLES
    notes = draw_phrase(rng, tuple(FAMILIES.values())[family], samples)
    number, tuning = int(family * PROGRAMS + program), rng.uniform(-0.5, 0.5)
    return player.play(notes, program=number, tuning=tuning, samples=samples)[lead_in:]


def draw_phrase(rng, keys, samples):
    """Notes (start, stop, key, velocity) that fill `samples`, between the two MIDI keys `keys`."""
    ladder, figure = _draw_ladder(rng, keys), FIGURES[rng.choice(list(FIGURES))]
    step = np.exp(rng.uniform(*np.log(STEP_SECONDS))) * SAMPLE_RATE
    held, loudness = rng.uniform(*HELD), rng.integers(*LOUDNESS)
    position, notes = rng.integers(len(ladder)), []
    for count in range(int(samples / step) + 1):
        if count % len(figure) == 0:
            position += rng.integers(-WANDER, WANDER + 1)
        if rng.uniform() >= REST:
            times = int(count * step), int((count + held) * step)
            for degree in figure[count % len(figure)]:
                key = ladder[np.clip(position + degree, 0, len(ladder) - 1)]
                velocity = np.clip(loudness + rng.integers(-15, 16), 1, 127)
                notes.append((*times, key, int(velocity)))
            position = np.clip(position, 0, len(ladder) - 1)
    return notes


def _draw_ladder(rng, keys):
    """The MIDI keys of a random scale on a random root, lowest to highest."""
    scale, root = SCALES[rng.integers(len(SCALES))], rng.integers(12)
    return [key for key in range(keys[0], keys[1] + 1) if (key - root) % 12 in scale]


def _record(rng, sound):
    """The sound in a random room (half of the time), over noise, with a peak of 1."""
    if rng.uniform() < 0.5:
        sound = _reverberate(rng, sound)
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    sound = sound / np.abs(sound).max() + level * rng.standard_normal(sound.size)
    return sound / np.abs(sound).max()


def _reverberate(rng, sound):
    """Adds a tail of noise that decays exponentially, by 60 dB in `DECAY_SECONDS`."""
    time = np.arange(int(DECAY_SECONDS[1] * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(time.size) * 10 ** (-3 * time / rng.uniform(*DECAY_SECONDS))
    wet = signal.fftconvolve(sound, tail / np.linalg.norm(tail))[: sound.size]
    return sound + rng.uniform(*WET) * wet


def dataset(*, clips, held_out_clips, seed, soundfont=None):
    """The Dataset of `clips` phrases to train on, and two held-out splits of `held_out_clips`.

    A soundfont, and a player of it, are needed only for clips that are not in the cache yet.
    """
    counts = dict(zip(SPLITS, (clips, held_out_clips, held_out_clips)))
    splits = {
        split: [Labelled(f"{split} {n}", n % len(FAMILIES)) for n in range(count)]
        for split, count in counts.items()
    }

    def reader():
        return functools.partial(_read, Player(find_soundfont(soundfont)), seed)

    font = pathlib.Path(soundfont or SOUNDFONTS[0]).stem
    return Dataset(
        classes=tuple(FAMILIES),
        splits=splits,
        reader=reader,
        stamp=lambda name: "",
        identity=f"gm {RECIPE} {font} {seed}",
        description="Names the General MIDI instrument family that plays a phrase.",
        facts={
            "soundfont": soundfont or "FluidR3_GM (MIT)",
            "seconds_per_clip": f"{CLIP_SAMPLES / SAMPLE_RATE:.2f}",
            "held_out_phrases": "other phrases on the programs that are trained on",
            "held_out_instruments": "the second program of each family, never trained on",
        },
        license="MIT",
        needs="Install the soundfont (Debian: `apt install fluid-soundfont-gm`) and its player\n"
        "(`pip install --no-deps tinysoundfont`), then:",
        parallel=False,
    )


def _read(player, seed, name):
    split, number = name.split()
    return render_clip(player, split=split, seed=seed, number=int(number))
