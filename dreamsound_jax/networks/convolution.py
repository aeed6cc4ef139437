"""The 3 x 3 convolution, chosen for the device: on CPU one of `networks/cpu`, elsewhere XLA's."""

import jax
import numpy as np

from dreamsound_jax.networks.cpu import convolution as cpu
from dreamsound_jax.networks.cpu.convolution import Forms


def convolve(x: jax.Array, kernel: jax.Array, forms: Forms | None = None) -> jax.Array:
    """Convolves (cross-correlates) with a 3 x 3 kernel, stride 1, zero padding ("same").

    Args:
      x: activations (batch, height, width, channels in).
      kernel: weights (3, 3, channels in, channels out), of the same dtype.
      forms: what `prepare_kernel` gave for the kernel; no gradient goes through it.

    Returns:
      Activations (batch, height, width, channels out).
    """
    if _on_cpu():
        return cpu.convolve(x, kernel, forms)
    return cpu.by_xla(x, kernel)


def prepare_kernel(kernel: jax.Array | np.ndarray, *, rows: int | None = None) -> Forms | None:
    """Returns the kernel in the forms that `convolve` is fastest with here; None if it needs none.

    Together the forms are nine times as large as the kernel. Where activations are known to have
    few `rows`, one form is enough, which is as large as the kernel.
    """
    return cpu.make_forms(kernel, rows=rows) if _on_cpu() else None


def tie_tolerance(x: jax.Array) -> jax.Array | int:
    """How far apart cells that should be equal may come out of `convolve`: broadcasts against `x`.

    It is 0 except on CPU, where Winograd's transforms round.
    """
    return cpu.tie_tolerance(x) if _on_cpu() else 0


def _on_cpu():
    return jax.default_backend() == "cpu"
