"""The devices of a process, and the processes of a run.

Processes share out the clips of a run; each dreams its own clips on its own devices.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dreamsound_jax.system.errors import UserError, reason_of

CLIPS = PartitionSpec("clips")


class Cluster(NamedTuple):
    """How processes find each other; fields that are None are detected from the cluster.

    Attributes:
      coordinator_address: HOST:PORT of process 0.
      num_processes: how many there are.
      process_id: which of them this is, from 0.
    """

    coordinator_address: str | None
    num_processes: int | None
    process_id: int | None


def join(cluster: Cluster) -> None:
    """Makes this process one of several; called before anything is computed.

    Raises:
      UserError: a field cannot be detected here, or the other processes cannot be reached.
    """
    try:
        jax.distributed.initialize(**cluster._asdict())
    except Exception as error:  # each cluster has its own family of errors
        raise UserError(
            f"cannot join the other processes ({reason_of(error)}); give all of "
            "--coordinator_address=HOST:PORT, --num_processes and --process_id, or --distributed "
            "alone on a cluster that JAX knows"
        ) from error


def agree(number: int) -> int:
    """Returns the `number` of the first process, in all of them."""
    if jax.process_count() == 1:
        return number
    return int(multihost_utils.broadcast_one_to_all(np.int32(number)))


def count() -> int:
    """Returns the number of devices of this process, which share a batch."""
    return jax.local_device_count()


def over_clips(function: Callable, *, shared: int = 0, at_once: int | None = None) -> Callable:
    """Makes a function of one clip one of a batch, shared by the devices of this process.

    Each device computes its share of the clips, by a program that is the same however many devices
    there are.

    Args:
      function: of one clip.
      shared: the first so many arguments are the same for all clips.
      at_once: how many clips are computed at a time on a CPU, whose caches are small; None for all.

    Returns:
      A function whose other arguments, and results, have a leading axis of clips.
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
        # Random keys and constants are the same on all devices, which shard_map cannot check.
        share_out = jax.shard_map(
            of_share, mesh=_mesh(), in_specs=tuple(specs), out_specs=CLIPS, check_vma=False
        )
        return share_out(*arguments)

    return of_batch


def share_out(arrays):
    """Puts arrays (clips, ...) on the devices of this process, a share of the clips on each."""
    return _put(arrays, CLIPS)


def everywhere(arrays):
    """Puts arrays on each device of this process, whole."""
    return _put(arrays, PartitionSpec())


def _put(arrays, spec):
    # On one device they stay uncommitted, as what is computed from them is: otherwise the first
    # round of an ouroboros and those that follow would need two programs.
    return jax.device_put(arrays, NamedSharding(_mesh(), spec) if count() > 1 else None)


@functools.cache
def _mesh():
    return jax.make_mesh(
        (count(),), ("clips",), axis_types=(AxisType.Auto,), devices=jax.local_devices()
    )
