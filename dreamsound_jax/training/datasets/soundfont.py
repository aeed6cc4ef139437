"""Plays notes with the instruments of a soundfont."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from dreamsound_jax.system.errors import UserError, reason_of
from dreamsound_jax.training.datasets.soundfont_info import check_soundfont

SAMPLE_RATE = 22050  # Hz, at which phrases are played.
DEFAULT_SOUNDFONT = "FluidR3_GM"
# Where Debian and Fedora install soundfonts.
FOLDERS = ("/usr/share/sounds/sf2", "/usr/share/sounds/sf3", "/usr/share/soundfonts")
KINDS = (".sf2", ".sf3")

MOST_SECONDS = 120  # In which each program of a soundfont must have played a note.
# Other errors are reported where the soundfont is loaded.
_TRIAL = """
import sys, tinysoundfont
synth = tinysoundfont.Synth(samplerate=int(sys.argv[2]))
font = synth.sfload(sys.argv[1])
for program in range(128):
    synth.program_select(0, font, 0, program)
    for key in (40, 60, 80):
        synth.noteon(0, key, 100)
        synth.generate(512)
        synth.sounds_off()
"""

Note = tuple[int, int, int, int]
"""(start, stop, key, velocity): start and stop in samples, key and velocity as in MIDI."""


def find_soundfont(font: str = DEFAULT_SOUNDFONT) -> str:
    """Finds a soundfont: a file, or one with this name that Debian or Fedora installs.

    Raises:
      UserError: there is no such soundfont.
    """
    named = [Path(folder, font + kind) for folder in FOLDERS for kind in KINDS]
    for candidate in [Path(font).expanduser(), *named]:
        if candidate.is_file():
            return str(candidate)
    raise UserError(
        f"no soundfont {font}: it must be an .sf2 or .sf3 file, or the name of one in "
        f"{', '.join(FOLDERS)}; fluid-soundfont-gm installs FluidR3_GM"
    )


class SoundfontPlayer:
    """A synthesizer that plays phrases independently of those that it played before.

    Args:
      path: a soundfont, an .sf2 or .sf3 file.

    Raises:
      UserError: tinysoundfont is not installed, or the file is no soundfont.
    """

    def __init__(self, path: str):
        try:
            import tinysoundfont
        except ImportError as error:
            raise UserError(
                "rendering needs tinysoundfont: pip install --no-deps tinysoundfont"
            ) from error
        check_soundfont(path)
        _try_in_another_process(path)
        self._synth = tinysoundfont.Synth(gain=-6, samplerate=SAMPLE_RATE)
        try:
            self._font = self._synth.sfload(path)
        except Exception as error:  # The package raises bare exceptions.
            raise UserError(
                f"{path} must be a soundfont, but cannot be read: {reason_of(error)}"
            ) from error

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


def _try_in_another_process(path):
    """Raises UserError if a soundfont makes the player crash, as tables that are damaged do."""
    command = [sys.executable, "-c", _TRIAL, path, str(SAMPLE_RATE)]
    try:
        done = subprocess.run(command, check=False, capture_output=True, timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise UserError(f"{path} is damaged: its player does not come to an end") from None
    if done.returncode < 0:
        raise UserError(f"{path} is damaged: it makes its player crash")


def _list_events(notes):
    """Returns (time, velocity, key) in order; velocity 0 stops a note, before others start."""
    notes = list(notes)
    starts = [(start, velocity, key) for start, _, key, velocity in notes]
    stops = [(stop, 0, key) for _, stop, key, _ in notes]
    return sorted(starts + stops)
