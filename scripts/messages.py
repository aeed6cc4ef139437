"""Writes docs/messages.md: every message of the code, with examples from the tests.

    python scripts/messages.py                    # after a change of the code
    python scripts/messages.py tests/audio        # runs these tests for new examples, too
    python scripts/messages.py tests/cli -k refuse

What follows the command is handed to pytest. An example stays as long as the code can say it: to
have another one, delete its line from the page first.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from studies.messages.page import count_unmet, format_page, merge_examples, read_examples
from studies.messages.record import MODULE_AT_START, read_messages
from studies.messages.templates import find_templates

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "messages.md"


def main(tests: list[str]):
    heard = hear_tests(tests) if tests else set()
    known = read_examples(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    templates = find_templates(ROOT)
    page = format_page(templates, merge_examples(templates, known, heard))
    PAGE.write_text(page, encoding="utf-8")
    print(f"{count_unmet(page)} of {len(templates)} messages have no example")


def hear_tests(tests: list[str]) -> set[tuple[str, str]]:
    """Runs tests, and returns what the code says meanwhile: the file of the code, the message."""
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "messages.jsonl"
        heard.touch()
        code = f"from studies.messages import record\nrecord.record_messages({str(heard)!r})\n"
        (Path(folder) / MODULE_AT_START).write_text(code, encoding="utf-8")
        paths = [folder, str(ROOT), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        command = [sys.executable, "-m", "pytest", *tests]
        subprocess.run(command, cwd=ROOT, env=environment, check=False)
        return read_messages(heard)


if __name__ == "__main__":
    main(sys.argv[1:])
