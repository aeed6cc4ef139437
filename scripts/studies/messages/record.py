"""A plugin of pytest that notes what the code says to its users while the tests run.

`pytest -p studies.messages.record --messages=FILE` adds each message to FILE as a line of JSON:
the file of the code that says it, and the message.
"""

import json
import logging
import re
import sys
import tempfile
from pathlib import Path

import pytest

from dreamsound_jax.audio.recording import UndecodableError
from dreamsound_jax.system.errors import UserError
from studies.messages.templates import ROOTS

_ROOT = Path(__file__).parents[3]
_HOME = str(Path.home())
# Tests write to folders such as /tmp/pytest-of-me/pytest-0/popen-gw0/test_it0/.
_FOLDERS = rf"{re.escape(tempfile.gettempdir())}/pytest-of-[^/]+/pytest-\d+/(?:popen-\w+/)?"
_FOLDER_OF_TEST = re.compile(_FOLDERS + r"[^/'\" :;,()]*(/)?")


def pytest_addoption(parser):
    parser.addoption("--messages", help="the file that messages are added to")


def pytest_configure(config):
    path = config.getoption("messages")
    if path and not hasattr(UserError, "_is_recorded"):
        recorder = _Recorder(Path(path))
        UserError.__init__ = recorder.wrap(ValueError.__init__)
        UndecodableError.__init__ = recorder.wrap(Exception.__init__)
        UserError._is_recorded = True
        config.pluginmanager.register(recorder)


class _Recorder(logging.Handler):
    """Notes messages in a file."""

    def __init__(self, path: Path):
        super().__init__(logging.INFO)
        self._path = path

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        log = logging.getLogger("dreamsound_jax")
        level = log.level
        log.addHandler(self)
        log.setLevel(logging.INFO)
        try:
            return (yield)
        finally:
            log.removeHandler(self)
            log.setLevel(level)

    def wrap(self, initialise):
        """Returns an `__init__` of an exception that notes its message, and what it passes on."""

        def noting(error, *args):
            initialise(error, *args)
            self._note(sys._getframe(1).f_code.co_filename, str(error))
            self._note_reason()

        return noting

    def emit(self, record):
        self._note(record.pathname, record.getMessage())
        self._note_reason()

    def _note_reason(self):
        """Notes the exception that is handled just now, where code of this project raised it."""
        error = sys.exc_info()[1]
        place = error.__traceback__ if error else None
        while place and place.tb_next:
            place = place.tb_next
        if place:
            self._note(place.tb_frame.f_code.co_filename, str(error))

    def _note(self, file: str, message: str):
        if not Path(file).is_relative_to(_ROOT):
            return
        name = Path(file).relative_to(_ROOT).as_posix()
        if name.startswith(tuple(f"{root}/" for root in ROOTS)):
            with self._path.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([name, hide_places(message)]) + "\n")


def hide_places(message: str) -> str:
    """Leaves out of a message which folder a test had, and where this repository lies.

    Example:
      >>> hide_places(f"{tempfile.gettempdir()}/pytest-of-me/pytest-0/test_it0/a.wav is silent")
      'a.wav is silent'
    """
    message = message.replace(f"{_ROOT}/", "").replace(str(_ROOT), ".")
    message = _FOLDER_OF_TEST.sub(lambda found: "" if found[1] else "folder", message)
    return message.replace(_HOME, "~")
