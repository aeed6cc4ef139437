"""The flags of the command itself, which are no options of a run.

They are stated as options are, and read from `flags.FLAGS` in `main.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.option import option

SHORT_NAMES = {"output": "o", "overwrite": "y", "quiet": "q"}

STANDS_AFTER = {
    "output": "input",
    "overwrite": "output_dir",
    "json": "loudness",
    "quiet": "json",
    "list_models": "quiet",
    "list_presets": "list_models",
    "version": "list_presets",
}
"""{a flag of `CommandFlags`: the flag that it follows in the help}."""


@dataclass(init=False, repr=False, eq=False)
class CommandFlags:
    """Flags that stand in the help among the options of a run."""

    output: str | None = option(
        None,
        "Where the results go: a folder, as for --output_dir, or a file whose name ends in .wav, "
        ".flac, .ogg or .mp3. A file gets the dream of one clip, and nothing else is written but "
        "the video of --video.",
        role="run",
    )
    overwrite: bool = option(
        False, "Replace the file that --output names, if it exists.", role="run"
    )
    json: bool = option(
        False,
        "Print a line of JSON for each clip on standard output, in place of the path of its sound: "
        "path, input, seed, model, layers, distance, loudness, classes heard, and error, which is "
        "null unless the clip failed.",
        role="run",
    )
    quiet: bool = option(False, "Print only warnings and errors on standard error.", role="run")
    list_models: bool = option(
        False, "Show the networks, their classes and layers, and where they are.", role="run"
    )
    list_presets: bool = option(
        False, "Show the presets, with a line on what to expect of each.", role="run"
    )
    version: bool = option(False, "Print the version of dreamsound and of JAX.", role="run")


@dataclass(init=False, repr=False, eq=False)
class ProcessFlags:
    """How several processes share the clips of a run."""

    TITLE: ClassVar = "Several processes"

    distributed: bool = option(
        False,
        "Be one of several processes that share the clips and --output_dir, on a cluster that JAX "
        "knows, such as Slurm or a TPU slice.",
        role="run",
    )
    num_processes: int | None = option(
        None,
        "The number of processes, where the cluster does not say it.",
        role="run",
        at_least=1,
    )
    process_id: int | None = option(
        None, "The number of this process, from 0.", role="run", at_least=0
    )
    join_timeout: float = option(
        300.0,
        "Seconds to wait until process 0 has written the seed to --output_dir. With --seed, no "
        "process waits.",
        role="run",
        at_least=0.0,
    )
    coordinator_address: str | None = option(
        None,
        "Not needed, and accepted for older scripts: processes find the seed in --output_dir.",
        role="run",
    )
