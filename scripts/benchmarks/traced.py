"""`dreamsound` with a stopwatch: what each moment of its process goes to.

    python -m benchmarks.traced RESULT BEGAN [flags of dreamsound]

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
    "analyse": "analysis",
    "dream_batch_level": "level {level}",
    "finish": "resynthesis",
    "class_probabilities": "class probabilities",
}
STAGES = {"analysis": "input", "classes": "class probabilities"}  # of `batch.Stopwatch`, as rows
COMPILING = "/jax/core/compile/"  # to trace, to lower, and to compile or read from the cache

_spans, _here = [], threading.local()


def run(result, began):
    """Does what `dreamsound` does, and writes what it took to the file `result`."""
    from dreamsound_jax.cli import main as cli  # noqa: F401 (what `cli` imports)
    from dreamsound_jax.run import generate  # noqa: F401 (what `cli` imports)
    from dreamsound_jax.system import (
        devices,  # noqa: F401 (what `cli` imports)
        runtime,  # noqa: F401 (what `cli` imports)
    )

    _spans.append((IMPORTS, began, time.time()))
    _listen()
    try:
        cli.run()
    finally:
        with open(result, "w") as file:
            json.dump(_spans, file)


def _listen():
    import jax

    from dreamsound_jax.dreaming.batch import Stopwatch
    from dreamsound_jax.system import programs

    for row, functions in ROWS.items():
        for module, name in functions:
            module = sys.modules[f"dreamsound_jax.{module}"]
            setattr(module, name, _timed(row, getattr(module, name)))
    for name in ("__call__", "ahead"):
        setattr(programs.Kept, name, _of_program(getattr(programs.Kept, name)))
    programs.ThreadPoolExecutor.submit = _for_same_program(programs.ThreadPoolExecutor.submit)
    Stopwatch.__call__ = _timed_by_stage(Stopwatch.__call__)
    jax.monitoring.register_event_time_span_listener(_compiled)


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


def _of_program(method):
    @functools.wraps(method)
    def called(program, *args, **kwargs):
        row = PROGRAMS.get(program.__name__, SMALL).format(level=kwargs.get("level", 0) + 1)
        return _do_for(row, method, program, *args, **kwargs)

    return called


def _for_same_program(submit):
    """`submit` to threads, which then work for the same program as who submits."""

    def submitted(pool, work, *args, **kwargs):
        return submit(pool, _do_for, _program(), work, *args, **kwargs)

    return submitted


def _do_for(program, work, *args, **kwargs):
    before, _here.program = _program(), program
    try:
        return work(*args, **kwargs)
    finally:
        _here.program = before


def _program():
    return getattr(_here, "program", SMALL)


def _compiled(event, began, ended, **kwargs):
    del kwargs
    if event.startswith(COMPILING):
        _spans.append((f"compile: {_program()}", began, ended))


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
