"""Compiled programs: traced once, kept for later processes, and compiled ahead in threads.

JAX keeps what it compiled, but each process traces its programs again to find it. `dreamsound
--seed=1` took 5.9 and 6.4 s with JAX's cache alone, and 3.9 and 4.9 s with kept traces (two runs in
turn, 2 cores of a shared AMD EPYC, CPU only, 2026-11-26). So the trace of a program is kept, too,
in a folder of this user; it is found by what it depends on: the code of this package, the versions
of the packages that trace, JAX's options, and the shapes and constants that are asked for.

Traces are kept on a single CPU or GPU. On several devices, a trace depends on which they are; on
TPUs this was never tried. On a GPU, compiling in threads is what counts: with nothing compiled
before, `dreamsound --seed=1` took 28 s, and 42 s without (one H100, 16 CPU cores, JAX 0.11,
2026-11-27).

A file is read as data, and only where nobody but this user can have written it: its digest is
checked, the structure of the result is read from JSON, and a program with custom calls is refused,
which could call functions of the process.
"""

import contextlib
import ctypes
import functools
import gc
import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
from jax import export

from dreamsound_jax.system.cache import can_others_write, say_not_kept
from dreamsound_jax.system.errors import reason_of
from dreamsound_jax.system.storage import write_whole
from dreamsound_jax.system.tree_json import decode_tree, encode_tree

