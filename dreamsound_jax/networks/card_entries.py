"""Checks the entries of a model card, which anyone may have written, before a network is made."""

import inspect
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dreamsound_jax.networks.architectures import ARCHITECTURES
from dreamsound_jax.spectral.front_end_constants import STATISTICS
from dreamsound_jax.system.errors import UserError, nearest_or_fail

REQUIRED = ("name", "classes", "mean", "std")
LINES = ("name", "weights_from", "default_layer")
TEXTS = ("description", "license", "network", "rebuild", "rebuild_needs", "date")
OBJECTS = ("front_end", "architecture", "synonyms", "source", "published")
# Far beyond every network, and small enough to compute with: of a decibel or of a width, and of
# features, channels or classes.
LARGEST, MOST = 1e6, 2**20
LONGEST_MESSAGE = 300


def check_entries(entries: Mapping[str, Any]) -> None:
    """Checks that the entries that a card has are of the right kind, and that none is missing.

    Raises:
      UserError: the first that is not; the message names it and shows its value.

    Example:
      >>> check_entries({"name": "a", "classes": ["dog"], "mean": -24.0, "std": 17.0})
    """
    for name in REQUIRED:
        if name not in entries:
            raise UserError(f"it must have the entry {name!r}")
    for name in LINES:
        _check(entries, name, str, "a text in one line", is_fit=str.isprintable)
    for name in TEXTS:
        _check(entries, name, str, "a text")
    if not entries["name"].strip():
        raise UserError("name must be a word, got ''")
    for name in OBJECTS:
        _check(entries, name, dict, "an object")
    for name in STATISTICS:
        _check_number(entries, name)
    for name in ("source", "published"):
        _check_source(entries.get(name, {}))
    _check(entries, "classes", list, "a list")
    _check(entries, "heard_in_drums", list, "a list")
    check_classes(entries["classes"])
    _check_size({name: entries[name] for name in ("width", "hidden") if name in entries})
    if "architecture" in entries:
        _check_architecture(entries["architecture"])
    for name, meant in entries.get("synonyms", {}).items():
        if not isinstance(meant, str):
            raise UserError(f"synonyms must name classes, got {_show(meant)} for {_show(name)}")
        nearest_or_fail("class", meant, entries["classes"])


def check_classes(classes: list | tuple) -> None:
    """Raises UserError unless classes are names, in one line and each of them once."""
    names = [each for each in classes if isinstance(each, str) and each.isprintable()]
    wrong = [each for each in classes if not (isinstance(each, str) and each.strip())]
    wrong += [each for each in classes if isinstance(each, str) and not each.isprintable()]
    wrong += [name for name, count in Counter(names).items() if count > 1]
    if not classes or wrong:
        found = _show(wrong[0]) if classes else "none"
        raise UserError(f"classes must be names, each of them once, got {found}")
    if len(classes) > MOST:
        raise UserError(f"classes must be at most {MOST}, got {len(classes)}")


def shorten_message(error: BaseException) -> str:
    """Returns an error's message in one line of limited length."""
    text = str(error)[: LONGEST_MESSAGE + 1]
    text = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return text if len(text) <= LONGEST_MESSAGE else f"{text[: LONGEST_MESSAGE - 3]}..."


def _check(entries, name, kind, what, *, is_fit=lambda value: True):
    if name in entries and not (isinstance(entries[name], kind) and is_fit(entries[name])):
        raise UserError(f"{name} must be {what}, got {_show(entries[name])}")


def _check_number(entries, name):
    """Checks what is later computed with; JSON may hold whole numbers of any length."""
    number = entries.get(name, 0)
    # JSON's true and false are numbers to Python.
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    if not is_number or (isinstance(number, float) and not math.isfinite(number)):
        raise UserError(f"{name} must be a finite number, got {_show(number)}")
    if abs(number) > LARGEST:
        raise UserError(f"{name} must be from -1e6 to 1e6, got {_show(number)}")


def _check_source(source):
    """Checks what is said of a file: its name, where it can be had, and its size."""
    for name in ("file", "url", "package", "sha256", "md5"):
        _check(source, name, str, "a text in one line", is_fit=str.isprintable)
    _check(source, "bytes", int, "a whole number")
    if "url" in source and "file" not in source:
        raise UserError("source must have the entry 'file', the name of the file at its url")


def _check_architecture(architecture):
    if "name" not in architecture:
        raise UserError(
            f"architecture must have the entry 'name', one of {', '.join(ARCHITECTURES)}"
        )
    family = nearest_or_fail("architecture", architecture["name"], [*ARCHITECTURES])
    size = {name: value for name, value in architecture.items() if name != "name"}
    known = [*inspect.signature(ARCHITECTURES[family].describe).parameters.values()][1:]
    for name in size:
        nearest_or_fail(
            f"such entry of the architecture {family}:", name, [each.name for each in known]
        )
    for each in known:
        if each.default is each.empty and each.name not in size:
            raise UserError(f"architecture must have the entry {each.name!r}")
    _check_size(size)
    channels = size.get("channels", [1])
    if not isinstance(channels, list) or not all(map(_is_count, channels)):
        raise UserError(f"channels must be a list of whole numbers above 0, got {_show(channels)}")
    for each in known:
        value = size.get(each.name)
        if each.annotation is int and value not in (None, 0) and not _is_count(value):
            raise UserError(f"{each.name} must be a whole number above 0, got {_show(value)}")
        if each.annotation in (bool, str):
            what = {bool: "true or false", str: "a word"}[each.annotation]
            _check(size, each.name, each.annotation, what)


def _check_size(size):
    """Checks numbers that are larger than those that an architecture checks itself."""
    for name, value in size.items():
        if isinstance(value, int | float) and abs(value) > MOST:
            raise UserError(f"{name} must be at most {MOST}, got {_show(value)}")


def _is_count(value):
    return type(value) is int and 0 < value <= MOST


def _show(value):
    """Returns a value as a message shows it."""
    if isinstance(value, int) and abs(value) > 10**18:
        return f"a whole number of {value.bit_length()} bits"
    text = repr(value[:80] if isinstance(value, str | list) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."
