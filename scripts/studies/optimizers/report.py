"""What a comparison leaves: results.csv, tables, pictures, and a page to see and hear it all."""

import datetime
import os
import shlex
from pathlib import Path

import jax

from dreamsound_jax.system import storage
from studies.optimizers import page, plots, tables
from studies.optimizers.statistics import overall, summarise
from studies.optimizers.variants import BASELINE

PICTURES = {
    "trade": "What is gained, for how far a dream moves: further up and to the left is better",
    "climb": "The climb of the test dreams, over steps and over time",
    "sensitivity": "What is gained at each learning rate",
}
DRAW = {
    "trade": plots.trade_picture,
    "climb": plots.climb_picture,
    "sensitivity": plots.sensitivity_picture,
}


def write(folder, rows, costs, clips, *, facts):
    """Writes it into `folder`, a path.

    Returns:
      (summaries over all settings, if there are several; of each; {name: PNG bytes}).

    Args:
      rows: see `rows.COLUMNS`; costs: see `statistics`; clips, facts: see `page.compare_html`.
    """
    whole, each = (sums(rows, costs, baseline=BASELINE) for sums in (overall, summarise))
    if len({summary.setting for summary in each}) == 1:
        whole = []
    pictures = {name: draw(rows, costs, baseline=BASELINE) for name, draw in DRAW.items()}
    html = page.compare_html(
        title="Optimizers that dream",
        facts=facts,
        pictures={PICTURES[name]: png for name, png in pictures.items()},
        summaries=[*whole, *each],
        clips=clips,
    )
    for name, png in pictures.items():
        storage.write_whole(folder / f"{name}.png", png)
    storage.write_whole(folder / "results.csv", tables.write_csv(rows).encode())
    storage.write_whole(folder / "tables.md", tables.markdown([*whole, *each]).encode())
    storage.write_whole(folder / "index.html", html.encode())
    return whole, each, pictures


def write_page(path, whole, each, pictures, *, facts, mark):
    """Writes a page of markdown, below what a person wrote in it down to `mark`; two pictures.

    `whole`, `each` and `pictures` are what `write` returns.
    """
    path = Path(path)
    written = path.read_text().partition(mark)[0] if path.exists() else "# Optimizers\n\n"
    told = [f"    {facts['command']}\n"]
    told += [f"- {name}: {text}" for name, text in facts.items() if name != "command"]
    shown = [f"![{PICTURES[name]}]({path.stem}_{name}.png)\n" for name in ("trade", "climb")]
    found = [*([tables.markdown(whole)] if whole else []), *shown, tables.markdown(each)]
    text = "\n".join([mark, "", *told, "", *found])
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in ("trade", "climb"):
        picture = path.with_name(f"{path.stem}_{name}.png")
        storage.write_whole(picture, pictures[name])
    storage.write_whole(path, (written + text).encode())


def facts_of_run(command, **others):
    """What is told of a run: {name: text}."""
    device = jax.devices()[0].device_kind
    return {
        "command": shlex.join(command),
        "date": datetime.date.today().isoformat(),
        "device": f"{device}, {os.cpu_count()} cores; JAX {jax.__version__}",
        **others,
    }
