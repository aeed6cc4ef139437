"""Says on standard output what a run has written: paths, or lines of JSON."""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tqdm import tqdm

from dreamsound_jax.audio.find import VIDEO
from dreamsound_jax.run.clip_command import quote
from dreamsound_jax.system.errors import reason_of
from dreamsound_jax.system.standard_streams import give_up_output
from dreamsound_jax.system.storage import has_control_characters

log = logging.getLogger(__name__)

Reporter = Callable[[Mapping[str, Any], str | None], None]
"""Called for each clip that is done or failed: (its record, the path of its sound or None)."""

# Facts in a record that only the page of clips, or a run that is resumed, needs.
_NOT_SAID = ("files", "picture", "heard", "heard_as", "input_file")


def report_nothing(record: Mapping[str, Any], path: str | None) -> None:
    """Says nothing of a clip."""


class Report:
    """Prints the path of each sound that is written, or a line of JSON for each clip.

    Threads may call it at the same time. When nobody reads standard output any more, it says
    nothing more, and the run goes on.
    """

    def __init__(self, *, as_json: bool = False):
        """Prints lines of JSON or, by default, paths."""
        self._as_json, self._lock, self._ended = as_json, threading.Lock(), False
        self.failed = False
        """Whether lines were lost that somebody may wait for, as on a full disk."""

    def __call__(self, record: Mapping[str, Any], path: str | None) -> None:
        """Says that a clip is done or failed.

        Args:
          record: of the clip, in the manifest.
          path: of its sound; None if it failed.
        """
        if self._as_json:
            self._print(json.dumps(describe_record(record, path)).encode())
        elif path is not None:
            self._print(os.fsencode(as_one_line(path)))

    def _print(self, line):
        with self._lock:
            if self._ended or sys.stdout is None:
                return
            try:
                # Above the progress bar, if both are on a terminal.
                with tqdm.external_write_mode(file=sys.stdout):
                    sys.stdout.buffer.write(line + b"\n")
                    sys.stdout.flush()
            except OSError as error:
                self._end(error)

    def _end(self, error):
        self._ended = True
        if not isinstance(error, BrokenPipeError):
            self.failed = True
            log.warning("standard output cannot be written to: %s", reason_of(error))
        give_up_output()


def as_one_line(path: str) -> str:
    """Returns a path as it is, or as bash and zsh read it if it would break or steer a terminal.

    Example:
      >>> print(as_one_line("my dreams/a.wav"), as_one_line("two\\nlines/a.wav"))
      my dreams/a.wav $'two\\x0alines/a.wav'
    """
    return quote(path) if has_control_characters(path) else path


def describe_record(record: Mapping[str, Any], path: str | None) -> dict[str, Any]:
    """Returns what a line of JSON says of a clip: the path of its sound, its facts and its error.

    Example:
      >>> describe_record({"number": 3, "input": "a.wav", "error": "it is silent"}, None)
      {'path': None, 'number': 3, 'input': 'a.wav', 'error': 'it is silent'}
    """
    facts = {name: value for name, value in record.items() if name not in _NOT_SAID}
    if "heard" in record:
        heard = [words.rpartition(" ")[0] for words in record["heard"]]
        facts["heard_before"], facts["heard_after"] = heard
    video = None
    if path is not None and VIDEO in record.get("files", ()):
        video = os.path.splitext(path)[0] + VIDEO
    error = record.get("error", record.get("ended"))
    return {"path": path, **({"video": video} if video else {}), **facts, "error": error}
