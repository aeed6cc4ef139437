"""Shows what a network dreams: a table in its model card, and a picture. Uses the real command.

    python scripts/show_dreams.py --checkpoint=checkpoints/gm --input=tests/data/loop_amen.flac

From noise it dreams towards each class, far, in both domains, and writes down how sure the network
is of the class, on the spectrogram and again on the written sound. Then it dreams the input by a
layer of each stage, as `dreamsound` does without further flags, and draws the dreams side by side.
"""

import datetime
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import flags
from tqdm import tqdm

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.networks.card import read_card, read_entries
from dreamsound_jax.outputs.gallery import draw_layers
from dreamsound_jax.run.scale import SCALE
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.weights.checkpoint import write_cards

DOMAINS = ("mel", "sound")
LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")  # the last of each stage

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "the network's folder", required=True)
_INPUT = flags.DEFINE_string("input", "noise", "what the layers dream of, for the picture")
_LR = flags.DEFINE_float("lr", 0.04, "towards classes: size of a step", 0.0)
_NUM_ITERATIONS = flags.DEFINE_integer("num_iterations", 40, "towards classes: steps a pass", 1)
_SMOOTHING = flags.DEFINE_float("smoothing_coefficient", 1.0, "towards classes: blur", 0.0)
_SEED = flags.DEFINE_integer("seed", 0, "of all dreams", 0)


def main():
    show(Path(_CHECKPOINT.value))


def show(folder):
    """Dreams, and adds the table and the picture to the checkpoint in `folder`."""
    classes, entries = read_card(folder).classes, read_entries(folder)
    wanted = [(domain, name) for domain in DOMAINS for name in classes]
    rows = [_row(folder, *pair) for pair in tqdm(wanted, desc="classes", disable=None)]
    seed = f"--seed={_SEED.value}"
    dreamed = {
        layer: _dream(folder, f"--input={_INPUT.value}", f"--layers_to_use={layer}", seed)[1]
        for layer in tqdm(LAYERS, desc="layers", disable=None)
    }
    title = f"{Path(_INPUT.value).name}, dreamed by a layer of each stage of {entries['name']}"
    drawn = draw_layers(title, dreamed, SCALE)
    (folder / "layers.png").write_bytes(drawn)
    flags_used = " ".join(["--domain=DOMAIN --target_class=CLASS", *_towards()])
    command, today = shlex.join(["python", *sys.argv]), datetime.date.today().isoformat()
    entries["dreams"] = {"flags": flags_used, "rows": rows, "command": command, "date": today}
    write_cards(folder, entries)
    right = sum(row["heard_as"] == row["class"] for row in rows)
    print(f"{folder}: {right} of {len(rows)} written sounds are heard as what they dream of")


def _towards():
    """The flags with which the table is made."""
    used = (_LR, _NUM_ITERATIONS, _SMOOTHING, _SEED)
    return [f"--{flag.name}={flag.value}" for flag in used]


def _row(folder, domain, name):
    """How sure the network is of a class, before and after noise has dreamed towards it."""
    wanted = (f"--domain={domain}", f"--target_class={name}")
    facts, _ = _dream(folder, "--input=noise", *wanted, *_towards())
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
    """Runs `dreamsound` once; what its .json says, and its spectrograms: before, after, change."""
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "dream"
        command = [sys.executable, "-m", "dreamsound_jax", f"--checkpoint={folder}", *options]
        command.append(f"--output_dir={output}")
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise UserError(f"{shlex.join(command)} failed: {run.stderr.strip()}")
        (facts,) = [path for path in output.glob("*.json") if path.name != "params.json"]
        arrays = np.load(facts.with_suffix(".npz"))
        before, after = arrays["mel_db"]
        change = arrays["gain_db"] if "gain_db" in arrays else after - before
        return json.loads(facts.read_text()), (before, after, change)


if __name__ == "__main__":
    command_line.run(main, name="show_dreams", usage=__doc__, stopped="nothing was written")
