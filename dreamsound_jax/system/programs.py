"""Programs: traced once, kept for later processes, and compiled while others are traced.

JAX keeps what it compiled, but each process traces its programs again, to find what was kept: half
of a start from a warm cache. A kept program is found by what it depends on: the code of this
package, the versions of those that trace, JAX's options, and what is asked for.

Programs are kept on a CPU. Elsewhere a start is little of a run, and what was traced for several
devices depends on which they are.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import logging
import os
import pickle
import platform
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
from etils import epath
from jax import export

from dreamsound_jax.system.errors import reason_of

TRACERS = ("flax", "jax", "jaxlib", "numpy", "optax", "scipy")
AT_ONCE = 2  # are compiled: one keeps XLA busy for 1.6 of two cores

log = logging.getLogger(__name__)
_store = None


@contextlib.contextmanager
def keep_in(folder):
    """Has programs kept in `folder`, which may be one in a store, for as long as this lasts."""
    global _store
    outer, _store = _store, Store(folder)
    try:
        yield
    finally:
        _store.compilers.shutdown(wait=False, cancel_futures=True)
        _store = outer


def are_kept():
    """Whether programs are kept, here and now."""
    return _store is not None and (jax.default_backend(), jax.device_count()) == ("cpu", 1)


class Kept:
    """A function of `jax.jit`, whose programs are kept; what is static is given by keyword.

    Where none are kept, and inside of other programs, it is that function.
    """

    def __init__(self, jitted):
        self._jitted = jitted
        functools.update_wrapper(self, jitted)

    def __getattr__(self, name):
        return getattr(self._jitted, name)

    def __call__(self, *arguments, **static):
        leaves, form = jax.tree.flatten(arguments)
        if not are_kept() or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return self._jitted(*arguments, **static)
        result_form, _, compiled = _store.program(self, form, leaves, static)
        return jax.tree.unflatten(result_form, compiled.result()(leaves))

    def ahead(self, *arguments, **static):
        """Has a program traced now, and compiled while other things are done.

        Args:
          *arguments: such as it will be called with, or what has their `shape` and `dtype`.
          **static: what is static.

        Returns:
          The result, as `jax.ShapeDtypeStruct`s; None where programs are not kept.
        """
        if not are_kept():
            return None
        leaves, form = jax.tree.flatten(arguments)
        result_form, result_types, _ = _store.program(self, form, leaves, static)
        return jax.tree.unflatten(result_form, result_types)


class Store:
    """The programs of a folder."""

    def __init__(self, folder):
        self.compilers = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="compile")
        self._folder, self._writable = epath.Path(folder), True
        self._programs, self._lock = {}, threading.RLock()

    def program(self, kept, form, leaves, static):
        """(form of the result, types of its leaves, future of a function of leaves)."""
        asked = form, tuple(map(_type, leaves)), tuple(sorted(static.items()))
        with self._lock:
            if (kept, asked) not in self._programs:
                self._programs[kept, asked] = self._compiling(kept, asked)
            return self._programs[kept, asked]

    def _compiling(self, kept, asked):
        exported, result_form = self._traced(kept, asked)
        lowered = jax.jit(_named(kept, exported.call)).lower(list(asked[1]))
        types = [_type_of(aval) for aval in exported.out_avals]
        return result_form, types, self.compilers.submit(lowered.compile)

    def _traced(self, kept, asked):
        """What `_trace` returns, as it was kept if it was."""
        form, types, static = asked
        name = kept.__module__, kept.__qualname__
        key = pickle.dumps((name, form, list(map(str, types)), static, _surroundings()))
        file = self._folder / hashlib.sha256(key).hexdigest()
        found = _read(file)
        if not found:
            found = _trace(kept, form, types, dict(static))
            self._write(file, *found)
        return found

    def _write(self, file, exported, result_form):
        """Whole or not at all: other processes may read it, and write it, too."""
        if not self._writable:
            return
        unfinished = file.with_name(f"{file.name}.{platform.node()}.{os.getpid()}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(pickle.dumps((exported.serialize(), result_form)))
            unfinished.replace(file)
        except Exception as error:  # each file system has its own family of errors
            self._writable = False
            log.warning("cannot keep programs: starts take longer (%s)", reason_of(error))


def _trace(kept, form, types, static):
    """(the traced program, a function of leaves that gives leaves; the form of its result)."""
    forms = []

    def of_leaves(leaves):
        result = kept(*jax.tree.unflatten(form, leaves), **static)
        leaves, result_form = jax.tree.flatten(result)
        forms.append(result_form)
        return leaves

    return export.export(jax.jit(_named(kept, of_leaves)))(list(types)), forms[0]


def _named(kept, of_leaves):
    """`of_leaves` by the name of `kept`, which logs and profiles then show."""
    named = lambda leaves: of_leaves(leaves)  # noqa: E731
    named.__name__ = kept.__name__
    return named


def _type(leaf):
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct) else _type_of(jax.typeof(leaf))


def _type_of(aval):
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _read(file):
    try:
        serialised, result_form = pickle.loads(file.read_bytes())
        return export.deserialize(serialised), result_form
    except Exception:  # whatever is wrong with it, it can be made again
        return None


def _surroundings():
    """What a trace depends on besides what is asked for."""
    versions = [importlib.metadata.version(name) for name in TRACERS]
    options = sorted(jax.config.values.items())
    return _code(), platform.python_version(), versions, str(options)


@functools.cache
def _code():
    """A digest of this package."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
