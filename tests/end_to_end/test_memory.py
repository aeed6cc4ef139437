"""What a run takes of memory, however many clips of however many lengths it has."""

import contextlib
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.helpers.commands import QUICK, finish, start

MEGABYTES = 4096 / 2**20
# With 60 it takes minutes, and is as flat: docs/hunts.md.
LENGTHS = 30


def memory_of(process):
    """Returns the megabytes of a process that are in memory."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * MEGABYTES


def count_handles(process):
    """Returns how many files a process has open."""
    return len(list(Path(f"/proc/{process.pid}/fd").iterdir()))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
def test_memory_is_flat_after_the_first_lengths(tiny_checkpoint, tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 40000)
    (tmp_path / "in").mkdir()
    for number in range(LENGTHS):
        # Long and short ones alternate: memory that follows the length is no growth.
        samples = 6000 + 1000 * (number * 17 % LENGTHS)
        soundfile.write(tmp_path / f"in/{number:02d}.wav", noise[:samples], 22050)
    flags = (f"--checkpoint={tiny_checkpoint}", *QUICK, "--seed=1", "--input=in")
    process = start(*flags, "--output_dir=out", cwd=tmp_path)
    most = np.zeros(LENGTHS + 1)
    while process.poll() is None:
        done = len(list((tmp_path / "out").glob("*.json")))
        with_one_left = min(done, LENGTHS)
        most[with_one_left] = max(most[with_one_left], memory_of(process))
        time.sleep(0.02)
    code, printed = finish(process)
    assert code == 0, printed
    print("MB after each clip:", most.round().tolist())
    # Programs are let go a few at a time, so memory goes up and down: means over many are compared.
    assert most[18:].mean() < 1.1 * most[6:18].mean()
    assert most[18:].max() < 1.3 * most[6:18].mean()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
@pytest.mark.parametrize(("count", "warm", "plots"), [(300, 60, "--noplots"), (120, 80, "--plots")])
def test_memory_and_open_files_are_flat_with_many_clips(
    tiny_checkpoint, tmp_path, count, warm, plots
):
    """The first pictures, of which `warm` are made, take memory that is kept."""
    flags = ("noise", f"--checkpoint={tiny_checkpoint}", *QUICK[:-1], plots)
    flags += (f"--num_clips={count}",)
    process = start(*flags, "--seed=1", "--clip_length=6000", "--output_dir=out", cwd=tmp_path)
    taken = []
    while process.poll() is None:
        done = len(list((tmp_path / "out").glob("*.json")))
        with contextlib.suppress(OSError):  # It may end in this moment.
            taken.append((done, memory_of(process), count_handles(process)))
        time.sleep(0.05)
    code, printed = finish(process)
    assert code == 0, printed
    done, megabytes, handles = np.array(taken).T
    middle = (warm + count) / 2
    early, late = (done > warm) & (done < middle), done > middle
    assert megabytes[late].max() < 1.1 * megabytes[early].max()
    # Files that are being written are open, too.
    assert handles[late].max() <= handles[early].max() + 2
