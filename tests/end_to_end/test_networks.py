"""Each included network dreams in each domain and in each way, by the real command line."""

import itertools
import json

import numpy as np
import pytest
import soundfile

from dreamsound_jax.networks.card import read_card
from dreamsound_jax.system.shipped import shipped
from tests.helpers.commands import dream

LAYERS = {"gm": "relu3_4", "mtt": "relu3", "msd": "relu3"}
CLASSES = {"gm": "organ", "mtt": "sitar", "msd": "jazz"}
QUICK = ("--num_iterations=2", "--pyramid_size=2", "--noplots", "--seed=1")
WAYS = {
    "single": ("drums",),
    "class": ("drums",),
    "ouroboros": ("drums", "--create_ouroboros", "--ouroboros_length=2"),
    "batch": ("noise", "--num_clips=3", "--batch_size=2"),
    "long": ("long.wav", "--num_iterations=1", "--pyramid_size=1"),
}
# The other combinations take minutes.
ALWAYS = {("msd", "mel", "single")}


def cases():
    for case in itertools.product(LAYERS, ("sound", "mel"), WAYS):
        yield pytest.param(*case, marks=() if case in ALWAYS else pytest.mark.slow)


@pytest.mark.parametrize(("model", "domain", "way"), [*cases()])
def test_every_network_dreams_in_every_way(model, domain, way, tmp_path):
    if way == "long":
        # Longer than twice the windows in which long sounds are heard.
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, 140 * 16000)
        soundfile.write(tmp_path / "long.wav", sound, 16000)
    raised = f"--layers_to_use={LAYERS[model]}"
    if way == "class":
        raised = f"--target_class={CLASSES[model]}"
    out = tmp_path / "out"
    flags = (*QUICK, *WAYS[way], f"--model={model}", f"--domain={domain}", raised)
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


@pytest.mark.parametrize("model", ["mtt", "msd"])
def test_cards_of_converted_networks_say_what_they_must_hear(model):
    folder = shipped("checkpoints") / model
    entries = json.loads((folder / "card.json").read_text())
    assert len(entries["heard_in_drums"]) == 3
    assert {*entries["heard_in_drums"]} <= {*read_card(folder).classes}
    assert "Permission to use" in (folder / "LICENSE").read_text()
