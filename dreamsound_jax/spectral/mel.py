"""Mel spectrograms in dB, as librosa computes them, in JAX.

Each function takes one clip, works in the clip's own float dtype, and is meant to be `vmap`ped.
"""

import jax
import jax.numpy as jnp
import numpy as np

AnyArray = jax.Array | np.ndarray


def mel_power(spectrum: jax.Array, filters: np.ndarray) -> jax.Array:
    """Power in mel bands, (n_mels, frames), of an STFT (bins, frames).

    `filters` is (n_mels, bins), as `mel_bands` gives it.
    """
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return jnp.asarray(filters, power.dtype) @ power


def power_to_db(power: jax.Array, *, amin: float, top_db: float) -> jax.Array:
    """10 log10 of power, at least `amin`, and at most `top_db` dB below its own maximum.

    As `librosa.power_to_db` with ref 1.
    """
    db = 10 * jnp.log10(jnp.maximum(power, amin))
    return jnp.maximum(db, db.max() - top_db)


def db_to_power(db: AnyArray) -> AnyArray:
    """The inverse of `power_to_db`."""
    return 10 ** (db / 10)


def peak_normalise(sound: jax.Array) -> jax.Array:
    """Scales (samples,) to a largest absolute value of 1; silence stays silent."""
    peak = jnp.abs(sound).max()
    return sound / jnp.where(peak > 0, peak, 1)
