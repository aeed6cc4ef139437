"""The command `dreamsound`."""

import itertools
import shlex

from absl import flags

from dreamsound_jax.cli import flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.run.presets import describe_presets

USAGE = """
DreamSound: DeepDream for sound. It changes a sound by gradient ascent, so that chosen layers or a
chosen class of a network that listens respond more strongly.

  dreamsound                              dream on drums, a recording that is included
  dreamsound my.wav                       dream on your own sound
  dreamsound my.wav --strength=90         ... further
  dreamsound my.wav --preset=hits         ... as a preset says; --list_presets shows all of them
  dreamsound my.wav --target_class=organ  ... towards an organ
  dreamsound my.wav --create_ouroboros    feed the dream back into itself, ten times
"""

# Flags that say where and how this run happens, and are left out of the command that repeats it.
OF_THIS_RUN = (
    "seed",
    "output_dir",
    "distributed",
    "coordinator_address",
    "num_processes",
    "process_id",
    "join_timeout",
)


def main() -> int:
    """Dreams; returns the exit code."""
    if flags.FLAGS.list_models:
        return _list_models()
    if flags.FLAGS.list_presets:
        print(describe_presets())
        return 0
    # Imported only now: --help must not wait for JAX's devices.
    from dreamsound_jax.run.run import run
    from dreamsound_jax.system import programs, runtime
    from dreamsound_jax.system.cache import traces_folder
    from dreamsound_jax.system.processes import find_share

    runtime.prepare(precision=flags.FLAGS.precision)
    share = find_share(
        distributed=flags.FLAGS.distributed,
        num_processes=flags.FLAGS.num_processes,
        process_id=flags.FLAGS.process_id,
    )
    with programs.keep_in(traces_folder()):
        failed = run(
            own_flags.read_options(),
            command=_repeating_command(),
            share=share,
            join_timeout=flags.FLAGS.join_timeout,
        )
    return 2 if failed else 0


def _list_models():
    from dreamsound_jax.networks.catalogue import describe_models

    print(describe_models())
    return 0


def _repeating_command() -> str:
    """Returns the command line that repeats this run into a new folder, except for its seed."""
    own = flags.FLAGS.flags_by_module_dict()[own_flags.__name__]
    given = [f for f in own if own_flags.is_given(f) and f.name not in OF_THIS_RUN]
    # A flag that was given several times is serialized as several lines.
    lines = itertools.chain(*(flag.serialize().splitlines() for flag in given))
    return shlex.join(["dreamsound", *lines])


def run_command() -> None:
    """The console script."""
    parsing.run(
        main,
        name="dreamsound",
        usage=USAGE,
        stopped="what was finished is kept",
        module=own_flags.__name__,
    )
