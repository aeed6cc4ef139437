"""Shows what a network dreams: writes a table into its model card, and a picture.

    python scripts/show_dreams.py --checkpoint=checkpoints/gm --input=tests/data/loop_amen.flac

    python scripts/show_dreams.py --checkpoint=checkpoints/mtt --classes=sitar,opera,choir,techno

It uses the real command. Noise dreams towards classes in both domains, by large steps; the table
has the probability of the class on the spectrogram and on the written sound. Then the input dreams
by a layer of each stage, as dreamsound does by default, and the picture shows these dreams side by
side.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.card import read_card, read_entries
from dreamsound_jax.outputs.gallery import draw_layers
from dreamsound_jax.run.clip_facts import scale_of
from dreamsound_jax.weights.checkpoint import write_cards
from studies.command import run_dreamsound
from studies.paths import define_path
from studies.report import describe_run

DOMAINS = ("mel", "sound")

_CHECKPOINT = define_path("checkpoint", None, "the folder of the network", required=True)
_CLASSES = flags.DEFINE_list("classes", None, "classes to dream towards; by default all")
_INPUT = define_path("input", "noise", "the input of the picture")
_LR = flags.DEFINE_float("lr", 0.04, "the size of a step towards a class", 0.0)
_NUM_ITERATIONS = flags.DEFINE_integer(
    "num_iterations", 40, "the number of steps towards a class, at each level", 1
)
_SMOOTHING = flags.DEFINE_float(
    "smoothing_coefficient", 1.0, "the smoothing of the steps towards a class", 0.0
)
_SEED = flags.DEFINE_integer("seed", 0, "the seed of all dreams", 0)


def main():
    folder = Path(_CHECKPOINT.value)
    card, entries = read_card(folder), read_entries(folder)
    names = _CLASSES.value or card.classes
    wanted = [(domain, name) for domain in DOMAINS for name in names]
    rows = [_measure_class(folder, *pair) for pair in tqdm(wanted, desc="classes", disable=None)]
    seed = f"--seed={_SEED.value}"
    dreamed = {
        layer: _dream(folder, f"--input={_INPUT.value}", f"--layers_to_use={layer}", seed)[1]
        for layer in tqdm(_last_relus(card.architecture), desc="layers", disable=None)
    }
    title = f"{Path(_INPUT.value).name}, dreamed by a layer of each stage of {entries['name']}"
    drawn = draw_layers(title, dreamed, scale_of(card.front_end))
    (folder / "layers.png").write_bytes(drawn)
    flags_used = " ".join(["--domain=DOMAIN --target_class=CLASS", *_list_flags()])
    run = describe_run()
    entries["dreams"] = {
        "flags": flags_used,
        "rows": rows,
        "command": run["command"],
        "date": run["date"],
    }
    write_cards(folder, entries)
    right = sum(row["heard_as"] == row["class"] for row in rows)
    print(f"{folder}: {right} of {len(rows)} written sounds are heard as the class they dream of")


def _last_relus(architecture):
    """Returns the last ReLU of each stage before the head."""
    stages = [
        [layer.name for layer in stage if layer.reach is not None] for stage in architecture.stages
    ]
    relus = [[name for name in stage if name.startswith("relu")] for stage in stages]
    return [names[-1] for names in relus if names]


def _list_flags():
    """Lists the flags of the dreams towards classes."""
    used = (_LR, _NUM_ITERATIONS, _SMOOTHING, _SEED)
    return [f"--{flag.name}={flag.value}" for flag in used]


def _measure_class(folder, domain, name):
    """Measures the probability of a class before and after noise dreams towards it."""
    wanted = (f"--domain={domain}", f"--target_class={name}")
    facts, _ = _dream(folder, "--input=noise", *wanted, *_list_flags())
    chances = facts["class_probabilities"]
    written = chances["written_sound"]
    return {
        "domain": domain,
        "class": name,
        "before": chances["before"][name],
        "spectrogram": chances["after"][name],
        "written": written[name],
        "heard_as": max(written, key=written.get),
    }


def _dream(folder, *options):
    """Runs dreamsound once; returns its .json, and its spectrograms (before, after, change)."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "dream"
        run_dreamsound(f"--checkpoint={folder}", *options, f"--output_dir={output}")
        (facts,) = [path for path in output.glob("*.json") if path.name != "params.json"]
        arrays = np.load(facts.with_suffix(".npz"))
        before, after = arrays["mel_db"]
        change = arrays["gain_db"] if "gain_db" in arrays else after - before
        return json.loads(facts.read_text()), (before, after, change)


if __name__ == "__main__":
    command_line.run(main, name="show_dreams", usage=__doc__, stopped="nothing was written")
