"""`dreamsound` with a stopwatch: what each moment of its process goes to.

    python -m dreamsound_jax.benchmark.traced RESULT BEGAN [flags of dreamsound]

BEGAN is the time, `time.time()`, at which the process was asked for. The file RESULT gets JSON, a
list of (row, begin, end) by that clock, which may overlap and lie in each other; `start` reads it.
"""

import contextlib
import functools
import json
import sys
import threading
import time

IMPORTS, SMALL = "Python and imports", "small programs"
ROWS = {  # what of the product counts for which row: (module, name)
    "reading the model": [("models", "load")],
    "input": [("sources", "read"), ("batch", "gather")],
    "dream": [("batch", "dream")],
    "class probabilities": [("batch", "hear"), ("single", "hear")],
    "loudness, encoding, files": [
        ("outputs", "encode"),
        ("outputs", "write_clip"),
        ("outputs", "write_params"),
        ("outputs", "write_index"),
    ],
    "picture": [("report", "picture")],
}
PROGRAMS = {  # what is compiled in them, for itself or for what is small in it, is theirs
    "analysis": [("batch", "analyse"), ("single", "analyse")],
    "level {level}": [("dream", "dream_batch_level")],
    "resynthesis": [("batch", "finish")],
    "class probabilities": [("batch", "class_probabilities")],
}
STAGES = {"analysis": "input", "classes": "class probabilities"}  # of `batch.Stopwatch`, as rows
COMPILING = "/jax/core/compile/"  # to trace, to lower, and to compile or read from the cache

_spans, _here = [], threading.local()


def run(result, began):
    """Does what `dreamsound` does, and writes what it took to the file `result`."""
    from dreamsound_jax import cli, devices, generate, runtime  # noqa: F401 (what `cli` imports)

    _spans.append((IMPORTS, began, time.time()))
    _listen()
    try:
        cli.run()
    finally:
        with open(result, "w") as file:
            json.dump(_spans, file)


def _listen():
    import jax

    from dreamsound_jax.batch import Stopwatch

    _wrap(ROWS, _timed)
    _wrap(PROGRAMS, _as_program)
    Stopwatch.__call__ = _timed_by_stage(Stopwatch.__call__)
    jax.monitoring.register_event_time_span_listener(_compiled)


def _wrap(places, how):
    for row, functions in places.items():
        for module, name in functions:
            module = sys.modules[f"dreamsound_jax.{module}"]
            setattr(module, name, how(row, getattr(module, name)))


def _timed(row, function):
    @functools.wraps(function)
    def timed(*args, **kwargs):
        with _span(row):
            return function(*args, **kwargs)

    return timed


def _timed_by_stage(wait):
    def timed(clock, stage, result):
        with _span(STAGES.get(stage, stage)):
            return wait(clock, stage, result)

    return timed


def _as_program(name, function):
    @functools.wraps(function)
    def called(*args, **kwargs):
        _here.program = name.format(level=kwargs.get("level", 0) + 1)
        try:
            return function(*args, **kwargs)
        finally:
            _here.program = SMALL

    return called


def _compiled(event, began, ended, **kwargs):
    del kwargs
    if event.startswith(COMPILING):
        _spans.append((f"compile: {getattr(_here, 'program', SMALL)}", began, ended))


@contextlib.contextmanager
def _span(row):
    began = time.time()
    try:
        yield
    finally:
        _spans.append((row, began, time.time()))


if __name__ == "__main__":
    result, began, *flags = sys.argv[1:]
    sys.argv = ["dreamsound", *flags]
    run(result, float(began))
