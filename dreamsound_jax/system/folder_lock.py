"""Keeps two runs from writing to one folder at the same time, and so from dreaming a clip twice."""

import contextlib
import logging
import os
from collections.abc import Iterator

from etils import epath

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import Share
from dreamsound_jax.system.storage import is_cloud

try:
    import fcntl
except ImportError:  # Windows has no such locks.
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger(__name__)

_OWN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def lock_folder(folder: epath.Path, share: Share, *, own_file: str) -> Iterator[None]:
    """Locks the folder of a run while this process writes to it.

    The processes of one run share the lock of the folder, and each locks a file of its own. The
    system lets go of the locks when a process ends, even if it is killed. Where it has no such
    locks, as in a cloud store and on some network disks, nothing is locked, and the first of
    several processes says so.

    Args:
      folder: of the run; it exists.
      share: which process of the run this is.
      own_file: the name of the file that only this process writes to; it is made.

    Raises:
      UserError: another run, or the same process of this run, is writing to the folder.
    """
    with contextlib.ExitStack() as opened:
        is_locked = (
            fcntl is not None
            and not is_cloud(folder)
            and _lock_all(opened, folder, share, own_file)
        )
        if share.count > 1 and not share.index and not is_locked:
            log.info(
                "%s has no locks: give each process a --process_id of its own, and start no other "
                "run there, or clips are dreamed twice",
                folder,
            )
        yield


def _lock_all(opened, folder, share, own_file):
    """Locks what a process locks until `opened` closes it; returns whether all of it is locked."""
    run = f"another run is writing to {folder}"
    if share.count == 1:
        return _lock(opened, folder, os.O_RDONLY, fcntl.LOCK_EX, run)
    process = f"another process with --process_id={share.index} is writing to {folder}"
    return _lock(opened, folder, os.O_RDONLY, fcntl.LOCK_SH, run) and _lock(
        opened, folder / own_file, _OWN, fcntl.LOCK_EX, process
    )


def _lock(opened, path, how, kind, held):
    """Locks a file or folder until `opened` closes it, and returns whether that can be done.

    `held` says who has locked it.
    """
    try:
        number = os.open(path, how, 0o666)
        opened.callback(os.close, number)
        fcntl.flock(number, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        raise UserError(f"{held}: wait until it has ended, or name another --output_dir") from None
    except OSError:  # The disk has no locks, or what is wrong with it is found when it is written.
        return False
