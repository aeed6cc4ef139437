"""The command `dreamsound`."""

import dataclasses
import itertools
import os
import shlex
import sys

from absl import flags

from dreamsound_jax.cli import flags as own_flags
from dreamsound_jax.cli import parsing
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.presets import describe_presets
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.standard_streams import print_out

USAGE = """
DreamSound: DeepDream for sound. It changes a sound by gradient ascent, so that chosen layers or a
chosen class of a network that listens respond more strongly.

  dreamsound                              dream on drums, a recording that is included
  dreamsound my.wav                       dream on your own sound
  dreamsound my.wav sounds/ -o dreams     dream on a sound and on all of a folder, into a folder
  dreamsound my.wav -o dream.wav          write nothing but the dream, to one file
  dreamsound my.wav --strength=40         a milder dream
  dreamsound my.wav --preset=hits         dream as a preset says; --list_presets shows all of them
  dreamsound my.wav --class=organ         dream towards an organ
  dreamsound my.wav --create_ouroboros    feed the dream back into itself, ten times

The paths of the sounds that are written are on standard output, one a line, and all else is on
standard error. The exit code is 0, or 2 if anything failed.

The value of a flag follows it after a space or =. Names may be written with dashes, as in
--num-clips=3, and by other usual names, such as --layer, --class, --steps and --learning-rate.
"""

# Flags that say where and how this run happens, and are left out of the command that repeats it.
OF_THIS_RUN = (
    "seed",
    "output_dir",
    "output",
    "overwrite",
    "json",
    "quiet",
    "distributed",
    "coordinator_address",
    "num_processes",
    "process_id",
    "join_timeout",
)


def main() -> int:
    """Dreams; returns the exit code."""
    if flags.FLAGS.version:
        print_out(describe_version())
        return 0
    if flags.FLAGS.list_models:
        return _list_models()
    if flags.FLAGS.list_presets:
        print_out(describe_presets())
        return 0
    # Imported only now: --help must not wait for JAX's devices.
    from dreamsound_jax.system.jax_settings import import_jax

    import_jax()
    from dreamsound_jax.run.report import Report
    from dreamsound_jax.run.run import run
    from dreamsound_jax.system import programs, runtime
    from dreamsound_jax.system.cache import traces_folder
    from dreamsound_jax.system.processes import find_share

    runtime.prepare(precision=flags.FLAGS.precision, quiet=flags.FLAGS.quiet)
    options, output_file = _find_output(own_flags.read_options())
    share = find_share(
        distributed=flags.FLAGS.distributed,
        num_processes=flags.FLAGS.num_processes,
        process_id=flags.FLAGS.process_id,
    )
    report = Report(as_json=flags.FLAGS.json)
    with programs.keep_in(traces_folder()):
        failed = run(
            options,
            command=_repeating_command(),
            share=share,
            join_timeout=flags.FLAGS.join_timeout,
            output_file=output_file,
            report=report,
        )
    return 2 if failed or report.failed else 0


def describe_version() -> str:
    """Returns what `--version` prints; no device is started for it."""
    python = ".".join(map(str, sys.version_info[:3]))
    own, jax = map(_find_version, ("dreamsound-jax", "jax"))
    return f"dreamsound {own} (JAX {jax}, Python {python})"


def _find_version(package):
    import importlib.metadata  # Only --version needs it.

    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # It runs from a clone that is not installed.
        return "of a clone"


def _find_output(options: Options) -> tuple[Options, str | None]:
    """Returns the options with the folder that --output names, and the file that it names.

    Raises:
      UserError: it names a file that cannot be written, or --output_dir is given, too.
    """
    from dreamsound_jax.outputs.one_file import check_file, format_of, names_file

    if flags.FLAGS.output is None:
        _check_folder("output_dir", options.output_dir)
        return options, None
    output = os.path.expanduser(flags.FLAGS.output)
    if options.output_dir is not None:
        raise UserError(
            f"--output={output} and --output_dir={options.output_dir} both say where the results "
            "go: give only one of them"
        )
    if output.strip() in ("", "-"):
        raise UserError(
            f"--output must name a folder or a file, such as dream.wav, and is {output!r}"
        )
    if not names_file(output):
        _check_folder("output", output)
        return dataclasses.replace(options, output_dir=output), None
    if os.path.exists(output) and any(map(os.path.exists, options.input)):
        same = (os.path.samefile(output, each) for each in options.input if os.path.exists(each))
        if any(same):
            raise UserError(f"--output={output} is the input: name another file for the dream")
    overwrite = flags.FLAGS.overwrite
    check_file(output, overwrite=overwrite, with_video=options.video is not None)
    format = format_of(output)
    if flags.FLAGS["format"].present and options.format != format:
        raise UserError(
            f"--output={output} and --format={options.format} name two formats: give only one of "
            "them"
        )
    return dataclasses.replace(options, format=format), output


def _check_folder(name, output):
    """Raises UserError if the folder for the results is a file."""
    if output is not None and os.path.isfile(output):
        suffixes = ".wav, .flac, .ogg or .mp3"
        hint = f", or a name that ends in {suffixes}" if name == "output" else ""
        raise UserError(f"--{name}={output} is a file, and must be a folder{hint}")


def _list_models():
    from dreamsound_jax.networks.catalogue import describe_models

    print_out(describe_models())
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
        sections=own_flags.list_sections(),
        begins_work=False,
    )
