"""Measures whether ouroboroses keep moving, hold their levels and still dream; prints two tables.

    python scripts/measure_movement.py

Noise, a sine and recordings dream of themselves by the default model and one layer, with
--stabilise.
docs/ouroboros_measured.md has the tables, and says what the columns mean.
"""

from pathlib import Path

import numpy as np
from absl import flags

import dreamsound_jax as ds
from dreamsound_jax.audio import generated
from dreamsound_jax.audio.files import read_sound
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming.keys import draw_keys
from studies import report
from studies.ouroboros.movement import format_movement, make_listener, measure_movement
from studies.paths import define_paths

RATE = 22050
NAMES = ("ambi_choir", "guit_em9", "loop_amen", "loop_mehackit1", "misc_crow")

_RECORDINGS = define_paths(
    "recordings", [f"tests/data/{name}.flac" for name in NAMES], "the recordings"
)
_LENGTH = flags.DEFINE_integer("ouroboros_length", 100, "the number of rounds", 2)
_SECONDS = flags.DEFINE_float("seconds", 1.0, "the length of each clip", 0.2)
_DOMAINS = flags.DEFINE_list("domains", ["sound", "mel"], "the domains")
_LAYER = flags.DEFINE_string("layer", "relu3_4", "the layer that dreams")
_LR = flags.DEFINE_float("lr", None, "the learning rate; by default that of the domain", 0.0)


def main():
    model, sounds = ds.load_model(), _read_sounds(round(_SECONDS.value * RATE))
    listen = make_listener(model, _LAYER.value)
    courses = {}
    for domain in _DOMAINS.value:
        made = ds.ouroboros(
            [*sounds.values()],
            RATE,
            model,
            domain=domain,
            layers_to_use=(_LAYER.value,),
            lr=_LR.value,
            ouroboros_length=_LENGTH.value,
            seed=0,
        )
        for name, each in zip(sounds, made):
            courses[domain, name] = measure_movement(each, listen)
    facts = report.describe_run()
    print(f"`{facts['command']}`, {facts['date']}, {facts['device']}.\n")
    print(format_movement(courses))


def _read_sounds(samples):
    """Returns {name: sound} of `samples` samples each: recordings are repeated or cut."""
    sounds = {
        "noise": generated.noise(draw_keys(0, 0).noise, samples=samples),
        "sine": generated.sine(samples=samples, frequency=250, sample_rate=RATE),
    }
    recordings = {Path(path).stem: read_sound(path, sample_rate=RATE) for path in _RECORDINGS.value}
    return sounds | {name: np.resize(sound, samples) for name, sound in recordings.items()}


if __name__ == "__main__":
    command_line.run(main, name="measure_movement", usage=__doc__, stopped="nothing was written")
