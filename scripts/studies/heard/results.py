"""Writes the results of the study: a file for programs, tables and pictures for people."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsound_jax.system.storage import write_whole
from studies import report
from studies.heard import pictures
from studies.heard.judging import Verdict
from studies.heard.page import format_classes, format_dreams, format_others

RESULTS = "results.json"


def write_results(folder: Path, facts: Mapping[str, Any], verdicts: Sequence[Verdict]) -> None:
    """Writes results.json: the facts of the run, and all verdicts, with the score of each sound.

    Args:
      folder: Where it is written.
      facts: In JSON types.
      verdicts: All verdicts.
    """
    entries = {**facts, "verdicts": [_describe(verdict) for verdict in verdicts]}
    write_whole(folder / RESULTS, json.dumps(entries, allow_nan=False).encode())


def _describe(verdict):
    estimates = {
        name: {end: None if math.isnan(value) else value for end, value in each._asdict().items()}
        for name, each in verdict.estimates.items()
    }
    return {
        **verdict._asdict(),
        "estimates": estimates,
        **{name: getattr(verdict, name).tolist() for name in ("counts", "wanted", "clusters")},
        "scores": verdict.scores.astype(float).round(3).tolist(),
        "chance": {"top1": 1 / len(verdict.classes), "rank": (len(verdict.classes) + 1) / 2},
    }


def format_report(
    facts: Mapping[str, Any], verdicts: Sequence[Verdict], bars: str, matrix: str
) -> str:
    """Formats the part of the page about one run: facts, tables and pictures.

    Args:
      facts: Of the run.
      verdicts: All verdicts.
      bars, matrix: The names of the files of the pictures.
    """
    settings = ", ".join(f"{name}={value}" for name, value in facts["settings"].items())
    seconds = ", ".join(f"{name} {value:.2f} s" for name, value in facts["seconds"].items())
    about = (
        f"`{facts['command']}`, {facts['date']}, {facts['device']}. Settings: {settings}. "
        f"Inputs for {facts['inputs']}: {', '.join(facts['names'])}. A dream, written, took: "
        f"{seconds}. Dreams that stopped: {facts['faults']}."
    )
    shown = [f"![How often the class is heard first]({bars})", f"![What judges hear]({matrix})"]
    tables = [format_dreams(verdicts), format_others(verdicts), format_classes(verdicts)]
    return "\n\n".join([about, *tables, *shown])


def write_report(
    path: Path, name: str, facts: Mapping[str, Any], verdicts: Sequence[Verdict]
) -> str:
    """Writes the part of that name of the page, and its pictures beside the page.

    Returns:
      The part.
    """
    bars, matrix = (f"{path.stem}_{name}{each}.png" for each in ("", "_matrix"))
    write_whole(path.with_name(bars), pictures.draw_rates(verdicts))
    write_whole(path.with_name(matrix), pictures.draw_matrices(verdicts))
    text = format_report(facts, verdicts, bars, matrix)
    report.replace_part(path, name, text)
    return text
