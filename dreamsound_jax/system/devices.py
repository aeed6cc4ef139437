"""Where a run computes: on all devices of its process, and in one process or several.

Processes share out the clips, and need each other for nothing else: each dreams its own on its own
devices.
"""

import functools
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dreamsound_jax.system.errors import UserError, reason_of

CLIPS = PartitionSpec("clips")


class Cluster(NamedTuple):
    """How processes find each other; None is found out, where a cluster tells."""

    coordinator_address: str | None
    num_processes: int | None
    process_id: int | None


def join(cluster):
    """Makes this process one of several; before anything is computed.

    Raises:
      UserError: what is missing is not to be found out here, or the others are not to be reached.
    """
    try:
        jax.distributed.initialize(**cluster._asdict())
    except Exception as error:  # each cluster has its own family of errors
        raise UserError(
            f"cannot join the other processes ({reason_of(error)}); accepted are "
            "--coordinator_address=HOST:PORT, --num_processes and --process_id, all of them, or "
            "--distributed alone on a cluster that JAX knows"
        ) from error


def agree(number):
    """`number` of the first process, in all of them."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def count():
    """How many devices a batch is shared out to."""
    return jax.local_device_count()


def over_clips(function, *, shared=0, at_once=None):
    """`function` of one clip, as one of a batch: arguments and results have an axis of clips.

    Each device takes its share of them, by a program that is the same however many devices there
    are. The first `shared` arguments are the same for all clips. On a CPU, whose caches are small,
    `at_once` clips are taken at a time; None is all.
    """

    def of_share(*arguments):
        common, each = arguments[:shared], arguments[shared:]
        of_clip = functools.partial(function, *common)
        if at_once is None or jax.default_backend() != "cpu":
            return jax.vmap(of_clip)(*each)
        return jax.lax.map(lambda clip: of_clip(*clip), each, batch_size=at_once)

    def of_batch(*arguments):
        clips = jax.tree.leaves(arguments[shared:])[0].shape[0]
        if count() == 1 or clips % count():
            return of_share(*arguments)
        specs = [PartitionSpec()] * shared + [CLIPS] * (len(arguments) - shared)
        # Random keys and constants are the same on all devices, as shard_map need not be told.
        share_out = jax.shard_map(
            of_share, mesh=_mesh(), in_specs=tuple(specs), out_specs=CLIPS, check_vma=False
        )
        return share_out(*arguments)

    return of_batch


def share_out(arrays):
    """Puts arrays (clips, ...) on the devices of this process, each its share of the clips."""
    return _put(arrays, CLIPS)


def everywhere(arrays):
    """Puts arrays on each device of this process, whole."""
    return _put(arrays, PartitionSpec())


def _put(arrays, spec):
    # On one device they stay as free to move as what is computed of them: or there would be two
    # programs for the first round of an ouroboros and for those that follow.
    return jax.device_put(arrays, NamedSharding(_mesh(), spec) if count() > 1 else None)


@functools.cache
def _mesh():
    return jax.make_mesh(
        (count(),), ("clips",), axis_types=(AxisType.Auto,), devices=jax.local_devices()
    )
