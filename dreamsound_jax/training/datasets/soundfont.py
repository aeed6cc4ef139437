"""Plays notes with the instruments of a soundfont."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dreamsound_jax.system.errors import UserError

SAMPLE_RATE = 22050  # Hz, at which phrases are played.
DEFAULT_SOUNDFONTS = (
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",  # Debian
    "/usr/share/soundfonts/FluidR3_GM.sf2",  # Fedora
)

Note = tuple[int, int, int, int]
"""(start, stop, key, velocity): start and stop in samples, key and velocity as in MIDI."""


def find_soundfont(path: str | None = None) -> str:
    """Finds a soundfont: `path`, or FluidR3_GM as it is installed by Debian or Fedora.

    Raises:
      UserError: the file does not exist.
    """
    for candidate in [path] if path else DEFAULT_SOUNDFONTS:
        if Path(candidate).is_file():
            return str(candidate)
    raise UserError(
        f"no soundfont at {path or ' or '.join(DEFAULT_SOUNDFONTS)}: "
        "install fluid-soundfont-gm, or give the path of an .sf2 file"
    )


class SoundfontPlayer:
    """A synthesizer that plays phrases independently of those that it played before.

    Args:
      path: a soundfont, an .sf2 file.

    Raises:
      UserError: tinysoundfont is not installed.
    """

    def __init__(self, path: str):
        try:
            import tinysoundfont
        except ImportError as error:
            raise UserError(
                "rendering needs tinysoundfont: pip install --no-deps tinysoundfont"
            ) from error
        self._synth = tinysoundfont.Synth(gain=-6, samplerate=SAMPLE_RATE)
        self._font = self._synth.sfload(path)

    def play(
        self, notes: Iterable[Note], *, program: int, tuning: float, samples: int
    ) -> np.ndarray:
        """Renders notes.

        Args:
          notes: the notes, in any order.
          program: the MIDI program, from 0.
          tuning: how much higher than written the notes are played, in semitones.
          samples: the length of the result.

        Returns:
          A mono sound (samples,), float64, at 22,050 Hz.
        """
        self._synth.sounds_off()
        self._synth.generate(SAMPLE_RATE // 10)  # The voices of the last phrase die away.
        self._synth.program_select(0, self._font, 0, program)
        self._synth.set_tuning(0, tuning)
        pieces, now = [], 0
        for time, velocity, key in _list_events(notes):
            pieces.append(self._generate(min(time, samples) - now))
            now = min(time, samples)
            self._start_or_stop_note(key, velocity)
        pieces.append(self._generate(samples - now))
        return np.concatenate(pieces)

    def _start_or_stop_note(self, key, velocity):
        if velocity:
            self._synth.noteon(0, key, velocity)
        else:
            self._synth.noteoff(0, key)

    def _generate(self, samples):
        if not samples:
            return np.zeros(0)
        stereo = np.frombuffer(self._synth.generate(samples), np.float32).reshape(-1, 2)
        return stereo.mean(1, dtype=np.float64)


def _list_events(notes):
    """Returns (time, velocity, key) in order; velocity 0 stops a note, before others start."""
    notes = list(notes)
    starts = [(start, velocity, key) for start, _, key, velocity in notes]
    stops = [(stop, 0, key) for _, stop, key, _ in notes]
    return sorted(starts + stops)
