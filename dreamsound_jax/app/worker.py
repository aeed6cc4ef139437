"""The process that dreams: it reads jobs from a connection, and sends messages on them.

It is a process of its own so that it can be stopped at any moment: compiled programs cannot be.
"""

import contextlib
import functools
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dreamsound_jax.app.jobs import Doing, Done, Job, Message, Refused, check_length
from dreamsound_jax.system.errors import UserError, describe_error


def serve(connection: Connection) -> None:
    """Does jobs, one after the other, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the app.
    from dreamsound_jax.system import programs, runtime
    from dreamsound_jax.system.cache import traces_folder

    runtime.prepare(precision="float32")
    models: dict[str, Any] = {}
    with programs.keep_in(traces_folder()), contextlib.suppress(EOFError, BrokenPipeError):
        _load(models, "gm")  # While the page is looked at.
        while True:
            connection.send(_answer(connection.recv(), models, connection.send))


def _answer(job: Job, models: dict[str, Any], say: Callable[[Message], None]) -> Message:
    try:
        return dream(job, models, say)
    except UserError as error:
        return Refused(str(error).replace(job.sound, os.path.basename(job.sound)))
    except MemoryError:
        return Refused("There is not enough memory for this sound; a shorter one may fit.")
    except Exception as error:  # Whatever it is, the next job may be done.
        return Refused(describe_error(error))


def dream(job: Job, models: dict[str, Any], say: Callable[[Message], None]) -> Done:
    """Dreams, and writes what came of it.

    A picture or a video that cannot be made is left out; the words that are returned say why.

    Args:
      job: what is asked for.
      models: those that are loaded, by name; others are added.
      say: called with what is being done.

    Raises:
      UserError: the sound or an option is not possible.
    """
    from dreamsound_jax.audio.files import read_original

    began = time.monotonic()
    say(Doing("Reading the sound"))
    with _hear_warnings() as warnings:
        original, origin = read_original(job.sound)
    check_length(len(original.channels) / original.sample_rate)
    made = _dream_on(original, job, models, say)
    say(Doing("Writing the sound and drawing the picture"))
    name = Path(job.sound).stem
    stem = str(Path(job.folder) / name)
    before, after = _save_sounds(made, stem, origin)
    picture, failed = _make_file(f"{stem}-dream.png", lambda path: _draw(made, path))
    video, film_failed = None, None
    if job.makes_video:
        say(Doing("Making the video"))
        film = functools.partial(made.save_video, title=f"Dream of {name}")
        video, film_failed = _make_file(f"{stem}-dream.mp4", film)
    words = [f"{made.distance_db:.1f} dB from the input, in {time.monotonic() - began:.0f} s"]
    words += [each.replace(job.sound, Path(job.sound).name) for each in warnings]
    words += [f"the picture could not be made: {failed}"] if failed else []
    words += [f"the video could not be made: {film_failed}"] if film_failed else []
    return Done(before, after, picture, video, "; ".join(words))


def _dream_on(original, job, models, say):
    import dreamsound_jax as ds
    from dreamsound_jax.run.presets import make_options

    say(Doing("Loading the network"))
    model = _load(models, make_options(job.options).model)
    options = {name: value for name, value in job.options.items() if name != "model"}
    say(Doing("Preparing; the first dream of a new length takes longest"))

    def on_level(number, of):
        say(Doing("Dreaming", number, of))

    channels, rate = original
    return ds.dream(channels.T, rate, model, on_level=on_level, **options)


def _save_sounds(made, stem, origin):
    """Writes the input and the dream as the command does; returns their paths."""
    before, after = f"{stem}-before.wav", f"{stem}-dream.wav"
    kept = origin.layout if made.plan.keeps_original else None
    made.save(after, bit_depth=origin.bit_depth, layout=kept)
    made.save_input(before, bit_depth=origin.bit_depth, layout=origin.layout)
    return before, after


def _make_file(path, make):
    """Makes a file that the sound can do without: (its path or None, None or why not)."""
    try:
        make(path)
    except Exception as error:
        return None, describe_error(error)
    return path, None


def _draw(made, path):
    Path(path).write_bytes(made.picture())


@contextlib.contextmanager
def _hear_warnings() -> Iterator[list[str]]:
    """Collects the warnings of this package, such as that a file is cut short."""
    heard: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("dreamsound_jax")
    log.addHandler(handler)
    try:
        yield heard
    finally:
        log.removeHandler(handler)


def _load(models, name):
    import dreamsound_jax as ds

    if name not in models:
        models[name] = ds.load_model(name)
    return models[name]
