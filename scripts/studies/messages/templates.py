"""Finds what the code says to its users: errors, notes in the log, and reasons inside both."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOTS = ("dreamsound_jax", "scripts")

ERROR, NOTE, REASON = "error", "note", "reason"

# What cannot be read of a pickle is called damaged, whatever the reason; a program that cannot be
# written is compiled again.
_READ_BY_NOBODY = (
    "dreamsound_jax/weights/torch_",
    "dreamsound_jax/system/tree_json.py",
    "dreamsound_jax/__init__.py",
)

_ERRORS = {"UserError", "StorageError"}
_LEVELS = {"info", "warning", "error", "critical"}
_CONVERSION = re.compile(r"(?<!%)%(?!%)[-+ #0-9.]*[a-z]")


class Template(NamedTuple):
    """A message as the code has it.

    Attributes:
      file: The file that raises or logs it, from the root of the repository.
      kind: ERROR, NOTE or REASON: what another exception says, which an error or a note passes on.
      parts: Its texts and, between them, None or the code of what is filled in:
        ("--", "{name}", " must be ...").
    """

    file: str
    kind: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(self.parts)

    @property
    def letters(self) -> int:
        """How many letters are its own, and not filled in."""
        return sum(len(re.findall(r"\w", text)) for text in self.parts[::2])

    def matches(self, message: str) -> bool:
        """Says whether a message may have been made of it."""
        texts = (re.escape(_make_printable(text)) for text in self.parts[::2])
        return re.fullmatch(".*".join(texts), message) is not None


def find_templates(root: Path) -> list[Template]:
    """Returns the messages of all files under the root of the repository.

    Messages of a file that have the same words, or none of their own, are one.
    """
    files = sorted(path for name in ROOTS for path in (root / name).rglob("*.py"))
    found = (
        Template(path.relative_to(root).as_posix(), kind, parts)
        for path in files
        for kind, parts in find_in(ast.parse(path.read_text(encoding="utf-8")))
    )
    unique: dict[tuple, Template] = {}
    for each in filter(_is_for_users, found):
        words = each.parts[::2] if each.letters else ()
        unique.setdefault((each.file, each.kind, words), each)
    return [*unique.values()]


def best_template(message: str, templates: Iterable[Template]) -> Template | None:
    """Returns the template of a message: of all that match, that with most letters of its own."""
    return max(
        (each for each in templates if each.matches(message)), key=lambda t: t.letters, default=None
    )


def _is_for_users(template: Template) -> bool:
    """Says whether people read it: what scripts log is of their progress."""
    is_read = not template.file.startswith(_READ_BY_NOBODY)
    return template.kind == ERROR or (is_read and template.file.startswith("dreamsound_jax/"))


def find_in(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields the kind and the parts of each message in a file of code."""
    nodes = [*ast.walk(tree)]
    raised = {id(node.exc) for node in nodes if isinstance(node, ast.Raise)}
    for call in nodes:
        if not isinstance(call, ast.Call) or not call.args:
            continue
        name = ast.unparse(call.func)
        owner, _, method = name.rpartition(".")
        if owner in ("log", "logging") and method in _LEVELS:
            yield NOTE, tuple(_split_printf(_parts_of(call.args[0])))
        elif name in _ERRORS or (name == "kind" and id(call) in raised):
            yield ERROR, tuple(_parts_of(call.args[0]))
        elif name.endswith("Error") and id(call) in raised and owner != "self":
            yield REASON, tuple(_parts_of(call.args[0]))


def _parts_of(node: ast.expr) -> list[str]:
    """Returns the parts of a message, a text first and last, and every second part filled in."""
    parts = [""]
    for each in _flatten(node):
        if isinstance(each, str):
            parts[-1] += each
        else:
            parts += [f"{{{ast.unparse(each)}}}", ""]
    return parts


def _flatten(node: ast.expr) -> Iterator[str | ast.expr]:
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.JoinedStr(values):
            for value in values:
                yield from _flatten(value)
        case ast.FormattedValue(value):
            yield value
        case ast.BinOp(left, ast.Add(), right):
            yield from _flatten(left)
            yield from _flatten(right)
        case _:
            yield node


def _split_printf(parts: list[str]) -> list[str]:
    """Splits the text of a log message at what printf's conversions fill in."""
    if len(parts) > 1:
        return parts
    texts = [text.replace("%%", "%") for text in _CONVERSION.split(parts[0])]
    return [part for text in texts for part in (text, "{...}")][:-1]


def _make_printable(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
