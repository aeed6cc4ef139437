"""The command where standard output or error is closed, full, or read by nobody."""

import os
import subprocess
import sys

import pytest

FULL = "dreamsound: standard output cannot be written to: No space left on device\n"
BAD_FLAG = "dreamsound: --lr must be a number, and is 'x'\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
@pytest.mark.parametrize(
    ("words", "code", "output", "errors"),
    [
        ("--help > /dev/full", 2, "", FULL),
        ("--version > /dev/full", 2, "", FULL),
        ("--list_presets >&-", 0, "", ""),
        ("--list_presets > >(true)", 0, "", ""),
        ("--lr=x", 2, "", BAD_FLAG),
        ("--lr=x 2>&-", 2, "", ""),
        ("--lr=x 2> /dev/full", 2, "", ""),
        ("--lr=x > /dev/full", 2, "", BAD_FLAG),
        ("--version <&- 2>&- >&-", 0, "", ""),
    ],
)
def test_the_exit_code_is_right_and_nothing_is_said_in_the_wrong_place(words, code, output, errors):
    command = ["bash", "-c", f'"$0" -m dreamsound_jax {words}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, output, errors)
