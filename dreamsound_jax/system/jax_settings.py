"""What this program needs of JAX's settings, whatever the environment says.

Some variables, such as JAX_NUMPY_DTYPE_PROMOTION=strict, forbid what is done here, and others, such
as JAX_DEFAULT_PRNG_IMPL, change which random numbers a seed stands for. They are meant for programs
that are being written. A command sets them to JAX's defaults, so that it works, and the same seed
gives the same dream.
"""

import os

from dreamsound_jax.system.errors import UserError

NEEDED = {
    # Which random numbers a seed stands for.
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
    "jax_enable_custom_prng": False,
    "jax_legacy_prng_key": "allow",
    "jax_debug_key_reuse": False,
    # What functions of NumPy may be given.
    "jax_numpy_dtype_promotion": "standard",
    "jax_numpy_rank_promotion": "allow",
    # What may be compiled, and be called when it is compiled.
    "jax_disable_jit": False,
    "jax_no_tracing": False,
    "jax_no_execution": False,
    "jax_check_tracer_leaks": False,
    "jax_raise_persistent_cache_errors": False,
    "jax_scan3": False,
    # Which numbers may come out: a clip that overflows is told of by its name.
    "jax_debug_nans": False,
    "jax_debug_infs": False,
    "jax_error_checking_behavior_nan": "ignore",
    "jax_error_checking_behavior_divide": "ignore",
    "jax_error_checking_behavior_oob": "ignore",
    # What may be copied between the host and its devices, and by which thread. The first one sets
    # those after it.
    "jax_transfer_guard": "allow",
    "jax_transfer_guard_host_to_device": "allow",
    "jax_transfer_guard_device_to_device": "allow",
    "jax_transfer_guard_device_to_host": "allow",
    "jax_array_garbage_collection_guard": "allow",
    "jax_thread_guard": False,
}


def import_jax() -> None:
    """Imports JAX, which reads the environment.

    Raises:
      UserError: a variable of JAX has a value that JAX does not know.
    """
    try:
        import jax  # noqa: F401
    except ValueError as error:
        named = [name for name in os.environ if name.lower() in str(error).lower()]
        meant = [f"{name}={os.environ[name]}" for name in named if name.startswith("JAX_")]
        if not meant:
            raise
        raise UserError(
            f"JAX does not know {meant[0]}, which is in the environment: unset it"
        ) from error


def set_needed(*, precision: str) -> None:
    """Sets what this program needs; called once, before anything is computed.

    Args:
      precision: "float32", "bfloat16" or "float64".
    """
    import jax

    # Recent GPUs would round the factors of float32 products to 10 bits of mantissa.
    product = None if precision == "bfloat16" else "float32"
    of_precision = {
        "jax_enable_x64": precision == "float64",
        "jax_default_matmul_precision": product,
    }
    for name, value in (NEEDED | of_precision).items():
        # Other versions of JAX have other settings.
        if getattr(jax.config, name, value) != value:
            jax.config.update(name, value)
