"""Writes a trained network as a checkpoint: weights, a card for programs, a card for readers."""

import json
import pathlib
import shutil

from orbax.checkpoint import v1 as ocp


def publish(folder, weights, card):
    """Writes a checkpoint, whole or not at all.

    All is written beside `folder` and then renamed into place, so that a killed run leaves the
    old checkpoint (at worst under the name `.NAME.old`) and never half a new one.

    Args:
      folder: where to; an older checkpoint there is replaced.
      weights: {layer: {"kernel", "bias"}}, arrays.
      card: what to know about it, as JSON types; `model_card` reads its keys.
    """
    folder = pathlib.Path(folder).absolute()
    new, old = (folder.parent / f".{folder.name}.{age}" for age in ("new", "old"))
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    ocp.save(new / "weights", weights)
    (new / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    (new / "README.md").write_text(model_card(card))
    _replace(folder, new, old)


def _replace(folder, new, old):
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def model_card(card):
    """The card as a page of Markdown."""
    facts = (f"- {key.replace('_', ' ')}: {fact}" for key, fact in card["source"].items())
    source = "\n".join(facts)
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    return f"""# {card["name"]}

{card["description"]}

VGG19 with {card["width"]} of its channels and {card["hidden"]} hidden features, one input channel,
{len(card["classes"])} classes. The input is a mel spectrogram in dB, standardised with mean
{card["mean"]:.4f} and standard deviation {card["std"]:.4f}. License: {card["license"]}.

## Data

{source}

## Accuracy

Measured on whole clips that were never trained on, with the weights in this folder.

{_accuracies(card)}

## Rebuild

Install the soundfont (Debian: `apt install fluid-soundfont-gm`) and its player
(`pip install --no-deps tinysoundfont`), then:

    {card["rebuild"]}

Trained on {card["date"]} with {versions}.
"""


def _accuracies(card):
    splits = list(card["accuracy"])
    table = [["class", *(split.replace("_", " ") for split in splits)], ["---"] * (len(splits) + 1)]
    for name, shares in {"all": card["accuracy"], **card["per_class"]}.items():
        table.append([name, *(f"{100 * shares[split]:.1f} %" for split in splits)])
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
