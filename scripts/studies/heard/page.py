"""The tables of the study."""

import math
from collections.abc import Sequence

from studies.heard.judging import Verdict
from studies.heard.statistics import Estimate
from studies.report import UNKNOWN, escape_markdown, markdown_table

DREAM_HEADS = (
    "dreamt by",
    "domain",
    "from",
    "judge",
    "dreams",
    "first (%)",
    "chance (%)",
    "rank",
    "chance",
    "margin",
    "z",
    "highest of an input's dreams (%)",
)
OTHER_HEADS = ("heard", "judge", "sounds", "first (%)", "chance (%)", "rank", "chance", "margin")


def format_dreams(verdicts: Sequence[Verdict]) -> str:
    """Formats a row for each network, domain, kind of input and judge, with intervals."""
    rows = []
    for verdict in _select(verdicts, "dreams"):
        label, domain = verdict.of
        names = [escape_markdown(label), domain, verdict.kind, escape_markdown(verdict.judge)]
        z, highest = verdict.estimates["z"], verdict.estimates["highest"]
        rows.append([*names, *_format_hits(verdict), _format(z, 2), _format(highest, 0, 100)])
    return markdown_table(DREAM_HEADS, rows, names=4)


def format_others(verdicts: Sequence[Verdict]) -> str:
    """Formats what dreams are held against: undreamed inputs, and real phrases."""
    names = {"undreamed": "undreamed {0}", "real": "real phrases, {1}"}
    rows = []
    for source, name in names.items():
        for verdict in _select(verdicts, source):
            heard = name.format(verdict.kind, " ".join(verdict.of))
            rows.append([heard, escape_markdown(verdict.judge), *_format_hits(verdict)])
    return markdown_table(OTHER_HEADS, rows, names=2)


def format_classes(verdicts: Sequence[Verdict]) -> str:
    """Formats for each class how often it is heard: a column for each judge and source."""
    chosen = [*_select(verdicts, "dreams"), *_select(verdicts, "real")]
    names = dict.fromkeys(name for verdict in chosen for name in verdict.classes)
    heads = ["class", *(escape_markdown(describe(verdict)) for verdict in chosen)]
    rows = [[name, *(_format_class(verdict, name) for verdict in chosen)] for name in names]
    return markdown_table(heads, rows)


def describe(verdict: Verdict) -> str:
    """Says what was heard by whom, such as "gm, sound, noise: heard by mtt"."""
    parts = [*verdict.of, verdict.kind]
    if verdict.source == "undreamed":
        parts = ["undreamed", verdict.kind]
    return f"{', '.join(part for part in parts if part)}: heard by {verdict.judge}"


def _select(verdicts, source):
    return [verdict for verdict in verdicts if verdict.source == source]


def _format_hits(verdict):
    estimates, count = verdict.estimates, len(verdict.classes)
    return [
        str(verdict.sounds),
        _format(estimates["top1"], 0, 100),
        f"{100 / count:.1f}",
        _format(estimates["rank"], 1),
        f"{(count + 1) / 2:.1f}",
        _format(estimates["margin"], 1),
    ]


def _format(estimate: Estimate, digits: int, factor: float = 1) -> str:
    """Formats a mean, and its interval in brackets."""
    mean, low, high = (_format_value(factor * value, digits) for value in estimate)
    return mean if math.isnan(estimate.low) else f"{mean} ({low} to {high})"


def _format_value(value, digits):
    if math.isnan(value):
        return UNKNOWN
    return f"{value:.{digits}f}".replace("-", "−")


def _format_class(verdict, name):
    if name not in verdict.classes:
        return UNKNOWN
    row = verdict.counts[verdict.classes.index(name)]
    return f"{row[verdict.classes.index(name)]} of {row.sum()}" if row.sum() else UNKNOWN
