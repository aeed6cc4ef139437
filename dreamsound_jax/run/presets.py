"""Presets: the flag files in `configs`, by name, as values of options."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamsound_jax.run.options import FIELDS, Options, value_type
from dreamsound_jax.run.spelling import spell_as_meant
from dreamsound_jax.system.errors import UserError, find_choice
from dreamsound_jax.system.shipped import shipped

AIMS = ("layers_to_use", "target_class", "target_class_index", "class_objective")
"""The options in whose place an objective says what is raised."""

_TEXTS = ("interpolate", "objective")
# The flag files with these names repeat the examples of the original DreamSound.
_ORIGINALS = ("clip_", "ouroboros_")


@dataclass(frozen=True)
class Preset:
    """A named set of options.

    Attributes:
      name: as `--preset` takes it.
      summary: what to expect, in one sentence.
      values: {option: value}.
    """

    name: str
    summary: str
    values: Mapping[str, Any]

    @property
    def is_original(self) -> bool:
        """Whether it is an example of the original DreamSound."""
        return self.name.startswith(_ORIGINALS)

    def of_run(self) -> dict[str, Any]:
        """Returns the values that all clips of a run share."""
        return {n: v for n, v in self.values.items() if FIELDS[n].metadata["role"] == "run"}

    def of_clip(self) -> dict[str, Any]:
        """Returns the values that may differ from clip to clip."""
        return {n: v for n, v in self.values.items() if n not in self.of_run()}


@functools.cache
def list_presets() -> tuple[Preset, ...]:
    """Returns the presets in the order of their names, those of the original DreamSound last.

    Example:
      >>> "hits" in [preset.name for preset in list_presets()]
      True
    """
    found = map(_read_preset, shipped("configs").glob("*.flags"))
    return tuple(sorted(found, key=lambda preset: (preset.is_original, preset.name)))


def find_preset(name: str) -> Preset:
    """Returns the preset with a name.

    Raises:
      UserError: there is none.
    """
    presets = {preset.name: preset for preset in list_presets()}
    return presets[find_choice("preset", name, presets)]


def describe_presets() -> str:
    """Returns what `--list_presets` prints: a line for each preset."""
    own = [preset for preset in list_presets() if not preset.is_original]
    originals = [preset for preset in list_presets() if preset.is_original]
    return "\n".join(
        [
            *("Presets, such as dreamsound my.wav --preset=hits", "", *map(_describe, own)),
            "",
            "Examples of the original DreamSound. They name its networks, which are not included:",
            "add --model=gm to use the one that is, and to clip_2 and ouroboros_5 your own sound.",
            "",
            *map(_describe, originals),
        ]
    )


def make_options(given: Mapping[str, Any]) -> Options:
    """Returns options with the values that are given, over those of their preset.

    With a sweep over presets, the given values that one of these presets would change are swept,
    too, with one value each. A preview is a sweep over all presets, or over those that are given.

    Raises:
      UserError: a preset does not exist, or the swept presets cannot share a run.

    Example:
      >>> make_options({"preset": "hits", "lr": 0.01}).lr
      0.01
    """
    given = spell_as_meant(given)
    asked = Options(**given)
    swept = asked.sweep.get("preset", ()) if isinstance(asked.sweep, Mapping) else ()
    if asked.preview and not swept:
        swept = (asked.preset,) if asked.preset else tuple(each.name for each in list_presets())
        asked, given = replace(asked, preset=None), {**given, "preset": None}
    if not swept:
        of_preset = {} if asked.preset is None else find_preset(asked.preset).values
        return Options(**{**_replace_aim(of_preset, given), **given})
    if asked.preset is not None:
        raise UserError("--preset and --sweep=preset=... both name presets: give only one of them")
    presets = [find_preset(name) for name in swept]
    changed = {name for preset in presets for name in preset.of_clip()}
    if asked.preview:
        changed.add("ouroboros_length")
    kept = {name: (getattr(asked, name),) for name in given if name in changed}
    sweep = {**asked.sweep, "preset": swept, **kept}
    # A preview is of the inputs that are given, whatever those of the presets are.
    shared = {} if asked.preview else _shared_values(presets)
    return Options(**{**shared, **given, "sweep": sweep})


def apply_changes(options: Options, changes: Mapping[str, Any]) -> Options:
    """Returns options with the changes of one clip of a sweep, over those of a preset in them."""
    preset = changes.get("preset")
    of_preset = {} if preset is None else find_preset(preset).of_clip()
    texts = {name: getattr(options, name) for name in _TEXTS}
    asked = {name: text for name, text in texts.items() if text is not None} | dict(changes)
    return Options(**{**vars(options), **_replace_aim(of_preset, asked), **changes})


def describe_replaced(options: Options) -> str | None:
    """Says that an objective takes the place of what presets raise; None if it does not.

    Args:
      options: as `make_options` returns them.

    Example:
      >>> print(describe_replaced(make_options({"preset": "hits", "objective": "organ"})))
      --objective takes the place of what the preset hits raises (--layers_to_use=relu3_4)
    """
    given = [n for n in _TEXTS if getattr(options, n) is not None or n in options.sweep]
    names = options.sweep.get("preset", (options.preset,) if options.preset else ())
    if not given or not names:
        return None
    presets = [each for each in map(find_preset, names) if _raises(each)]
    if not presets:
        return None
    if len(presets) > 1:
        return f"--{given[0]} takes the place of what the presets raise; their other flags stay"
    (preset,) = presets
    raised = " ".join(f"--{n}={_as_typed(v)}" for n, v in _raises(preset).items())
    return f"--{given[0]} takes the place of what the preset {preset.name} raises ({raised})"


def _raises(preset: Preset) -> dict[str, Any]:
    return {name: value for name, value in preset.values.items() if name in (*_TEXTS, *AIMS)}


def _as_typed(value: Any) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _replace_aim(of_preset: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of a preset without what it raises, if that is given."""
    swept = given.get("sweep", {})
    for names in (("interpolate",), ("objective",), AIMS):
        if any(given.get(name) is not None or name in swept for name in names):
            replaced = {"interpolate", "objective", *AIMS} - {*names}
            return {n: v for n, v in of_preset.items() if n not in replaced}
    return dict(of_preset)


def _shared_values(presets: Sequence[Preset]) -> dict[str, Any]:
    """Returns the values that a run over several presets has; UserError if these differ."""
    first, *others = presets
    for other in others:
        for name in {**first.of_run(), **other.of_run()}:
            default = FIELDS[name].default
            if first.values.get(name, default) != other.values.get(name, default):
                raise UserError(
                    f"--sweep=preset={first.name},{other.name}: these presets differ in --{name}, "
                    "which all clips of a run share; give each of them a run of its own"
                )
    return first.of_run()


def _read_preset(path: Path) -> Preset:
    lines = path.read_text(encoding="utf-8").splitlines()
    comment = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
    values = dict(_parse_flag(line) for line in lines if line.startswith("--"))
    return Preset(path.stem, comment.split(". ")[0].rstrip(".") + ".", values)


def _parse_flag(line: str) -> tuple[str, Any]:
    """Returns the option and the value of a line such as "--lr=0.04" or "--nostabilise"."""
    name, is_assigned, word = line.removeprefix("--").partition("=")
    if not is_assigned:
        return (name, True) if name in FIELDS else (name.removeprefix("no"), False)
    kind = value_type(name)
    return name, tuple(word.split(",")) if kind is tuple else kind(word)


def _describe(preset: Preset) -> str:
    return f"  {preset.name:16}{preset.summary}"