TRACERS = ("flax", "jax", "jaxlib", "numpy", "optax", "scipy")
KEPT_ON = ("cpu", "gpu")
# XLA keeps 1.6 of two cores busy with one program.
COMPILERS = max(2, min(8, (os.cpu_count() or 1) // 2))
# Of the kept traces, so many that were used last stay in the folder.
MOST_KEPT = 200

log = logging.getLogger(__name__)
_store: "Store | None" = None


@contextlib.contextmanager
def keep_in(folder: str) -> Iterator[None]:
    """Keeps traces in a local folder for as long as the context lasts."""
    global _store
    outer, _store = _store, Store(Path(folder))
    try:
        yield
    finally:
        _store.close()
        _store = outer


def are_kept() -> bool:
    """Whether traces are kept here and now."""
    return _store_in_use() is not None


def _store_in_use() -> "Store | None":
    """Returns the store; None where traces are not kept."""
    kept_here = jax.default_backend() in KEPT_ON and jax.device_count() == 1
    return _store if kept_here else None


def count_programs() -> int:
    """Returns how many programs this process has; 0 where traces are not kept."""
    store = _store_in_use()
    return len(store.programs()) if store else 0


def most_bytes_since(count: int) -> int | None:
    """Returns the most bytes that a program takes while it runs, of those after the first `count`.

    It waits until they are compiled. None if there are none, or if the device does not say.
    """
    store = _store_in_use()
    found = [each.count_bytes() for each in store.programs()[count:]] if store else []
    return max((each for each in found if each), default=None)


def let_go() -> None:
    """Lets go of all compiled programs of this process, and the memory they take.

    Those that are called again are read from the caches on the disk.
    """
    if _store is not None:
        _store.let_go()
    jax.clear_caches()
    gc.collect()
    _give_memory_back()


def _give_memory_back():
    """Makes glibc give back what was freed: between pieces in use it keeps it.

    After 50 lengths, a process had 0.8 GB with this and 1.5 GB without (gm, `--num_iterations=1`,
    2 cores of a shared AMD EPYC, CPU only, 2026-11-26).
    """
    with contextlib.suppress(OSError, AttributeError):  # Other systems have other libraries.
        ctypes.CDLL("libc.so.6").malloc_trim(0)


class KeptFunction:
    """A function of `jax.jit` whose traces are kept; static arguments are keyword-only.

    Where none are kept, and inside other programs, it is that function.
    """

    def __init__(self, jitted: Callable) -> None:
        self._jitted = jitted
        functools.update_wrapper(self, jitted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._jitted, name)

    def __call__(self, *arguments: Any, **static: Any) -> Any:
        store = _store_in_use()
        if store is None or any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(arguments)):
            return self._jitted(*arguments, **static)
        program = store.program(self, arguments, static)
        if program.has_failed():
            program = store.program(self, arguments, static, anew=True)
        return program.run(arguments)

    def compile_ahead(self, *arguments: Any, **static: Any) -> Any:
        """Traces a program now, and compiles it while other things are done.

        Args:
          *arguments: such as it will be called with, or anything with their `shape` and `dtype`.
          **static: the static arguments.

        Returns:
          The result as `jax.ShapeDtypeStruct`s; None where traces are not kept.
        """
        store = _store_in_use()
        return store.program(self, arguments, static).result_shape if store else None


def keep_traces(jitted: Callable) -> KeptFunction:
    """Decorates a function of `jax.jit`, so that a later process need not trace it again."""
    return KeptFunction(jitted)


class CompiledProgram:
    """A traced program that is compiled, or being compiled."""

    def __init__(
        self,
        exported: export.Exported,
        structure: jax.tree_util.PyTreeDef,
        name: str,
        compilers: ThreadPoolExecutor,
    ) -> None:
        """Begins to compile."""
        self._structure = structure
        shapes = [_shape_of(aval) for aval in exported.in_avals]
        lowered = jax.jit(_named(name, exported.call)).lower(shapes)
        self._compiled = compilers.submit(lowered.compile)
        self.result_shape = jax.tree.unflatten(structure, map(_shape_of, exported.out_avals))

    def has_failed(self) -> bool:
        """Waits until the program is compiled; whether that failed."""
        return self._compiled.exception() is not None

    def count_bytes(self) -> int | None:
        """Returns the bytes of its arguments, results and intermediate arrays.

        It waits until the program is compiled. None if that failed, or if it is not known.
        """
        if self.has_failed():
            return None
        sizes = self._compiled.result().memory_analysis()
        if sizes is None:
            return None
        kept = sizes.argument_size_in_bytes + sizes.output_size_in_bytes
        return kept + sizes.temp_size_in_bytes - sizes.alias_size_in_bytes

    def run(self, arguments: tuple) -> Any:
        """Calls the program, after it has been compiled."""
        leaves = self._compiled.result()(jax.tree.leaves(arguments))
        return jax.tree.unflatten(self._structure, leaves)


class Store:
    """The programs of this process, and the traces in a folder."""

    def __init__(self, folder: Path) -> None:
        """Uses `folder`, which need not exist yet."""
        self._compilers = ThreadPoolExecutor(COMPILERS, thread_name_prefix="compile")
        self._folder, self._writable = folder, True
        self._programs: dict[tuple, CompiledProgram] = {}
        self._lock = threading.RLock()

    def close(self) -> None:
        """Ends the threads, and removes the traces that were not used for longest."""
        self._compilers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(OSError):
            files = sorted(self._folder.glob("*.trace"), key=lambda file: -file.stat().st_mtime)
            for file in files[MOST_KEPT:]:
                file.unlink(missing_ok=True)

    def programs(self) -> list[CompiledProgram]:
        """Returns the programs of this process, in the order in which they were begun."""
        with self._lock:
            return list(self._programs.values())

    def let_go(self) -> None:
        """Lets go of all programs; those that are running end first."""
        with self._lock:
            self._programs.clear()

    def program(
        self, function: KeptFunction, arguments: tuple, static: dict, *, anew: bool = False
    ) -> CompiledProgram:
        """Returns the program of a function for arguments of these shapes.

        Args:
          function: what is called.
          arguments: such as it is called with, or their shapes.
          static: the static arguments.
          anew: whether it is traced again, though it was before, here or in another process.
        """
        leaves, structure = jax.tree.flatten(arguments)
        shapes = tuple(map(_shape, leaves))
        key = function, structure, shapes, tuple(sorted(static.items()))
        with self._lock:
            if anew or key not in self._programs:
                self._programs[key] = self._make(function, structure, shapes, static, anew)
            return self._programs[key]

    def _make(self, function, structure, shapes, static, anew):
        """Returns the program of a trace as it was kept, or made anew."""
        name, digest = function.__name__, _digest(function, structure, shapes, static)
        file = self._folder / f"{digest}.trace"
        found = digest and not anew and _read(file, structure, shapes)
        if found:
            # What is damaged in a way that only JAX's compiler notices is made anew, too.
            with contextlib.suppress(Exception):
                return CompiledProgram(*found, name, self._compilers)
        found = _export(function, structure, shapes, static)
        if digest:
            self._write(file, *found, structure)
        return CompiledProgram(*found, name, self._compilers)

    def _write(self, file, exported, result, structure):
        tree = encode_tree(result, like=structure)
        if not self._writable or tree is None:
            return
        content = exported.serialize()
        header = {"digest": _digest_of(tree, content), "result": tree}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder.chmod(0o700)
            write_whole(str(file), json.dumps(header).encode() + b"\n" + content, shared=True)
        except Exception as error:  # each file system has its own family of errors
            self._writable = False
            say_not_kept(str(self._folder), _name_cause(error))


def _name_cause(error):
    """Returns why a trace could not be written, without the name of its file."""
    return reason_of(error.__cause__ or error)


def _export(function, structure, shapes, static):
    results = []

    def of_leaves(leaves):
        result = function(*jax.tree.unflatten(structure, leaves), **static)
        leaves, result_structure = jax.tree.flatten(result)
        results.append(result_structure)
        return leaves

    traced = export.export(jax.jit(_named(function.__name__, of_leaves)))(list(shapes))
    return traced, results[0]


def _read(file, structure, shapes):
    """Returns what `_export` returned, or None if it is not there, damaged or not trusted."""
    try:
        if not _is_ours(file):
            return None
        header, _, content = file.read_bytes().partition(b"\n")
        header = json.loads(header)
        if header["digest"] != _digest_of(header["result"], content) or b"custom_call" in content:
            return None
        exported = export.deserialize(bytearray(content))
        result = decode_tree(header["result"], like=structure)
        expected = [(shape.shape, shape.dtype) for shape in shapes]
        if [(aval.shape, aval.dtype) for aval in exported.in_avals] != expected:
            return None
        if len(exported.out_avals) != result.num_leaves:
            return None
        file.touch()
        return exported, result
    except Exception:  # whatever is wrong with it, it can be made again
        return None


def _digest_of(result, content):
    return hashlib.sha256(json.dumps(result).encode() + b"\n" + content).hexdigest()


def _is_ours(file):
    """Whether this user alone can have written a file, which is not a link."""
    if not hasattr(os, "getuid"):  # Windows has other rules, and folders of users are their own.
        return True
    of_file = file.lstat()
    own = of_file.st_uid == os.getuid() and stat.S_ISREG(of_file.st_mode)
    return own and not can_others_write(file.parent)


def _named(name, function):
    """Returns a function of leaves under the name that logs and profiles show."""

    def named(leaves):
        return function(leaves)

    named.__name__ = name
    return named


def _shape(leaf):
    return leaf if isinstance(leaf, jax.ShapeDtypeStruct) else _shape_of(jax.typeof(leaf))


def _shape_of(aval):
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def _digest(function, structure, shapes, static):
    """Returns the name under which a trace is kept: a digest of all that it depends on.

    It is None if that is shown by its address, as a function is, since the address may be that of
    another function in the next process.
    """
    types = [(shape.shape, str(shape.dtype), shape.weak_type) for shape in shapes]
    asked = (function.__module__, function.__qualname__, str(structure), types)
    text = repr((asked, sorted(static.items()), _surroundings()))
    return None if " at 0x" in text else hashlib.sha256(text.encode()).hexdigest()


def _surroundings():
    """Returns what every trace depends on."""
    versions = [importlib.metadata.version(name) for name in TRACERS]
    options = sorted(jax.config.values.items())
    kind = jax.devices()[0].device_kind
    return _digest_of_code(), platform.python_version(), versions, str(options), kind


@functools.cache
def _digest_of_code():
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
