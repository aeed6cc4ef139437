"""Shows what each channel of a layer hears: dreams, moments of real sounds, and probes.

    python scripts/atlas.py --model=gm --layer=relu3_4 --sounds=tests/data
    python scripts/atlas.py --model=mtt --layer=relu3 --channels=0:16 --sounds=my_sounds

Each channel is dreamed twice from noise, many channels at once by one compiled program, and the
moment of the sounds that excites it most is found. Probes, such as clicks, tones and glides, say
what to call a channel. The page is index.html in --output; to resume an interrupted run, start it
again.
"""

import hashlib
import html
import json
from pathlib import Path

import jax
import numpy as np
from absl import flags

from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.loading import find_checkpoint, load_model
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from dreamsound_jax.system.storage import write_whole
from studies import report
from studies.atlas.dreams import DRAWS, dream_channels
from studies.atlas.excerpts import find_excerpts
from studies.atlas.page import Channel, write_page
from studies.atlas.probes import measure_probes, name_channels
from studies.paths import define_path, define_paths

_MODEL = define_path("model", "gm", "the network: its name or folder")
_LAYER = flags.DEFINE_string("layer", None, "the layer", required=True)
_CHANNELS = flags.DEFINE_string("channels", None, "such as 0:16; by default all of the layer")
_SOUNDS = define_paths("sounds", [], "files or folders in which moments are looked for")
_SECONDS = flags.DEFINE_float("seconds", 1.5, "the length of dreams and moments", 0.3)
_DOMAIN = flags.DEFINE_enum("domain", "mel", ["mel", "sound"], "the domain of the dreams")
_LR = flags.DEFINE_float("lr", 0.05, "the learning rate", 0.0)
_NUM_ITERATIONS = flags.DEFINE_integer("num_iterations", 30, "steps in each pass", 1)
_DIVERSITY = flags.DEFINE_float(
    "diversity", 0.1, "the weight of the diversity among the clips of a batch", 0.0
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "how many clips are dreamed at once", DRAWS)
_WORK_DIR = define_path(
    "work_dir", None, "the folder of the dreams as they were made; by default that of the page"
)
_OUTPUT = define_path("output", "outputs/atlas", "the folder of the page")


def main():
    runtime.prepare(precision="float32")
    model = load_model(checkpoint=find_checkpoint(_MODEL.value))
    layer = nearest_or_fail("layer", _LAYER.value, model.card.architecture.layers)
    if model.card.architecture.layer(layer).reach is None:
        raise UserError(f"--layer must be a layer with bands and frames, and {layer} has neither")
    channels = parse_channels(_CHANNELS.value, model.card.architecture.layer(layer).channels)
    files, missing = find_inputs(_SOUNDS.value) if _SOUNDS.value else ([], [])
    if missing:
        raise UserError(f"--sounds must name sounds, and {missing[0][0]!r}: {missing[0][1]}")
    folder = Path(_OUTPUT.value)
    options = {
        "domain": _DOMAIN.value,
        "lr": _LR.value,
        "num_iterations": _NUM_ITERATIONS.value,
    }
    dreams = dream_channels(
        model,
        layer,
        channels,
        Path(_WORK_DIR.value or folder) / "dreams" / name_dreams(model, layer, options),
        seconds=_SECONDS.value,
        diversity=_DIVERSITY.value,
        batch_size=_BATCH_SIZE.value,
        options=options,
    )
    excerpts = find_excerpts(model, layer, files, seconds=_SECONDS.value) if files else None
    responses = measure_probes(model, layer)
    kinds = name_channels(responses)
    rows = [
        Channel(
            number,
            kinds[number],
            {kind: float(values[number]) for kind, values in responses.items()},
            dreams[number],
            excerpts[number] if excerpts else None,
        )
        for number in channels
    ]
    title = f"What the channels of {layer} of {model.card.name} hear"
    write_page(folder, title, describe(kinds), model.card, rows)
    facts = {str(row.number): {"kind": row.kind, "responses": row.responses} for row in rows}
    write_whole(folder / "channels.json", json.dumps(facts, indent=1).encode())
    print(f"{len(rows)} channels: open {folder / 'index.html'}")


def name_dreams(model, layer, options):
    """Names the folder of dreams after all that they depend on, besides the code."""
    how = repr((sorted(options.items()), _SECONDS.value, _DIVERSITY.value, _BATCH_SIZE.value))
    digest = hashlib.sha256(how.encode())
    for leaf in jax.tree.leaves(model.network):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return f"{layer}-{digest.hexdigest()[:10]}"


def parse_channels(text, count):
    """Returns the numbers of channels; UserError if there are no such channels."""
    if text is None:
        return range(count)
    first, _, last = text.partition(":")
    if not (first.isdecimal() and last.isdecimal() and int(first) < int(last) <= count):
        raise UserError(
            f"--channels must be a range within 0:{count}, such as 0:8, and is {text!r}"
        )
    return range(int(first), int(last))


def describe(kinds):
    """Says how the page was made, as HTML."""
    run = report.describe_run()
    return (
        "<p>Dreams are from noise, and raise the mean activation of one channel; two of each "
        "channel are kept apart from each other and from other channels. A channel is called after "
        "the kind of probe whose response, above the channel's smallest one, is more than 1.5 "
        "times as large as any other; hover over its number for the responses. Pictures show mel "
        "bands from low to high, and 60 dB.</p>"
        f"<p><small>{html.escape(run['command'])}, {run['date']}, {html.escape(run['device'])}"
        "</small></p>"
    )


if __name__ == "__main__":
    command_line.run(main, name="atlas", usage=__doc__, stopped="its dreams are kept")
