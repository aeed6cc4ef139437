"""Several processes that share the clips of a run: none waits for another, or ends with it."""

import json
import time

import pytest

from dreamsound_jax.outputs import folder
from dreamsound_jax.system.errors import UserError
from tests.helpers.clips import files_of, records_of
from tests.helpers.commands import QUICK, dream, finish, start

COUNT = 12
# The command of scripts that were written when the processes had to find each other.
OF_TWO = ("--num_processes=2", "--coordinator_address=localhost:9")


@pytest.fixture
def flags(tiny_checkpoint):
    given = ("noise", f"--checkpoint={tiny_checkpoint}", *QUICK, "--clip_length=6000")
    return (*given, f"--num_clips={COUNT}", "--output_dir=out")


def start_process(number, *flags, cwd, **environment):
    return start(*flags, *OF_TWO, f"--process_id={number}", cwd=cwd, **environment)


def wait_until(reached):
    deadline = time.monotonic() + 300
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(process):
    assert process.poll() is None, process.communicate()
    process.kill()
    process.communicate()


def numbers_of(folder):
    return sorted({record["number"] for record in records_of(folder)})


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_killed_process_stops_no_other_and_the_same_command_completes_the_run(
    killed, flags, tmp_path
):
    """Without --seed, which process 0 writes down. The killed one has much more to do."""
    swept = (*flags, f"--sweep=num_iterations={'20000,2' if killed == 0 else '2,20000'}")
    out, other = tmp_path / "out", 1 - killed
    running = [start_process(number, *swept, cwd=tmp_path) for number in range(2)]
    wait_until((out / "params.json").exists)
    wait_until(lambda: list(out.glob("manifest-*.jsonl")))
    kill(running[killed])
    code, printed = finish(running[other])
    assert code == 0, printed
    assert numbers_of(out) == list(range(other, COUNT, 2))
    assert f"6 of {COUNT} clips are left, to other processes; if one has ended" in printed
    # The rest is dreamed by processes that need not be as many as before; here, with fewer steps.
    params = json.loads((out / "params.json").read_text())
    text = json.dumps(params).replace("20000", "3")
    (out / "params.json").write_text(text)
    shorter = [flag.replace("20000", "3") for flag in swept]
    printed = dream(*shorter, cwd=tmp_path)
    assert printed.count(": the network hears") == COUNT // 2
    assert numbers_of(out) == list(range(COUNT))
    assert len(files_of(out)) == 4 * COUNT


@pytest.mark.slow
def test_a_process_that_is_done_does_not_wait_for_one_with_much_more_to_do(flags, tmp_path):
    uneven = (*flags, "--sweep=num_iterations=2,20000", "--seed=1")
    running = [start_process(number, *uneven, cwd=tmp_path) for number in range(2)]
    code, printed = finish(running[0])
    assert code == 0, printed
    kill(running[1])
    assert set(range(0, COUNT, 2)) <= set(numbers_of(tmp_path / "out"))


def test_without_a_seed_the_others_wait_for_process_0_and_say_so_in_the_end(flags, tmp_path):
    started = time.monotonic()
    late = start_process(1, *flags, "--join_timeout=1", cwd=tmp_path)
    others = [flag for flag in flags if not flag.startswith("--layers_to_use")]
    wrong = start_process(1, *others, "--layers_to_use=relu9_9", cwd=tmp_path)
    code, printed = finish(late)
    assert (code, printed.count("\n")) == (2, 1), printed
    assert "process 0 has not written the seed to 'out' within 1 s" in printed
    code, printed = finish(wrong)
    assert (code, printed.count("\n")) == (2, 1) and "no layer 'relu9_9'" in printed, printed
    assert time.monotonic() - started < 60
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_processes_of_a_cluster_find_out_which_they_are(flags, tmp_path):
    """With the variables that Slurm sets; process 1 is started first, and waits."""
    slurm = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    running = []
    for number in (1, 0):
        own = {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
        running.append(start(*flags, "--distributed", cwd=tmp_path, **slurm, **own))
    for process in running:
        code, printed = finish(process)
        assert code == 0, printed
    for number in range(2):
        manifest = (tmp_path / "out" / f"manifest-00{number}.jsonl").read_text()
        own = sorted(json.loads(line)["number"] for line in manifest.splitlines())
        assert own == list(range(number, COUNT, 2))


@pytest.mark.slow
def test_a_second_run_in_a_folder_ends_at_once_and_the_first_dreams_each_clip_once(flags, tmp_path):
    """With the same flags, with others, and as one of two processes."""
    long = (*flags, "--seed=1", "--sweep=num_iterations=2,20000")
    first = start(*long, cwd=tmp_path)
    wait_until(lambda: (tmp_path / "out/params.json").exists() or first.poll() is not None)
    beside = [start(*long, cwd=tmp_path), start_process(0, *long, cwd=tmp_path)]
    for process in beside:
        code, printed = finish(process)
        assert (code, printed.count("\n")) == (2, 1), printed
        assert "another run is writing to out: wait until it has ended, or name" in printed
    code, printed = finish(start(*long, "--lr=0.3", cwd=tmp_path))
    assert (code, printed.count("\n")) == (2, 1), printed
    assert "'out' already holds a run with no --lr, not --lr 0.3; name another" in printed
    wait_until(lambda: numbers_of(tmp_path / "out"))
    kill(first)
    # Both processes of a run may be there, but each once.
    running = [start_process(number, *long, cwd=tmp_path) for number in (0, 1, 1)]
    wait_until(lambda: any(process.poll() is not None for process in running[1:]))
    (refused,) = (process for process in running if process.poll() is not None)
    code, printed = finish(refused)
    assert code == 2 and "another process with --process_id=1 is writing to out" in printed
    for process in running:
        if process is not refused:
            kill(process)
    numbers = [record["number"] for record in records_of(tmp_path / "out")]
    assert len(numbers) == len(set(numbers))


def test_a_seed_that_does_not_come_is_said_after_ten_seconds(tmp_path, monkeypatch, caplog):
    """Time passes as fast as it can."""
    now = [0.0]
    monkeypatch.setattr(folder.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(folder.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    caplog.set_level("INFO")
    with pytest.raises(UserError, match="process 0 has not written the seed to .* within 60 s"):
        folder.wait_for_run(str(tmp_path), {"seed": None}, may_differ=(), seconds=60)
    (record,) = caplog.records
    assert record.getMessage() == f"waiting for process 0 to write the seed to {tmp_path}"
    assert now == [60]
