"""The devices of a process, which share the clips of a batch."""

import functools
import os
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from dreamsound_jax.system.errors import UserError, reason_of

CLIPS = PartitionSpec("clips")

# The axis of the clips that one device computes, by which a clip can know the others.
_OF_DEVICE = "clips_of_device"


def count() -> int:
    """Returns the number of devices of this process, which share a batch."""
    return jax.local_device_count()


def require_devices() -> None:
    """Makes JAX find its devices.

    Raises:
      UserError: it finds none, such as with JAX_PLATFORMS=cuda where there is no GPU.
    """
    try:
        jax.devices()
    except Exception as error:  # JAX raises RuntimeError, or fails at an assertion of its own.
        asked = os.environ.get("JAX_PLATFORMS")
        hint = f": JAX_PLATFORMS={asked} names none that there is; unset it" if asked else ""
        raise UserError(f"JAX finds no device{hint or f': {reason_of(error)}'}") from None


def describe() -> str:
    """Names the devices of this process, such as "2 devices (NVIDIA H100)"."""
    kind = jax.local_devices()[0].device_kind
    return kind if count() == 1 else f"{count()} devices ({kind})"


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
            return jax.vmap(of_clip, axis_name=_OF_DEVICE)(*each)
        return jax.lax.map(lambda clip: of_clip(*clip), each, batch_size=at_once)

    def of_batch(*arguments):
        clips = jax.tree.leaves(arguments[shared:])[0].shape[0]
        if count() == 1 or clips % count():
            return of_share(*arguments)
        specs = [PartitionSpec()] * shared + [CLIPS] * (len(arguments) - shared)
        # Random keys and constants are the same on all devices, which shard_map cannot check.
        sharded = jax.shard_map(
            of_share, mesh=_mesh(), in_specs=tuple(specs), out_specs=CLIPS, check_vma=False
        )
        return sharded(*arguments)

    return of_batch


def gather_clips(values: jax.Array) -> jax.Array:
    """Returns an array of one clip for all clips of its batch, (clips, ...).

    It may be called in a function of one clip that `over_clips` makes one of a batch; anywhere else
    the clip is the only one.
    """
    for axis in (_OF_DEVICE, "clips"):
        try:
            values = jax.lax.all_gather(values, axis, tiled=axis == "clips")
        except NameError:  # There is no such axis: no batch, or only one device.
            values = values if axis == "clips" else values[None]
    return values


def shard_over_clips(arrays: Any) -> Any:
    """Puts arrays (clips, ...) on the devices of this process, a share of the clips on each."""
    return _put(arrays, CLIPS)


def replicate(arrays: Any) -> Any:
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
