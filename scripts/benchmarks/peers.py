"""The dream alone, warm: this project, PyTorch as the 2021 reference uses it, and PyTorch at its
best. They dream the same clips by the same weights, and take turns.
"""

import functools
import importlib.util

import numpy as np

from benchmarks import agreement, counts, dreams, random_network
from benchmarks.table import Table
from benchmarks.timing import Spread, interleaved, ratios
from dreamsound_jax.system.errors import UserError

OURS, REFERENCE, GOOD = "this project", "the reference's way", "PyTorch at its best"
COLUMNS = ["layer", "clips in a batch", f"{OURS} (s/clip)"]
COLUMNS += [f"{REFERENCE} (s/clip)", "times as fast"]
COLUMNS += [f"{GOOD} (s/clip)", "times as fast", "limit (s/clip)", "share of the limit"]
SEEN = 32  # mel bands, and frames, that the whole network needs
NOTES = (
    "Medians, and the fastest and the slowest round; of ratios, each round by itself.",
    "The reference's way: eager, clip by clip, through the whole network, with gradients of all "
    "weights that the layer depends on. It is the same in all rows of a layer.",
    "The limit: what convolutions and products would take, counted as direct ones, at the speed of "
    "a large matrix product. Winograd's convolutions need fewer products, and can beat it.",
)


def measure(context):
    """The `Table` of this part.

    Raises:
      UserError: the clips are too short for the reference.
      agreement.DisagreementError: a peer does not dream the same.
    """
    _check_shape(context)
    torch_peer, why = _torch_peer()
    parts = [_measure_layer(context, layer, torch_peer) for layer in context.layers]
    rows, ways = (sum(kind, []) for kind in zip(*parts))
    options, (bands, frames) = context.options, context.shape
    return Table(
        f"A dream of {bands} x {frames} cells: {options.pyramid_size} levels, "
        f"{options.num_iterations} steps each, VGG19 of {context.width:g} times its width",
        COLUMNS,
        rows,
        (*NOTES, *([why] if why else [f"{GOOD} ran in the fastest way found: {'; '.join(ways)}."])),
    )


def _check_shape(context):
    smallest = context.options.settings().level_shapes(context.shape)[0]
    if min(smallest) < SEEN:
        raise UserError(
            f"--clip_length={context.options.clip_length}, --pyramid_size="
            f"{context.options.pyramid_size}: the smallest level would be {smallest[0]} mel bands "
            f"x {smallest[1]} frames; for the part peers, accepted are {SEEN} of both and more"
        )


def _torch_peer():
    """(the module, None), or (None, why PyTorch is not compared)."""
    if not importlib.util.find_spec("torch"):
        return None, "PyTorch is not installed here: `pip install torch`."
    from benchmarks import torch_peer

    why = torch_peer.missing()
    return (None, f"{why}.") if why else (torch_peer, None)


def _measure_layer(context, layer, torch_peer):
    """(a row for each batch size, sentences on the fastest way of PyTorch)."""
    model = random_network.model(context.width)
    tasks = {
        size: dreams.task(model, context.options, layer=layer, size=size)
        for size in context.batch_sizes
    }
    dreamers = {(OURS, size): (dreams.ours, tasks[size]) for size in tasks}
    peers = _agreeing(context, layer, tasks, torch_peer) if torch_peer else {}
    dreamers |= {
        (name, size): (peer.dream, tasks[size].first(1 if name == REFERENCE else size))
        for (name, size), peer in peers.items()
    }
    functions = {key: functools.partial(*dreamer) for key, dreamer in dreamers.items()}
    seconds = {
        key: np.divide(values, dreamers[key][1].size)
        for key, values in interleaved(functions, rounds=context.rounds).items()
    }
    ways = [f"{layer}, {size} in a batch: {p.how}" for (n, size), p in peers.items() if n == GOOD]
    return [_row(context, tasks[size], seconds) for size in tasks], ways


def _agreeing(context, layer, tasks, torch_peer):
    """{(name, batch size): `Peer`}, whose dreams agree with those of this project."""
    builders = {REFERENCE: torch_peer.reference, GOOD: torch_peer.frozen}
    agreement.check_dreams(context, layer, builders)
    peers = {(REFERENCE, min(tasks)): torch_peer.reference(tasks[min(tasks)])}
    good = functools.partial(torch_peer.good, compiler=context.torch_compile)
    peers |= {(GOOD, size): good(task) for size, task in tasks.items()}
    for (name, size), peer in peers.items():
        agreement.check_gradients(tasks[size], {name: peer})
    return peers


def _row(context, task, seconds):
    own = (OURS, task.size)
    cost = counts.dream(task.model.card, task.settings, context.shape, size=task.size)
    limit = context.limits.seconds(flops=cost.flops, moved=cost.moved) / task.size
    row = [task.layer, task.size, Spread.of(seconds[own])]
    for peer in ((REFERENCE, min(context.batch_sizes)), (GOOD, task.size)):
        there = peer in seconds
        row += [Spread.of(seconds[peer]), ratios(seconds, of=peer, to=own)] if there else [None] * 2
    return [*row, limit, limit / row[2].median]
