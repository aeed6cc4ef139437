"""Whether the activations of a step are kept for its gradient, or computed again."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.dreams import Context, make_model
from benchmarks.results import Spread, Table, compare_pairs, time_in_turns
from dreamsound_jax.networks.network import Architecture

HEADS = ["activations", "seconds", "times as long", "memory (MiB)", "times as much"]
NOTES = (
    "A gradient of the objective with respect to the spectrograms. Memory is what the compiled "
    "program needs besides its arguments and its result.",
)


def compare_rematerialisation(context: Context, dtype: str, size: int) -> Table:
    """Returns the table of ways to treat activations, for `size` clips at once."""
    network = make_model(context.width, dtype).network
    images = jax.random.normal(jax.random.key(0), (size, *context.shape), jnp.float32)
    programs = {
        name: _compile(respond, network, images, context.layers[0])
        for name, respond in WAYS.items()
    }
    functions = {n: functools.partial(program, network, images) for n, program in programs.items()}
    seconds = time_in_turns(functions, rounds=context.rounds)
    memory = {n: p.memory_analysis().temp_size_in_bytes / 2**20 for n, p in programs.items()}
    kept, *_ = WAYS
    rows = []
    for name in WAYS:
        slower = compare_pairs(seconds[name], seconds[kept])
        more = memory[name] / memory[kept]
        rows.append([name, Spread.of(seconds[name]), slower, memory[name], more])
    return Table(f"Activations of a step of {size} clips in {dtype}", HEADS, rows, NOTES)


def _compile(respond, network, images, layer):
    def take_gradients(network, images):
        return jax.vmap(jax.grad(lambda image: respond(network, image, layer)))(images)

    return jax.jit(take_gradients).lower(network, images).compile()


def respond_keeping(network, image, layer):
    """Returns the mean squared activation of `layer` for (mel bands, frames)."""
    return jnp.square(network.activations(image, (layer,))[layer]).mean()


def respond_keeping_nothing(network, image, layer):
    """Returns the same; no activation is kept for the gradient."""
    return jax.checkpoint(lambda image: respond_keeping(network, image, layer))(image)


def respond_keeping_stages(network, image, layer):
    """Returns the same; only the last activation of each stage of the network is kept."""
    first, *others = list_stage_ends(network.architecture, layer)
    x = jax.checkpoint(lambda image: network.activations(image, (first,))[first])(image)
    for last, name in zip([first, *others], others):
        of_stage = functools.partial(network.activations_after, last, layers=(name,))
        x = jax.checkpoint(of_stage)(x)[name]
    return jnp.square(x).mean()


def list_stage_ends(architecture: Architecture, layer: str) -> list[str]:
    """Returns the last layer of each stage before that of `layer`, and `layer`."""
    own = architecture.stage_of(layer)
    stages = [tuple(each.name for each in stage) for stage in architecture.stages]
    return [*(stage[-1] for stage in stages[: stages.index(own)]), layer]


WAYS = {
    "kept, as here": respond_keeping,
    "all computed again": respond_keeping_nothing,
    "each stage computed again": respond_keeping_stages,
}
