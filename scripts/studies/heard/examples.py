"""Puts dreams of the study beside their inputs, as sounds that the page links to."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import soundfile

from dreamsound_jax.audio.files import Recording
from dreamsound_jax.system.storage import write_whole
from studies import report
from studies.heard.dreams import Batch, Variant
from studies.heard.families import score_classes
from studies.heard.listening import hear
from studies.heard.networks import Named


def write_examples(
    page: Path,
    judges: Sequence[Named],
    dreamed: Sequence[tuple[Variant, Batch]],
    classes: Sequence[str],
) -> None:
    """Writes inputs and dreams as Ogg files, and a table of links to them as a part of the page.

    Args:
      page: The page, whose part is called `sounds`; the files lie in a folder beside it.
      judges: The table says what they hear in each sound.
      dreamed: Ways to dream, each with the dreams of an input.
      classes: Those of the dreams that are shown.
    """
    rows = []
    for variant, batch in dreamed:
        shown = dict(zip(variant.classes, batch.read()))
        sounds = {"input": batch.input.recording} | {name: shown[name] for name in classes}
        label = f"{variant.dreamer.label}_{variant.domain}"
        links = _write_sounds(page, label, batch.input.name, sounds)
        heard = _name_heard(judges, list(sounds.values()))
        cells = [f"{link}: {'; '.join(words)}" for link, words in zip(links, heard)]
        rows.append([batch.input.name, variant.dreamer.label, variant.domain, *cells])
    heads = ["input", "dreamt by", "domain", "before", *(f"towards {name}" for name in classes)]
    run = report.describe_run()
    order = "; ".join(judge.label for judge in judges)
    about = (
        f"Behind each sound, what is heard in it, above all, by {order}. Written by "
        f"`{run['command']}`, {run['date']}."
    )
    table = report.markdown_table(
        [report.escape_markdown(head) for head in heads], rows, names=len(heads)
    )
    report.replace_part(page, "sounds", f"{about}\n\n{table}")


def _write_sounds(page: Path, label: str, name: str, sounds: Mapping[str, Recording]) -> list[str]:
    """Writes the sounds of an input, and returns links to them."""
    folder = page.with_name(f"{page.stem}_sounds")
    folder.mkdir(parents=True, exist_ok=True)
    links = []
    for what, sound in sounds.items():
        file = f"{name}.ogg" if what == "input" else f"{name}_{label}_{what}.ogg"
        encoded = io.BytesIO()
        soundfile.write(encoded, sound.channels, sound.sample_rate, format="OGG", subtype="VORBIS")
        write_whole(folder / file, encoded.getvalue())
        links.append(f"[listen]({folder.name}/{file})")
    return links


def _name_heard(judges: Sequence[Named], sounds: Sequence[Recording]) -> list[list[str]]:
    """Names for each sound the class that each judge hears first."""
    by_judge = []
    for judge in judges:
        first = score_classes(hear(judge.model, sounds), judge.outputs).argmax(axis=1)
        by_judge.append([list(judge.outputs)[index].replace("_", " ") for index in first])
    return [list(words) for words in zip(*by_judge)]
