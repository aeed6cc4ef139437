"""The options in the section "What to dream of" of the help."""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.defaults import describe_defaults
from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class WhatToDreamOf:
    """Presets, networks, layers, classes and objectives."""

    TITLE: ClassVar = "What to dream of"

    preset: str | None = option(
        None,
        "Name of a preset, which sets other flags; --list_presets describes all of them. Flags "
        "that are given as well win.",
        role="program",
    )
    preview: bool = option(
        False,
        "Dream on the loudest five seconds of each input with every preset, to compare them on one "
        "page, which has the command for the whole input beside each. An ouroboros has 3 rounds. "
        "Flags that are given as well win; --sweep=preset=hits,swells tries only some presets.",
        role="run",
    )
    model: str = option(
        "gm", "Name of the network; --list_models shows all of them.", role="program"
    )
    checkpoint: str | None = option(
        None, "Folder of a trained or converted network, instead of --model.", role="run"
    )
    layers_to_use: tuple[str, ...] | None = option(
        None,
        "Layers whose response is strengthened, separated by commas. By default "
        f"{describe_defaults('layer')} of the network gm, that of the model card for others, and "
        "output if a target class is named. Shallow layers respond to texture "
        "(conv1_1), deeper ones to notes and hits (relu3_4), and the deepest (relu5_4) also change "
        "the tone colour; output responds to a class. In an ouroboros, iterate dreams with another "
        "layer in each round, from output back to conv1_1. --list_models shows the layers of each "
        "network.",
        role="program",
    )
    target_class: str | None = option(
        None,
        "Name of the class to dream towards, such as organ; many other words are understood, such "
        "as flute. Uses the layer output unless --layers_to_use is given.",
        role="data",
    )
    target_class_index: int = option(
        -1,
        "Index of the class to dream towards, which uses the layer output, as --target_class does. "
        "With --layers_to_use=output, -1 draws a class for each clip.",
        role="data",
        at_least=-1,
    )
    class_objective: str = option(
        "towards",
        "towards: raise the probability of the class. away: lower it, as the original DreamSound "
        "does.",
        role="data",
        choices=("towards", "away"),
    )
    objective: str | None = option(
        None,
        "What is raised, as a sum of terms, such as 'channel(relu3_4, 17) + 0.5*guide(relu4_4, "
        "birds.wav) - 0.1*total_variation()', in place of --layers_to_use and --target_class. "
        "The name of a layer or a class alone is a term, too. Terms: layer, channel, neuron, "
        "direction, probability, logit, margin, guide, features, diversity, total_variation, "
        "stay_near, keep_spectrum; docs/objectives.md explains them. "
        "With a range, as in channel(relu3_4, 0:64), there is one clip for each number.",
        role="program",
    )
    interpolate: str | None = option(
        None,
        "Objectives that fade into each other, with > between them, such as 'relu2_2 > relu5_4' or "
        "'organ > pipe', or of terms as in --objective, in whose place it stands. They fade along "
        "the clip, or in an ouroboros from round to round. The gradient of each counts as much as "
        "its share says, whatever its size. "
        "With --loop, the last also fades into the first along the clip.",
        role="program",
    )
