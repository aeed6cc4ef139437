"""A model card for readers: the page of Markdown that lies beside a network's weights."""


def model_card(card):
    """The card as a page of Markdown; a section that it has nothing for is left out.

    Args:
      card: as JSON types: `name`, `description`, `classes`, `mean`, `std`, `width` and `hidden`;
        and, as far as they are known, `license`, `source`, `weights_from`, `accuracy` and
        `per_class`, `dreams`, `rebuild`, `rebuild_needs`, `date` and `versions`.
    """
    sections = (_network, _source, _weights, _accuracy, _dreams, _rebuild)
    return "\n\n".join(filter(None, (section(card) for section in sections))) + "\n"


def _network(card):
    width = "" if card["width"] == 1 else f"{card['width']} of its channels and "
    license = f"\n\nLicense: {card['license']}." if "license" in card else ""
    return f"""# {card["name"]}

{card["description"]}

A VGG19 with {width}{card["hidden"]} hidden features, and one input channel: a mel spectrogram in
dB, standardised with mean {card["mean"]:.4f} and standard deviation {card["std"]:.4f}. Its
{len(card["classes"])} classes: {", ".join(card["classes"])}.{license}"""


def _source(card):
    facts = [f"- {_words(key)}: {fact}" for key, fact in card.get("source", {}).items()]
    return "\n".join(["## Source", "", *facts]) if facts else ""


def _weights(card):
    place = card.get("weights_from")
    return f"## Weights\n\nNot shipped: {place}." if place else ""


def _accuracy(card):
    if "accuracy" not in card:
        return ""
    splits = list(card["accuracy"])
    rows = [["class", *map(_words, splits)]]
    for name, shares in {"all": card["accuracy"], **card["per_class"]}.items():
        rows.append([name, *(_percent(shares[split]) for split in splits)])
    return f"""## Accuracy

Measured on whole clips that were never trained on, with the weights in this folder.

{_table(rows)}

![What is taken for what](confusion.png)"""


def _dreams(card):
    if "dreams" not in card:
        return ""
    dreams = card["dreams"]
    rows = [["domain", "dreamed towards", "before", "spectrogram", "written sound", "heard as"]]
    for row in dreams["rows"]:
        chances = (f"{row[key]:.3f}" for key in ("before", "spectrogram", "written"))
        rows.append([row["domain"], row["class"], *chances, row["heard_as"]])
    count, right = len(rows) - 1, sum(row["class"] == row["heard_as"] for row in dreams["rows"])
    return f"""## Dreams

From noise towards each class, in both domains, with

    dreamsound {dreams["flags"]}

How sure the network is of the class before, on the dreamed spectrogram, and on the sound as it was
written, analysed again. Of {count} written sounds {right} are heard as what they dream of.

{_table(rows)}

![One input, dreamed by a layer of each stage](layers.png)

Made on {dreams["date"]} by

    {dreams["command"]}"""


def _rebuild(card):
    if "rebuild" not in card:
        return ""
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    return f"""## Rebuild

{card["rebuild_needs"]}

    {card["rebuild"]}

Made on {card["date"]} with {versions}."""


def _words(key):
    return key.replace("_", " ")


def _percent(share):
    return "no clips" if share is None else f"{100 * share:.1f} %"


def _table(rows):
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
