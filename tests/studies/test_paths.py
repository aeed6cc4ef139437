"""`~` is the home folder in whatever flag of a script names a file or a folder."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from absl import flags

from studies.paths import define_path, define_paths

SCRIPTS = Path(__file__).parents[2] / "scripts"
AS_TYPED = ("DEFINE_string", "DEFINE_list")
NAMES_FILES = re.compile(r"\b(files?|folders?|pages?|checkpoint|recordings|soundfonts?)\b", re.I)
OTHERS = {
    # The card of a network states these as they are typed; what reads them expands them.
    *(("train_classifier", name) for name in ("soundfonts", "held_out_soundfonts", "start_from")),
    ("heard_by_others", "soundfonts"),  # names, or files that are found as those are
    # parts of a page, and kinds of files
    *(("heard_by_others", "record"), ("heard_by_others", "examples")),
    *(("hunt", "kinds"), ("listening_test", "classes")),
}


def test_flags_that_name_files_are_defined_as_paths():
    found = {
        (script.stem, node.args[0].value)
        for script in SCRIPTS.glob("*.py")
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) in AS_TYPED
        if NAMES_FILES.search(f"{node.args[0].value} {ast.unparse(node.args[2])}")
    }
    assert found <= OTHERS


def test_a_home_folder_is_found_in_values_and_defaults(monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    values = flags.FlagValues()
    one = define_path("one", "~/a", "a file", flag_values=values)
    many = define_paths("many", None, "files", flag_values=values)
    values(["script"])
    assert (one.value, many.value) == ("/home/anna/a", None)
    values(["script", "--one=~", "--many=~/b,gm,gs://~/c"])
    assert (one.value, many.value) == ("/home/anna", ["/home/anna/b", "gm", "gs://~/c"])


def test_a_script_writes_below_the_home_folder(tmp_path):
    """What it cannot read, it names by its whole path; and its help lists the flag."""
    command = [sys.executable, str(SCRIPTS / "score_listening_test.py")]
    run = {"capture_output": True, "text": True, "check": False, "cwd": tmp_path}
    environment = {**os.environ, "HOME": str(tmp_path)}
    words = ["--key=~/key.json", "--answers=~/answers"]
    done = subprocess.run([*command, *words], env=environment, **run)
    assert done.returncode == 2 and str(tmp_path / "key.json") in done.stderr
    assert "--key" in subprocess.run([*command, "--help"], **run).stdout
