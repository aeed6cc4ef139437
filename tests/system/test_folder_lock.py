"""Two runs do not write to one folder."""

import contextlib
import subprocess
import sys

import pytest
from etils import epath

from dreamsound_jax.system import folder_lock
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import ALONE, Share

fcntl = pytest.importorskip("fcntl", reason="Windows has no such locks")


def lock(folder, share=ALONE):
    own_file = f"manifest-{share.index:03d}.jsonl"
    return folder_lock.lock_folder(epath.Path(folder), share, own_file=own_file)


def test_a_folder_is_of_one_run_until_it_ends(tmp_path):
    with lock(tmp_path):
        for share in (ALONE, Share(0, 2)):
            with (
                pytest.raises(UserError, match="another run is writing to .*: wait"),
                lock(tmp_path, share),
            ):
                pass
    with lock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_the_processes_of_a_run_share_a_folder_but_none_is_there_twice(tmp_path):
    with lock(tmp_path, Share(0, 3)), lock(tmp_path, Share(2, 3)):
        for share, message in (
            (ALONE, "another run is writing"),
            (Share(2, 3), "another process with --process_id=2 is writing"),
        ):
            with pytest.raises(UserError, match=message), lock(tmp_path, share):
                pass
        with lock(tmp_path, Share(1, 3)):
            pass
    with lock(tmp_path):
        pass


def test_a_killed_process_lets_go(tmp_path):
    code = (
        "import sys, time; from tests.system.test_folder_lock import lock\n"
        "with lock(sys.argv[1]): print('locked', flush=True); time.sleep(100)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    with pytest.raises(UserError, match="another run"), lock(tmp_path):
        pass
    process.kill()
    process.communicate()
    with lock(tmp_path):
        pass


def test_where_there_are_no_locks_nothing_is_locked_and_the_first_process_says_so(
    tmp_path, monkeypatch, caplog
):
    caplog.set_level("INFO")

    def flock(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    with contextlib.ExitStack() as stack:
        for share in (ALONE, ALONE, Share(0, 2), Share(0, 2)):
            stack.enter_context(lock(tmp_path, share))
    line = "{} has no locks: give each process a --process_id of its own, and start no other run"
    assert caplog.text.count(line.format(tmp_path)) == 2  # Once each time.
    with lock("gs://bucket/run"), lock("gs://bucket/run"):
        pass
    assert "gs:" not in caplog.text
    with lock("gs://bucket/run", Share(1, 2)), lock("gs://bucket/run", Share(0, 2)):
        pass
    assert caplog.text.count(line.format("gs://bucket/run")) == 1
    caplog.clear()
    monkeypatch.undo()
    with lock(tmp_path, Share(0, 2)):
        pass
    assert "locks" not in caplog.text
