"""Renders a model card as the Markdown page that lies beside a network's weights."""

from collections.abc import Mapping
from typing import Any

from dreamsound_jax.networks.catalogue import join_names
from dreamsound_jax.spectral.compression import DECIBEL, LOG_OFFSET, describe_compression
from dreamsound_jax.spectral.front_end_constants import format_front_end
from dreamsound_jax.weights.layer_table import render_layers


def render_model_card(card: Mapping[str, Any]) -> str:
    """Renders a model card as a Markdown page, leaving out sections without entries.

    Args:
      card: the card's entries, as JSON types. `name`, `description`, `classes`, and `mean` and
        `std` in dB are required, and of a VGG19 `width` and `hidden`, of one of PANNs' networks
        `architecture`; others describe themselves in `network`. Optional are `front_end`,
        `input_mean` and `input_std`, `heard_in_drums`, `layers`, `license`, `source`,
        `weights_from`, `accuracy` with `per_class` and `robust_accuracy`, `dreams`,
        `heard_by_others`, and `rebuild` with `rebuild_needs`, `date` and `versions`.
    """
    sections = (
        _render_network(card),
        render_layers(card),
        _render_source(card),
        _render_weights(card),
        _render_accuracy(card),
        _render_dreams(card),
        _render_heard(card),
        _render_rebuild(card),
    )
    return "\n\n".join(filter(None, sections)) + "\n"


def _render_network(card):
    license = f"\n\nLicense: {card['license']}." if "license" in card else ""
    return f"""# {card["name"]}

{card["description"]}

{_describe_network(card)}{_describe_front_end(card.get("front_end"))}
{_describe_classes(card)}{license}"""


def _describe_classes(card):
    classes, heard = card["classes"], card.get("heard_in_drums")
    hearing = f"\nIn the included drums it hears, above all, {join_names(heard)}." if heard else ""
    return f"It distinguishes {len(classes)} classes: {join_names(classes)}.{hearing}"


def _describe_network(card):
    if "network" in card:
        return card["network"]
    return f"{_describe_size(card)} Its input is {_describe_input(card)}."


def _describe_input(card):
    constants = card.get("front_end", {})
    compression = constants.get("compression", DECIBEL)
    if compression == DECIBEL:
        return f"a mel spectrogram in dB,\n{_describe_standardisation(card)}"
    formula = describe_compression(compression, constants.get("log_offset", LOG_OFFSET))
    mean, std = (card.get(f"input_{name}", usual) for name, usual in (("mean", 0), ("std", 1)))
    return (
        f"{formula} of the mel power x,\nstandardised with mean {mean:.4f} and standard deviation "
        f"{std:.4f}. Dreams are in dB, {_describe_standardisation(card)}"
    )


def _describe_size(card):
    if "architecture" in card:
        channels = ", ".join(map(str, card["architecture"]["channels"]))
        return f"A network of PANNs whose blocks of two convolutions have {channels} channels."
    width = "" if card["width"] == 1 else f"{card['width']} times the usual channels and "
    return f"A VGG19 with {width}{card['hidden']} hidden features."


def _describe_standardisation(card):
    if (card["mean"], card["std"]) == (0, 1):
        return "whose mean and standard deviation are taken from the file when it is converted"
    mean, std = f"{card['mean']:.4f}", f"{card['std']:.4f}"
    return f"standardised with mean {mean} and standard deviation {std}"


def _describe_front_end(constants):
    return f"\nIts front end: `{format_front_end(constants)}`." if constants else ""


def _render_source(card):
    lines = [f"- {_as_words(key)}: {value}" for key, value in card.get("source", {}).items()]
    return "\n".join(["## Source", "", *lines]) if lines else ""


def _render_weights(card):
    origin = card.get("weights_from")
    return f"## Weights\n\nThe weights are not included: {origin}." if origin else ""


def _render_accuracy(card):
    if "accuracy" not in card:
        return ""
    splits = list(card["accuracy"])
    rows = [["class", *map(_as_words, splits)]]
    for name, accuracies in {"all": card["accuracy"], **card["per_class"]}.items():
        rows.append([name, *(_as_percentage(accuracies[split]) for split in splits)])
    return f"""## Accuracy

Measured on whole clips that were never trained on, with the weights in this folder.

{_format_table(rows)}
{_render_robustness(card)}
![Confusion matrices of the held-out splits](confusion.png)"""


def _render_robustness(card):
    if "robust_accuracy" not in card:
        return ""
    found = (
        f"{_as_words(name)} {_as_percentage(x)}" for name, x in card["robust_accuracy"].items()
    )
    return f"""
When clips are changed so that the network errs (projected gradient ascent, 5 steps, by
{card["source"]["adversarial"]} standard deviations RMS), it is right about {", ".join(found)}.
"""


def _render_dreams(card):
    if "dreams" not in card:
        return ""
    dreams = card["dreams"]
    header = ["domain", "target class", "before", "spectrogram", "written sound", "classified as"]
    rows = [header]
    for row in dreams["rows"]:
        probabilities = (f"{row[key]:.3f}" for key in ("before", "spectrogram", "written"))
        rows.append([row["domain"], row["class"], *probabilities, row["heard_as"]])
    correct = sum(row["class"] == row["heard_as"] for row in dreams["rows"])
    total = len(dreams["rows"])
    return f"""## Dreams

Dreams from noise towards classes, in both domains, made with

    dreamsound {dreams["flags"]}

The table gives the probability of the target class before the dream, on the dreamed spectrogram,
and on the written sound after it was analysed again. Of {total} written sounds, {correct} are
classified as their target class.

{_format_table(rows)}

![Dreams of one input with a layer of each stage](layers.png)

Made on {dreams["date"]} by

    {dreams["command"]}"""


def _render_heard(card):
    if "heard_by_others" not in card:
        return ""
    heard = card["heard_by_others"]
    header = ["domain", "dreams from", "judge", "dreams", "class heard first", "by chance", "z"]
    rows = [header]
    for row in heard["rows"]:
        interval = "{:.0f} to {:.0f}".format(100 * row["first_low"], 100 * row["first_high"])
        first = f"{100 * row['first']:.0f} % ({interval})"
        chance, z = f"{100 * row['chance']:.0f} %", f"{row['z']:.2f}"
        names = (row["domain"], row["from"], row["judge"])
        rows.append([*names, str(row["dreams"]), first, chance, z])
    real = (
        f"{row['judge']} {100 * row['first']:.0f} % of those of {row['soundfont']}"
        for row in heard["real"]
    )
    return f"""## Heard by others

How often networks that had no part in dreaming hear the class of a dream before all others, with an
interval of 95 %, and how far its score is above that of the other dreams of the same input, in
standard deviations (z). Dreams were made with

    dreamsound --model={card["name"]} --target_class=CLASS {heard["flags"]}

Of real phrases, the judges hear the class of so many first: {", ".join(real)}.

{_format_table(rows)}

![How often the class is heard first](heard.png)

How this was measured is in `docs/heard.md`. Made on {heard["date"]} by

    {heard["command"]}"""


def _render_rebuild(card):
    if "rebuild" not in card:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    return f"""## Rebuild

{card["rebuild_needs"]}

    {card["rebuild"]}

Made on {card["date"]} with {versions}."""


def _as_words(key):
    return key.replace("_", " ")


def _as_percentage(accuracy):
    return "no clips" if accuracy is None else f"{100 * accuracy:.1f} %"


def _format_table(rows):
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)
