"""What was asked for: the flags of `dreamsound` as one value, and whether they make sense."""

import math
from dataclasses import dataclass, fields

import jax.numpy as jnp

from dreamsound_jax.dreaming import optimizers
from dreamsound_jax.dreaming.dream import Settings
from dreamsound_jax.networks.vgg19 import LAYERS, stage_of
from dreamsound_jax.objectives.combine import CLASS_LAYER
from dreamsound_jax.spectral import mel, transforms
from dreamsound_jax.spectral.transforms import TRANSFORMS
from dreamsound_jax.system.errors import UserError, nearest_or_fail

ITERATE = "iterate"
# What a compiled program takes as data: clips that differ in these alone share one.
DATA = ("lr", "smoothing_coefficient", "detail_factor", "gain_range", "seed", "sine_freq")
DATA += ("target_class", "target_class_index", "clip_length", "optimizer_state")
DATA += ("smooth_gradient", "standardise_gradient", *optimizers.HYPER)
# What is of a run, not of a clip.
OF_RUN = ("input", "num_clips", "sweep", "output_dir", "model", "checkpoint", "create_ouroboros")
OF_RUN += ("sample_rate", "lengths", "batch_size", "precision", "plots", "save_every")


@dataclass(frozen=True)
class Options:
    """What was asked for: the flags of `dreamsound`, by name."""

    input: list[str]
    num_clips: int | None
    sweep: list[tuple]
    lengths: str
    domain: str
    gain_range: float
    clip_length: int
    sine_freq: float
    sample_rate: int
    output_dir: str | None
    model: str
    checkpoint: str | None
    layers_to_use: list[str]
    target_class: str | None
    target_class_index: int
    class_objective: str
    pyramid_size: int
    pyramid_ratio: float
    replace_detail: bool
    detail_factor: float
    pyramid_roll: int
    num_iterations: int
    lr: float
    smoothing_coefficient: float
    optimizer: str
    momentum: float | None
    b1: float | None
    b2: float | None
    eps: float | None
    weight_decay: float | None
    optimizer_state: str
    smooth_gradient: bool
    standardise_gradient: bool
    create_ouroboros: bool
    ouroboros_length: int
    ouroboros_transform: list[str]
    ouroboros_stretch: float
    ouroboros_sr_offset: int
    ouroboros_semitones: float
    ouroboros_roll: float
    ouroboros_bands: float
    crossfade: bool
    stabilise: bool
    stop_overcooked: float
    save_every: float
    seed: int | None
    batch_size: int
    precision: str
    plots: bool
    loudness: str

    @property
    def iterates(self):
        """Whether each round of the ouroboros dreams by another layer."""
        return self.layers_to_use == [ITERATE]

    @property
    def dreams_of_class(self):
        """Whether a class is part of the objective, in some round at least."""
        return self.iterates or CLASS_LAYER in self.layers_to_use

    def wanted_class(self, card):
        """The index of the class that was asked for, or None; UserError if there is none such."""
        if self.target_class is not None:
            return card.class_index(self.target_class)
        if self.target_class_index == -1 or not self.dreams_of_class:
            return None
        return card.class_index(self.target_class_index)

    def program(self):
        """What a compiled dream depends on, but for the shape of the clips; hashable."""
        data = DATA if self.create_ouroboros else (*DATA, "pyramid_roll")
        return tuple(str(value) for name, value in vars(self).items() if name not in data)

    def layers(self, number=0):
        """The layers that round `number` dreams by: with `iterate`, one after the other from the
        last to the first, and then again from the last.
        """
        if self.iterates:
            return (LAYERS[-1 - number % len(LAYERS)],)
        return tuple(self.layers_to_use)

    def settings(self, number=0):
        """The part that the compiled dream of round `number` depends on.

        With `iterate` that is a program for all layers of a stage of the network; which of them
        counts is data. So there are as many programs as stages, not as layers.
        """
        layers = self.layers(number)
        return Settings(
            layers=stage_of(*layers) if self.iterates else layers,
            class_objective=self.class_objective,
            pyramid_size=self.pyramid_size,
            pyramid_ratio=self.pyramid_ratio,
            replace_detail=self.replace_detail,
            num_iterations=self.num_iterations,
            optimizers=(self.optimizer,),
        )

    def chain(self):
        """The transforms between two rounds, as `transforms.apply` takes them."""
        names = [name for name in self.ouroboros_transform if name != "none"]
        return tuple((name, getattr(self, TRANSFORMS[name].flag)) for name in names)

    def dtype(self):
        """Of spectrograms and sounds; the network's own may be narrower."""
        return jnp.float64 if self.precision == "float64" else jnp.float32


SWEPT = tuple(field.name for field in fields(Options) if field.name not in OF_RUN)


def check(options):
    """Raises UserError for what is wrong whatever the clips are."""
    for flag in ("input", "layers_to_use"):
        if not getattr(options, flag):
            raise UserError(f"--{flag} is empty; without the flag, its default is taken")
    if options.target_class and options.target_class_index != -1:
        raise UserError(
            f"--target_class={options.target_class} and --target_class_index="
            f"{options.target_class_index}: give one of them"
        )
    _check_layers(options)
    optimizers.check(options)
    if options.lengths != "exact" and options.create_ouroboros:
        raise UserError("--lengths=buckets: with --create_ouroboros, accepted is exact")
    for field, value in vars(options).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{field}={value}: accepted are finite numbers")
    if options.sample_rate != mel.SAMPLE_RATE:
        raise UserError(
            f"--sample_rate={options.sample_rate}: the networks hear {mel.SAMPLE_RATE} Hz and no "
            "other rate; files of any rate are converted to it"
        )
    if options.create_ouroboros:
        _check_ouroboros(options)


def _check_layers(options):
    if options.iterates and not options.create_ouroboros:
        raise UserError(
            f"--layers_to_use={ITERATE} takes another layer in each round of an ouroboros: give "
            "--create_ouroboros, too, or name layers"
        )
    for layer in options.layers_to_use:
        if layer == ITERATE and not options.iterates:
            raise UserError(f"--layers_to_use: {ITERATE} stands alone, without other layers")
        if not options.iterates:
            nearest_or_fail("layer", layer, LAYERS)


def _check_ouroboros(options):
    names = options.ouroboros_transform
    for name in names:
        nearest_or_fail("transform", name, ("none", *TRANSFORMS))
    if not names or (len(names) > 1 and "none" in names):
        given = ",".join(names)
        raise UserError(f"--ouroboros_transform={given}: accepted are none, or others without it")
    transforms.check(options.chain())
