"""Notes what the code says to its users while a program runs, such as the tests."""

import json
import linecache
import logging
import re
import sys
import tempfile
from pathlib import Path

from dreamsound_jax.system.errors import UserError
from studies.messages.templates import ROOTS

# Python runs a module of this name at its start, and so do the programs that tests start.
MODULE_AT_START = "sitecustomize.py"

_ROOT = Path(__file__).parents[3]
_HOME = str(Path.home())
# Tests write to folders such as /tmp/pytest-of-me/pytest-0/popen-gw0/test_it0/.
_FOLDERS = rf"{re.escape(tempfile.gettempdir())}/pytest-of-[^/]+/pytest-\d+/(?:popen-\w+/)?"
_FOLDER_OF_TEST = re.compile(_FOLDERS + r"[^/'\" :;,()]*(/)?")


def record_messages(path: str | Path) -> None:
    """Adds each message of this program to a file from now on.

    Args:
      path: The file; a line of it is JSON, [the file of the code, the message].
    """
    recorder = _Recorder(Path(path))
    UserError.__init__ = recorder.initialise
    logging.getLogger("dreamsound_jax").setLevel(logging.INFO)
    # A command replaces the handlers of the log.
    handle = logging.Logger.handle

    def note_and_handle(logger: logging.Logger, record: logging.LogRecord) -> None:
        if logger.name.startswith("dreamsound_jax"):
            recorder.emit(record)
        handle(logger, record)

    logging.Logger.handle = note_and_handle


def read_messages(path: str | Path) -> set[tuple[str, str]]:
    """Returns the messages in a file that `record_messages` wrote."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {(file, message) for file, message in map(json.loads, lines)}


def hide_places(message: str) -> str:
    """Leaves out of a message which folder a test had, and where this repository lies.

    Example:
      >>> hide_places(f"{tempfile.gettempdir()}/pytest-of-me/pytest-0/test_it0/a.wav is silent")
      'a.wav is silent'
    """
    message = message.replace(f"{_ROOT}/", "").replace(str(_ROOT), ".")
    message = _FOLDER_OF_TEST.sub(lambda found: "" if found[1] else "folder", message)
    return message.replace(_HOME, "~")


class _Recorder(logging.Handler):
    """Notes messages in a file, and the reasons that they pass on."""

    def __init__(self, path: Path):
        super().__init__(logging.INFO)
        self._path = path

    @property
    def initialise(self):
        """An `__init__` of an exception that also notes its message."""

        def initialise(error, *args):
            ValueError.__init__(error, *args)
            self._note(sys._getframe(1).f_code.co_filename, str(error))
            self._note_reason()

        return initialise

    def emit(self, record):
        self._note(record.pathname, record.getMessage())
        self._note_reason()

    def _note_reason(self):
        """Notes the exception that is handled just now, if code of this project raises it."""
        error = sys.exc_info()[1]
        place = error.__traceback__ if error else None
        while place and place.tb_next:
            place = place.tb_next
        file = place.tb_frame.f_code.co_filename if place else ""
        if place and linecache.getline(file, place.tb_lineno).strip().startswith("raise "):
            self._note(file, str(error))

    def _note(self, file: str, message: str):
        if not Path(file).is_relative_to(_ROOT):
            return
        name = Path(file).relative_to(_ROOT).as_posix()
        if name.startswith(tuple(f"{root}/" for root in ROOTS)):
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([name, hide_places(message)]) + "\n")
