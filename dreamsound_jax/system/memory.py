"""How much memory there is for what is computed."""

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

import jax

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


class Memory(NamedTuple):
    """Bytes of memory.

    Attributes:
      free: what can be used now.
      total: what could be used if nothing else ran.
    """

    free: int
    total: int


def of_devices() -> Memory | None:
    """Returns the memory of one device of this process; None if it is not known.

    That of a CPU is the memory of the machine.
    """
    stats = jax.local_devices()[0].memory_stats()
    if not stats or "bytes_limit" not in stats:
        return of_machine() if jax.default_backend() == "cpu" else None
    total = stats["bytes_limit"]
    return Memory(total - stats.get("bytes_in_use", 0), total)


def of_machine() -> Memory | None:
    """Returns the memory of this machine, or of the container; None if it is not known."""
    known = [each for each in (_of_system(), _of_container()) if each]
    return Memory(*map(min, zip(*known))) if known else None


def _of_system():
    with contextlib.suppress(OSError, KeyError, ValueError):
        lines = (line.split() for line in _MEMINFO.read_text().splitlines())
        kilobytes = {words[0]: int(words[1]) for words in lines}
        swap = kilobytes.get("SwapFree:", 0), kilobytes.get("SwapTotal:", 0)
        return Memory(
            1024 * (kilobytes["MemAvailable:"] + swap[0]), 1024 * (kilobytes["MemTotal:"] + swap[1])
        )
    with contextlib.suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf.
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return Memory(total, total)  # macOS says no more.
    return None


def _of_container():
    """Returns what a container of Linux may use, by its control group; None without a limit."""
    for limit, used, stats, cached in (
        ("memory.max", "memory.current", "memory.stat", "inactive_file"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file",
        ),
    ):
        with contextlib.suppress(OSError, ValueError, KeyError):
            total = int((_CGROUP / limit).read_text())  # "max" without a limit
            counts = dict(map(str.split, (_CGROUP / stats).read_text().splitlines()))
            in_use = int((_CGROUP / used).read_text()) - int(counts[cached])
            return Memory(max(0, total - in_use), total)
    return None
