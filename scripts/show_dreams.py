"""Shows what a network dreams: a table in its model card, and a picture. Uses the real command.

    python scripts/show_dreams.py --checkpoint=checkpoints/gm --input=tests/data/loop_amen.flac

From noise it dreams towards each class, and writes down how sure the network is of the class, on
the spectrogram and again on the written sound. Then it dreams the input by a layer of each stage,
and draws the dreams side by side.
"""

import datetime
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from absl import app, flags
from tqdm import tqdm

from dreamsound_jax import mel, models
from dreamsound_jax.errors import UserError
from dreamsound_jax.publish import write_cards
from dreamsound_jax.report import layers_picture

LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")  # the last of each stage

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "the network's folder", required=True)
_INPUT = flags.DEFINE_string("input", "noise", "what the layers dream of, for the picture")
_LR = flags.DEFINE_float("lr", 0.04, "size of a step", 0.0)
_NUM_ITERATIONS = flags.DEFINE_integer("num_iterations", 20, "steps in each pass", 1)
_SEED = flags.DEFINE_integer("seed", 0, "of all dreams", 0)


def main(argv):
    try:
        if argv[1:]:
            raise UserError(f"unexpected arguments: {' '.join(argv[1:])}; options start with --")
        show(Path(_CHECKPOINT.value))
    except UserError as error:
        print(f"show_dreams: {error}", file=sys.stderr)
        return 2


def show(folder):
    """Dreams, and adds the table and the picture to the checkpoint in `folder`."""
    classes, entries = models.read_card(folder).classes, models.read_entries(folder)
    rows = [_row(name, folder) for name in tqdm(classes, desc="classes", disable=None)]
    dreamed = {layer: _dream(folder, _INPUT.value, layers_to_use=layer)[1] for layer in LAYERS}
    title = f"{Path(_INPUT.value).name}, dreamed by {entries['name']}: {_settings()}"
    drawn = layers_picture(title, dreamed, sample_rate=mel.SAMPLE_RATE, hop=mel.HOP)
    (folder / "layers.png").write_bytes(drawn)
    entries["dreams"] = {
        "input": "noise",
        "flags": f"--target_class=CLASS {_settings()}",
        "rows": rows,
        "command": shlex.join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
    }
    write_cards(folder, entries)
    right = sum(row["heard_as"] == row["class"] for row in rows)
    print(f"{folder}: {right} of {len(rows)} written sounds are heard as what they dream of")


def _settings():
    return f"--lr={_LR.value} --num_iterations={_NUM_ITERATIONS.value} --seed={_SEED.value}"


def _row(name, folder):
    """How sure the network is of a class, before and after dreaming towards it."""
    facts, _ = _dream(folder, "noise", target_class=name)
    chances = facts["class_probabilities"]
    written = chances["written_sound"]
    return {
        "class": name,
        "before": chances["before"][name],
        "spectrogram": chances["after"][name],
        "written": written[name],
        "heard_as": max(written, key=written.get),
    }


def _dream(folder, sound, **options):
    """Runs `dreamsound` once; what its .json says, and its spectrograms (2, bands, frames)."""
    named = [f"--{name}={value}" for name, value in options.items()]
    with tempfile.TemporaryDirectory() as place:
        output = Path(place) / "dream"
        command = [sys.executable, "-m", "dreamsound_jax", f"--checkpoint={folder}"]
        command += [f"--input={sound}", f"--output_dir={output}", *_settings().split(), *named]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise UserError(f"{shlex.join(command)} failed: {run.stderr.strip()}")
        (facts,) = [path for path in output.glob("*.json") if path.name != "params.json"]
        return json.loads(facts.read_text()), np.load(facts.with_suffix(".npz"))["mel_db"]


if __name__ == "__main__":
    app.run(main)
