"""Each family of networks dreams in each domain and in each way, by the real command line.

Beside the included networks there are a small one of PANNs', and a small VGG19 of PyTorch that
hears 64 mel bands at 16 kHz, converted by the command.
"""

import dataclasses
import itertools
import json
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from dreamsound_jax.networks.card import Card, read_card, read_entries
from dreamsound_jax.networks.loading import weight_shapes
from dreamsound_jax.spectral.front_end import FrontEnd
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.shipped import model_names, shipped
from dreamsound_jax.weights.checkpoint import write_checkpoint
from dreamsound_jax.weights.first_hearing import check_hearing, hear_reference
from dreamsound_jax.weights.model_card import render_model_card
from tests.helpers.commands import dream
from tests.helpers.tiny import CARD, random_weights
from tests.helpers.torch_files import vgg19_arrays, write_pth

LAYERS = {
    "gm": "relu3_4",
    "mtt": "relu3",
    "msd": "relu3",
    "panns": "relu2_2",
    "elsewhere": "relu3_4",
}
CLASSES = {
    "gm": "organ",
    "mtt": "sitar",
    "msd": "jazz",
    "panns": "class_1",
    "elsewhere": "class_3",
}
QUICK, QUICKEST = (
    (f"--num_iterations={steps}", f"--pyramid_size={steps}", "--noplots", "--seed=1")
    for steps in (2, 1)
)
WAYS = {
    "single": ("drums",),
    "class": ("drums",),
    "ouroboros": ("drums", "--create_ouroboros", "--ouroboros_length=2"),
    "batch": ("noise", "--num_clips=3", "--batch_size=2"),
    "long": ("long.wav",),
}
# In one small step on noise, the inversion takes more from random weights than the step gives.
MORE = {("panns", "long"): ("--lr=0.3",)}
# Longer than twice the windows in which any of the networks hears long sounds.
LONG_SECONDS = 170
# Long sounds are divided by the architecture, which `gm` and `mtt` share with these.
LIKE_OTHERS = {"msd", "elsewhere"}
# The other cases take minutes.
ALWAYS = {("msd", "single"), ("panns", "class")}
SCRIPT = Path(__file__).parents[2] / "scripts/convert_weights.py"


def cases():
    """Each network in each way, in either domain: all pairs of these three, not all triples."""
    for (row, model), (column, way) in itertools.product(enumerate(LAYERS), enumerate(WAYS)):
        domain = ("mel", "sound")[(row + column) % 2]
        if way == "long" and model in LIKE_OTHERS:
            continue
        is_slow = (model, way) not in ALWAYS
        yield pytest.param(model, domain, way, marks=pytest.mark.slow if is_slow else ())


@pytest.fixture(scope="module")
def small_networks(tmp_path_factory):
    """Finds the checkpoint of a network that is not included, and writes it when first asked."""
    folder, written = tmp_path_factory.mktemp("networks"), {}

    def find(name):
        if name not in written:
            write = {"panns": write_panns, "elsewhere": convert_elsewhere}[name]
            written[name] = write(folder / name)
        return written[name]

    return find


def write_panns(folder):
    """Writes a network with PANNs' front end and classes that do not exclude each other."""
    front_end = FrontEnd(32000, 1024, 320, 64, 50, 14000, top_db=300, mean=-30, std=16)
    front_end = dataclasses.replace(front_end, pad_mode="reflect")
    size = {"channels": [4, 6, 8], "pools": 3}
    card = Card("panns", ("class_0", "class_1", "class_2"), front_end, "panns", size)
    weights = jax.tree.map(np.float32, random_weights(card))
    # As trained networks do, it hears contrasts: random kernels hear little but the level, which a
    # dream at constant power cannot raise.
    kernel = weights["conv1_1"]["kernel"]
    kernel -= kernel.mean(axis=(0, 1))
    weights["input"] = {"scale": np.ones(64, np.float32), "shift": np.zeros(64, np.float32)}
    entries = card.entries() | {"description": "A network with random weights."}
    write_checkpoint(folder, weights.items(), entries, size=10**6)
    return folder


def convert_elsewhere(folder):
    """Converts a file of PyTorch as a user does."""
    path = write_pth(folder.with_suffix(".pth"), vgg19_arrays(weight_shapes(CARD)))
    flags = ["--model=elsewhere", f"--pth={path}", f"--output={folder}", "--classes=6"]
    flags += ["--mean=-24", "--std=17", *(f"--{key}={size}" for key, size in CARD.size.items())]
    flags += ["--front_end=sample_rate=16000,n_fft=1024,hop=320,n_mels=64,f_min=50,compression=db"]
    subprocess.run([sys.executable, SCRIPT, *flags], check=True, timeout=200)
    return folder


@pytest.mark.parametrize(("model", "domain", "way"), [*cases()])
def test_every_network_dreams_in_every_way(model, domain, way, small_networks, tmp_path):
    if way == "long":
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, LONG_SECONDS * 16000)
        soundfile.write(tmp_path / "long.wav", sound, 16000)
    raised = f"--layers_to_use={LAYERS[model]}"
    if way == "class":
        raised = f"--target_class={CLASSES[model]}"
    is_shipped = (shipped("checkpoints") / model).exists()
    network = f"--model={model}" if is_shipped else f"--checkpoint={small_networks(model)}"
    out = tmp_path / "out"
    flags = (*WAYS[way], *(QUICKEST if way == "long" else QUICK), *MORE.get((model, way), ()))
    flags += (network, f"--domain={domain}", raised)
    dream(*flags, f"--output_dir={out}", cwd=tmp_path)
    facts = [json.loads(file.read_text()) for file in sorted(out.glob("0*.json"))]
    assert len(facts) == (3 if way == "batch" else 1)
    for each in facts:
        sound, rate = soundfile.read(out / f"{each['number']:05d}-{WAYS[way][0].split('.')[0]}.wav")
        assert rate == each["sample_rate"]
        assert np.isfinite(sound).all() and 0.01 < np.abs(sound).max() < 1
        # In later rounds, an ouroboros turns away from what it has heard.
        objective = each.get("rounds", [each])[0]["objective"]
        assert objective["last"] > objective["first"]


@pytest.mark.parametrize("model", ["gm", "mtt", "msd"])
def test_an_included_network_hears_what_its_card_says(model):
    folder = shipped("checkpoints") / model
    entries, heard = read_entries(folder), hear_reference(folder)
    check_hearing(heard, entries)
    others = {"heard_in_drums": list(heard)[-1:]}
    with pytest.raises(UserError, match="in drums, and hears"):
        check_hearing(heard, others)


@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_a_licence_lies_beside_the_weights_of_others(model):
    assert "Permission to use" in (shipped("checkpoints") / model / "LICENSE").read_text()


@pytest.mark.parametrize("model", model_names())
def test_the_page_beside_each_card_lists_its_layers_shallow_to_deep(model):
    folder = shipped("checkpoints") / model
    entries, page = read_entries(folder), (folder / "README.md").read_text()
    assert page == render_model_card(entries)
    table = page.partition("## Layers")[2].partition("\n## ")[0]
    rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| `")]
    listed = [name.strip("|` ") for row in rows for name in row[0].split(", ")]
    assert listed == list(read_card(folder).architecture.layers)
    assert rows[-1][1].strip("| ") == "the whole sound"
    for name, dreams in entries.get("layers", {}).items():
        assert f"`{name}`: {dreams}" in table
