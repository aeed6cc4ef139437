"""Part `peers`: the dream alone, compiled before, against PyTorch as the 2021 reference uses it and
against PyTorch at its best. All dream the same clips by the same weights, and take turns.
"""

import functools
import importlib.util

import jax
import numpy as np

from benchmarks.dreams import (
    Context,
    Task,
    count_dream,
    dream_parameters,
    make_model,
    make_task,
    respond_to_clips,
)
from benchmarks.results import Spread, Table, compare_pairs, time_in_turns
from dreamsound_jax.spectral.interpolate import resize_nearest
from dreamsound_jax.system.errors import UserError

OURS, REFERENCE, BEST = "this project", "the reference's way", "PyTorch at its best"
COLUMNS = ["layer", "clips in a batch", f"{OURS} (s/clip)"]
COLUMNS += [f"{REFERENCE} (s/clip)", "times as fast", f"{BEST} (s/clip)", "times as fast"]
COLUMNS += ["limit (s/clip)", "share of the limit"]
NOTES = (
    "The reference's way: eager, clip by clip, through the whole network, with gradients of all "
    "weights that the layer depends on. It is measured once for each layer.",
    "The limit: the FLOPs of this project's gradients, as XLA counts them, at the speed of a large "
    "matrix product in float32.",
)
# The largest accepted median difference of gradients, relative to their mean absolute value.
GRADIENT_LIMIT = 1e-3


class DisagreementError(Exception):
    """A peer computes something else than this project, so its speed says nothing."""


def measure(context: Context) -> Table:
    """Returns the table of this part.

    Raises:
      UserError: the clips are too short for the reference.
      DisagreementError: a peer does not compute the same gradient.
    """
    torch_peer, missing = _import_peer()
    rows, ways = [], []
    for layer in context.layers:
        found = _measure_layer(context, layer, torch_peer)
        rows, ways = rows + found[0], ways + found[1]
    how = missing or f"{BEST} ran in the fastest way found: {'; '.join(ways)}."
    options, (bands, frames) = context.options, context.shape
    title = (
        f"A dream of {bands} x {frames} cells: {options.pyramid_size} levels of "
        f"{options.num_iterations} steps, VGG19 of {context.width:g} times its width"
    )
    return Table(title, COLUMNS, rows, (*NOTES, how))


def _import_peer():
    """Returns (the module `torch_peer`, None), or (None, why PyTorch is not compared)."""
    if not importlib.util.find_spec("torch"):
        return None, "PyTorch is not installed here: `pip install torch`."
    from benchmarks import torch_peer

    why = torch_peer.why_not_here()
    return (None, why) if why else (torch_peer, None)


def _measure_layer(context, layer, torch_peer):
    """Returns a row for each batch size, and how PyTorch at its best ran."""
    model, options = make_model(context.width), context.options
    tasks = {n: make_task(model, options, layer=layer, size=n) for n in context.batch_sizes}
    functions = {(OURS, n): functools.partial(dream_parameters, task) for n, task in tasks.items()}
    peers = {}
    if torch_peer:
        alone = make_task(model, options, layer=layer, size=1)
        _check_shape(alone)
        peers[REFERENCE, 1] = torch_peer.Peer(alone, as_reference=True)
        check_gradients(alone, peers[REFERENCE, 1])
        for size, task in tasks.items():
            peers[BEST, size] = torch_peer.make_fastest(task, compiler=context.torch_compile)
            check_gradients(task, peers[BEST, size])
    functions |= {key: peer.dream for key, peer in peers.items()}
    seconds = time_in_turns(functions, rounds=context.rounds)
    ways = [f"{layer}, {n} in a batch: {p.how}" for (name, n), p in peers.items() if name == BEST]
    return [_row(context, task, seconds) for task in tasks.values()], ways


def _check_shape(task):
    smallest, architecture = task.level_shapes[0], task.model.card.architecture
    needed = architecture.layer(architecture.class_layer).stride
    if any(side < least for side, least in zip(smallest, needed)):
        raise UserError(
            "for the part peers, --clip_length and --pyramid_size must be such that the smallest "
            f"level has at least {needed[0]} mel bands and {needed[1]} frames, and it has "
            f"{smallest[0]} and {smallest[1]}"
        )


def check_gradients(task: Task, peer) -> None:
    """Compares the gradients of a `Peer` with this project's at the smallest and the largest level.

    In float32, rounding decides between nearly equal cells in poolings and at the zero of a ReLU.
    That moves some cells by a few per cent of the largest value and nearly all others by less than
    a millionth, so the median of the differences is compared.

    Raises:
      DisagreementError: the median is over GRADIENT_LIMIT.
    """
    for shape in (task.level_shapes[0], task.level_shapes[-1]):
        resize = jax.vmap(functools.partial(resize_nearest, shape=shape))
        images = np.asarray(resize(task.clips.spectrogram))
        arguments = (task.model.network, images, task.settings)
        own = np.asarray(respond_to_clips(*arguments, program=task.program)[1])
        difference = np.median(np.abs(peer.gradient(images) - own)) / np.abs(own).mean()
        if not difference <= GRADIENT_LIMIT:  # This is also true of NaN.
            raise DisagreementError(
                f"PyTorch ({peer.how}) and this project differ by {difference:.2g} times the mean "
                f"gradient of {task.program.layers[0]} at {shape}; they must not differ by more "
                f"than {GRADIENT_LIMIT:g}, and nothing was timed"
            )


def _row(context, task, seconds):
    own = np.divide(seconds[OURS, task.size], task.size)
    row = [task.program.layers[0], task.size, Spread.of(own)]
    for name, size in ((REFERENCE, 1), (BEST, task.size)):
        if (name, size) in seconds:
            peer = np.divide(seconds[name, size], size)
            row += [Spread.of(peer), compare_pairs(peer, own)]
        else:
            row += [None, None]
    limit = count_dream(task) / context.peak / task.size
    return [*row, limit, limit / row[2].median]
