"""Describes the checkpoint that a PyTorch file is converted to."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamsound_jax.networks.card import read_entries
from dreamsound_jax.networks.card_entries import check_classes, check_entries
from dreamsound_jax.spectral.compression import DECIBEL
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.shipped import model_names, shipped
from dreamsound_jax.weights.dream_scale import estimate_db_statistics
from dreamsound_jax.weights.first_hearing import COUNT

REQUIRED_ENTRIES = ("classes", "mean", "std")
MOST_CLASSES = 10_000  # That are numbered, not named.
FULL_SIZE = {"width": 1.0, "hidden": 4096}


@dataclass(frozen=True)
class ConversionRequest:
    """A request to convert a PyTorch file to a checkpoint.

    Attributes:
      name: the name of the model, which `--model` takes afterwards.
      entries: entries of the model card: `classes` (names, or one number), `mean` and `std` of what
        the network was shown in training, `width` and `hidden`, `heard_in_drums` (the classes that
        must be the most probable in the included drums), and `front_end`, which holds the
        constants that differ from the reference's. Entries that are left out come from the card of
        the published model of that name. If the front end's compression is not "db", `mean` and
        `std` become `input_mean` and `input_std` in the card, and those in dB are estimated.
      output: the checkpoint's folder, or None for `checkpoints/NAME`.
      verify_hash: whether the file for a published model must be the published one.
    """

    name: str
    entries: dict[str, Any]
    output: str | Path | None = None
    verify_hash: bool = True

    @property
    def folder(self) -> Path:
        """The folder that the checkpoint is written to."""
        return Path(self.output or shipped("checkpoints") / self.name).expanduser()

    @property
    def model_flag(self) -> str:
        """The flag of `dreamsound` that selects the converted model."""
        return f"--checkpoint={self.output}" if self.output else f"--model={self.name}"

    @property
    def published_entries(self) -> dict[str, Any] | None:
        """The card's entries if the model is a published one, else None."""
        return find_published_models().get(self.name)

    def card_entries(self) -> dict[str, Any]:
        """Builds the entries of the model card, as JSON types.

        Raises:
          UserError: the name cannot be a folder's name, or required entries are missing.
        """
        if not re.fullmatch(r"[\w.-]*\w", self.name):
            raise UserError(
                "--model must consist of letters, digits, '_', '-' and '.', and must not end with "
                f"'-' or '.', got {self.name!r}"
            )
        known = self.published_entries or {"description": "A VGG19, converted from PyTorch."}
        known = known | self.entries | {"name": self.name}
        missing = [f"--{key}" for key in REQUIRED_ENTRIES if key not in known]
        if missing:
            raise UserError(
                f"--model={self.name} is not a published model "
                f"({', '.join(find_published_models())}), so it needs {', '.join(missing)}"
            )
        for key in ("mean", "std"):
            if not math.isfinite(known[key]):
                raise UserError(f"--{key} must be a finite number, got {known[key]}")
        known |= self._place_statistics(known)
        is_vgg19 = "architecture" not in known
        sizes = {key: size for key, size in FULL_SIZE.items() if is_vgg19 and key not in known}
        known |= {"classes": _expand_classes(known["classes"])}
        _check_expectation(known)
        return known | sizes

    def _place_statistics(self, known):
        """Returns the statistics on the scale that the network is shown, and those in dB."""
        constants = known.get("front_end", {})
        given = {f"input_{key}": known[key] for key in ("mean", "std") if key in self.entries}
        if not given or constants.get("compression", DECIBEL) == DECIBEL:
            return {}
        return given | estimate_db_statistics(FrontEnd(**constants))


def find_published_models() -> dict[str, dict[str, Any]]:
    """Returns {name: card entries} of the models whose weights are published.

    The entry `source` holds the file's name and its URL, and its size in bytes and its SHA-256 or
    MD5 if they are known; or the Python package that it is, and where in it the weights lie.
    """
    models = {}
    for name in model_names():
        try:
            card = read_entries(shipped("checkpoints") / name)
            check_entries(card)
        except UserError:
            continue  # A card that is damaged is no reason to refuse other models.
        # A checkpoint that was converted from another file keeps the published file's entry.
        source = card.pop("published", card.get("source", {}))
        if "url" in source or "package" in source:
            models[name] = card | {"source": source}
    return models


def known_digest(source: dict[str, Any]) -> tuple[str, str] | None:
    """Returns the algorithm and the digest of a published file, from the entry `source`.

    Of some files no digest is known, and the result is None.
    """
    return next(((name, source[name]) for name in ("sha256", "md5") if name in source), None)


def _check_expectation(entries):
    """Checks the names of the classes that a network must hear in the included drums."""
    expected = entries.get("heard_in_drums", [])
    if len(expected) > COUNT:
        raise UserError(
            f"--heard_in_drums must name at most {COUNT} classes, got {', '.join(expected)}"
        )
    for name in expected:
        nearest_or_fail("class", name, entries["classes"])


def _expand_classes(classes):
    """Returns the names of the classes; a single number N stands for class_0 to class_N-1."""
    if len(classes) == 1 and re.fullmatch(r"[+-]?[0-9]+([.][0-9]*)?", str(classes[0]).strip()):
        return [f"class_{index}" for index in range(_parse_count(str(classes[0]).strip()))]
    try:
        check_classes(classes)
    except UserError as error:
        raise UserError(f"--{error}") from None
    return list(classes)


def _parse_count(text):
    if not (text.isdecimal() and len(text) < 10 and 0 < int(text) <= MOST_CLASSES):
        raise UserError(
            f"--classes must be names, or one number from 1 to {MOST_CLASSES}, got {text[:20]}"
        )
    return int(text)
