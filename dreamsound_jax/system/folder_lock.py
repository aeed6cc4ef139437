"""Keeps two runs from writing to one folder at the same time, and so from dreaming a clip twice."""

import contextlib
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

_OWN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)


@contextlib.contextmanager
def lock_folder(folder: epath.Path, share: Share, *, own_file: str) -> Iterator[None]:
    """Locks the folder of a run while this process writes to it.

    The processes of one run share the lock of the folder, and each locks a file of its own. The
    system lets go of the locks when a process ends, even if it is killed. Where it has no such
    locks, as in a cloud store and on some network disks, nothing is locked.

    Args:
      folder: of the run; it exists.
      share: which process of the run this is.
      own_file: the name of the file that only this process writes to; it is made.

    Raises:
      UserError: another run, or the same process of this run, is writing to the folder.
    """
    if fcntl is None or is_cloud(folder):
        yield
        return
    with contextlib.ExitStack() as opened:
        if share.count == 1:
            _lock(opened, folder, os.O_RDONLY, fcntl.LOCK_EX, f"another run is writing to {folder}")
        else:
            _lock(opened, folder, os.O_RDONLY, fcntl.LOCK_SH, f"another run is writing to {folder}")
            process = f"another process with --process_id={share.index} is writing to {folder}"
            _lock(opened, folder / own_file, _OWN, fcntl.LOCK_EX, process)
        yield


def _lock(opened, path, how, kind, held):
    """Locks a file or folder until `opened` closes it; `held` says who has locked it."""
    try:
        number = os.open(path, how, 0o666)
        opened.callback(os.close, number)
        fcntl.flock(number, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{held}: wait until it has ended, or name another --output_dir") from None
    except OSError:  # The disk has no locks, or what is wrong with it is found when it is written.
        return
