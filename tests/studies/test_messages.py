"""The page of all messages is that of the code."""

import ast
from pathlib import Path

import pytest

from studies.messages.page import format_page, merge_examples, read_examples
from studies.messages.templates import ERROR, NOTE, Template, best_template, find_in, find_templates

ROOT = Path(__file__).parents[2]
SILENT = Template("dreamsound_jax/audio/files.py", ERROR, ("", "{path}", " is silent"))
CODE = """
def read(path):
    log.warning("%s is 100%% full: %.1f dB", path, 3.0)
    try:
        pass
    except OSError as error:
        raise UserError(f"cannot read {path!r}: " + reason_of(error)) from error
    raise ValueError("not a sound")
"""


def test_the_page_has_every_message_of_the_code_and_no_other():
    page = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    templates = find_templates(ROOT)
    assert [str(each) for each in templates if "\n" in str(each)] == []
    expected = format_page(templates, read_examples(page))
    assert page == expected, "docs/messages.md is out of date: run python scripts/messages.py"


def test_messages_are_found_in_code():
    found = {kind: "".join(parts) for kind, parts in find_in(ast.parse(CODE))}
    assert found == {
        "note": "{...} is 100% full: {...} dB",
        "error": "cannot read {path}: {reason_of(error)}",
        "reason": "not a sound",
    }


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ("a.wav is silent", ("", "{path}", " is silent")),
        ("a.wav: it is silent (really)", ("", "{path}", ": ", "{error}", "")),
        ("nothing", None),
    ],
)
def test_a_message_is_of_the_template_that_says_most_of_it(message, parts):
    others = [Template(SILENT.file, ERROR, ("", "{path}", ": ", "{error}", ""))]
    assert getattr(best_template(message, [*others, SILENT]), "parts", None) == parts


def test_an_example_stays_as_long_as_the_code_can_say_it():
    note = Template(SILENT.file, NOTE, ("", "{...}", " has a peak of ", "{...}", ""))
    said = {SILENT.file: ["a.wav is silent", "b.wav is silent", "a.wav is loud"]}
    page = format_page([SILENT, note], said)
    assert read_examples(page) == {SILENT.file: ["a.wav is silent"]}
    assert "No test has met:\n\n```\n{...} has a peak of {...}\n```" in page
    reworded = SILENT._replace(parts=("", "{path}", " is quiet"))
    assert "{path} is quiet" in format_page([reworded], read_examples(page))
    assert read_examples(format_page([reworded], read_examples(page))) == {SILENT.file: []}


def test_examples_are_kept_and_what_is_heard_fills_the_gaps():
    passing = Template(SILENT.file, ERROR, ("", "{path}", ": ", "{error}", ""))
    known = {SILENT.file: ["longer.wav is silent"]}
    heard = {(SILENT.file, "b.wav: a reason"), (SILENT.file, "a.wav is silent")}
    merged = merge_examples([SILENT, passing], known, heard)
    page = format_page([SILENT, passing], merged)
    assert read_examples(page) == {SILENT.file: ["longer.wav is silent", "b.wav: a reason"]}
