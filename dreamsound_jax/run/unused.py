"""Finds options that were given and have no effect, beside the others."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dreamsound_jax.audio.find import GENERATED
from dreamsound_jax.run.checks import cover_values
from dreamsound_jax.run.options import FIELDS, Options
from dreamsound_jax.run.plan import ClipPlan
from dreamsound_jax.run.presets import apply_changes, find_preset
from dreamsound_jax.spectral.transforms import TRANSFORMS

log = logging.getLogger(__name__)


class _Need(NamedTuple):
    """What some options need to have an effect: in words, as a condition, and the options."""

    words: str
    is_met: Callable[[Options], bool]
    names: tuple[str, ...]


def _uses_transform(name: str) -> Callable[[Options], bool]:
    return lambda options: name in options.ouroboros_transform


_AMOUNTS = {transform.option: name for name, transform in TRANSFORMS.items()}
_OF_OUROBOROS = (
    *(name for name in FIELDS if name.startswith("ouroboros_")),
    *("crossfade", "stabilise", "stop_overcooked", "save_every"),
)
_NEEDS = (
    _Need("without --create_ouroboros", lambda options: options.create_ouroboros, _OF_OUROBOROS),
    _Need(
        "with --create_ouroboros",
        lambda options: not options.create_ouroboros,
        ("write_input", "amount", "video_growth"),
    ),
    _Need("without --video", lambda options: options.video is not None, ("video_growth",)),
    _Need("without --domain=sound", lambda options: options.domain == "sound", ("gain_range",)),
    _Need(
        "without --domain=mel",
        lambda options: options.domain == "mel",
        ("replace_detail", "detail_factor"),
    ),
    _Need("with --noreplace_detail", lambda options: options.replace_detail, ("detail_factor",)),
    _Need(
        "with --nosmooth_gradient",
        lambda options: options.smooth_gradient,
        ("smoothing_coefficient",),
    ),
    _Need(
        "with --pyramid_size=1",
        lambda options: options.pyramid_size != 1,
        ("pyramid_ratio", "optimizer_state", "video_growth"),
    ),
    _Need(
        "with an optimizer that has no state",
        lambda options: options.optimizer not in ("sgd", "sign_sgd"),
        ("optimizer_state",),
    ),
    _Need("without --input=sine", lambda options: "sine" in options.input, ("sine_freq",)),
    _Need(
        f"without --input={' or '.join(GENERATED)}",
        lambda options: bool({*GENERATED} & {*options.input}),
        ("clip_length",),
    ),
    *(
        _Need(f"without --ouroboros_transform={name}", _uses_transform(name), (option,))
        for option, name in _AMOUNTS.items()
    ),
)


def warn_of_unused(options: Options, clips: Sequence[ClipPlan]) -> None:
    """Logs a warning for each option that was given and has no effect on the clips of a plan."""
    for message in list_unused(options):
        log.warning("%s", message)
    _warn_of_unused_class(options, clips)


def list_unused(options: Options) -> list[str]:
    """Says which options differ from their defaults without an effect, a line each.

    Example:
      >>> list_unused(Options(ouroboros_length=20))
      ['--ouroboros_length has no effect without --create_ouroboros']
    """
    points = [apply_changes(options, changes) for changes in cover_values(options.sweep)]
    found: dict[str, str] = {}
    for need in _NEEDS:
        if any(map(need.is_met, points)):
            continue
        for name in need.names:
            if _is_given(options, name):
                # The first need that is not met is the one to name.
                found.setdefault(name, f"{_typed(options, name)} has no effect {need.words}")
    alone = options.batch_size == 1 and any(
        "diversity(" in (point.objective or "") for point in points
    )
    without_others = "diversity has no effect with --batch_size=1: it is among clips of a batch"
    return [*found.values(), *([without_others] if alone else [])]


def _warn_of_unused_class(options, clips):
    without_class = [clip for clip in clips if not clip.dreams_of_class]
    names_index = options.target_class_index != -1
    if any(clip.target is not None for clip in without_class) or (names_index and without_class):
        name = "target_class_index" if names_index else "target_class"
        output = clips[0].card.architecture.class_layer
        log.warning("--%s has no effect unless --layers_to_use includes %s", name, output)
    elif len(without_class) == len(clips) and options.class_objective == "away":
        log.warning("--class_objective has no effect without a class to dream away from")


def _is_given(options, name):
    """Returns whether an option was given; that a preset sets it is the preset's business."""
    if name in options.sweep:
        return True
    of_preset = find_preset(options.preset).values if options.preset else {}
    return getattr(options, name) not in (FIELDS[name].default, of_preset.get(name))


def _typed(options, name):
    """Returns the flag as it is typed: a switch that is off begins with no."""
    return f"--no{name}" if getattr(options, name) is False else f"--{name}"
