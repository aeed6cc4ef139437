"""The dreams that are timed, which are the same for this project and for its peers."""

import functools
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from dreamsound_jax.domains.domain import Domain
from dreamsound_jax.dreaming.batch import DreamedBatch, dream_batch
from dreamsound_jax.dreaming.dream import dream_clips, prepare_network, respond
from dreamsound_jax.dreaming.program import ClipSettings, Program
from dreamsound_jax.networks.card import Card
from dreamsound_jax.networks.loading import Model, build_network, weight_shapes
from dreamsound_jax.networks.vgg19 import HIDDEN
from dreamsound_jax.objectives import Objective
from dreamsound_jax.run.batches import place_clips, place_settings
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import Source, read_source
from dreamsound_jax.spectral.front_end import FrontEnd

# The options that apply to a benchmark.
OPTIONS = ("clip_length", "num_iterations", "pyramid_size", "lr", "seed")
# The mean and the deviation are near those of the reference's training sets, in dB.
FRONT_END = FrontEnd(mean=-24.0, std=17.0)
# As many as UrbanSounds8k has.
CLASSES = tuple(f"class {index}" for index in range(10))


class Context(NamedTuple):
    """How a benchmark is run.

    Attributes:
      options: of the dreams; each part chooses its layer and its domain.
      peak: the FLOPs a second of a large matrix product in float32.
      width: of the networks with random weights; 1.0 is VGG19.
      rounds: how often each thing is timed, after a first time that is not counted.
      batch_sizes: numbers of clips that are dreamed at once, from small to large.
      layers: those that are dreamed by; parts that need one layer take the first.
      torch_compile: whether torch.compile is tried, which takes minutes.
      max_batch: the largest batch of the part `accelerator`; None means until memory is full.
      against: another checkout, with whose start times this one's are compared; None for none.
    """

    options: Options
    peak: float
    width: float = 1.0
    rounds: int = 3
    batch_sizes: tuple[int, ...] = (1, 4)
    layers: tuple[str, ...] = ("relu5_4", "relu3_4", "relu1_1", "output")
    torch_compile: bool = True
    max_batch: int | None = None
    against: str | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """The (mel bands, frames) of a clip."""
        return (FRONT_END.n_mels, FRONT_END.frame_count(self.options.clip_length))


class Task(NamedTuple):
    """A batch of clips of noise that are to be dreamed by one layer.

    Attributes:
      model: the network and its card.
      sources: the clips as a run reads them.
      clips: a domain whose leaves have a leading axis of clips.
      settings: of each clip; they differ in their rolls and their classes.
    """

    model: Model
    sources: list[Source]
    clips: Domain
    settings: ClipSettings

    @property
    def program(self) -> Program:
        """What the compiled programs depend on."""
        return self.sources[0].plan.program()

    @property
    def size(self) -> int:
        """The number of clips."""
        return len(self.sources)

    @property
    def level_shapes(self) -> list[tuple[int, int]]:
        """The shapes of the levels of the pyramid, from small to large."""
        architecture = self.model.card.architecture
        return self.program.level_shapes(self.clips.spectrogram.shape[1:], architecture)


@functools.lru_cache(maxsize=2)
def make_model(width: float, dtype: str = "float32") -> Model:
    """Returns a VGG19 with random He-normal weights: those of float32, rounded to `dtype`."""
    size = {"width": width, "hidden": max(1, round(HIDDEN * width))}
    card, rng = Card("random", CLASSES, FRONT_END, size=size), np.random.default_rng(0)

    def draw(leaf):
        scale = np.sqrt(2 / np.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0
        return np.float32(scale) * rng.standard_normal(leaf.shape, np.float32)

    weights = jax.tree.map(draw, weight_shapes(card))
    return Model(card, build_network(card, weights, dtype=jnp.dtype(dtype)))


def make_task(
    model: Model,
    options: Options,
    *,
    layer: str,
    size: int,
    domain: str = "mel",
    objective: Objective | None = None,
) -> Task:
    """Returns the task of `size` clips; UserError if they are too short for the pyramid.

    An objective takes the place of that of the layer.
    """
    options = replace(options, layers_to_use=(layer,), domain=domain, num_clips=size)
    plan = resolve(options, model.card, objective=objective)
    sources = [read_source(job) for job in list_jobs(["noise"], plan)]
    clips, _ = place_clips(sources)
    return Task(model, sources, clips, place_settings(sources))


def dream_parameters(task: Task) -> jax.Array:
    """Dreams without analysis and rendering: (clips, mel bands, frames), standardised."""
    return dream_clips(task.model.network, task.clips, task.settings, program=task.program)[0]


def dream_sounds(task: Task) -> DreamedBatch:
    """Dreams as a run does: analysis, dream, rendering, and class probabilities."""
    clips, input_db = place_clips(task.sources)
    return dream_batch(task.model, clips, task.settings, input_db=input_db, program=task.program)


@functools.partial(jax.jit, static_argnames="program")
def respond_to_clips(network, spectrograms, settings, *, program: Program):
    """Applies `respond` to a batch: the objectives and their gradients."""
    of_clip = jax.value_and_grad(functools.partial(respond, program=program), argnums=1)
    return jax.vmap(of_clip, (None, 0, 0))(network, spectrograms, settings)


def count_flops(function, *arguments, **static) -> float:
    """Returns the FLOPs of a jitted function as XLA counts them; the body of a loop counts once.

    They are counted before XLA optimises the program, because afterwards convolutions may be calls
    of libraries, in which XLA cannot count; and for the CPU, because for other devices JAX counts
    only afterwards.
    """
    shapes = jax.eval_shape(lambda *arguments: arguments, *arguments)
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        return function.lower(*shapes, **static).cost_analysis()["flops"]


def count_gradient(task: Task, shape: tuple[int, int]) -> float:
    """Returns the FLOPs of the gradients of a batch of spectrograms of `shape`."""
    prepare = functools.partial(prepare_network, shape=shape, program=task.program)
    network = jax.eval_shape(prepare, task.model.network)
    like = jax.ShapeDtypeStruct((task.size, *shape), task.clips.spectrogram.dtype)
    return count_flops(respond_to_clips, network, like, task.settings, program=task.program)


def count_dream(task: Task) -> float:
    """Returns the FLOPs of the gradients of a dream, over all levels and steps."""
    return task.program.num_iterations * sum(count_gradient(task, s) for s in task.level_shapes)
