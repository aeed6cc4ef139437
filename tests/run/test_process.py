"""The clips of a run and what is left of them, with a stand-in for the dream."""

import json
import logging
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run import dreams, models, process, run_page
from dreamsound_jax.run import run as runs
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.writers import PendingClips
from dreamsound_jax.system.errors import StorageError, UserError
from dreamsound_jax.system.processes import ALONE, Share
from tests.helpers import tiny

SOUND = 0.1 * np.sin(np.arange(12000))
FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")


@pytest.fixture
def run(tmp_path, monkeypatch, caplog):
    """Runs with `dream` in place of a dream; returns how many failed, and (clips, size) of each."""
    monkeypatch.setattr(models, "load_model", lambda *_, **__: Model(tiny.CARD, ()))
    monkeypatch.setattr(process, "write_clip", lambda folder, record: record)
    caplog.set_level(logging.INFO, logger="dreamsound_jax")

    def call(dream, *, share=ALONE, **changes):
        sizes = []

        def stand_in(model, batch, plan, *, size, report, folder):
            sizes.append((len(batch), size))
            dream([source.job for source in batch])
            jobs = [source.job for source in batch]
            records = [{"number": j.number, "name": j.name, "input": j.path} for j in jobs]
            return PendingClips([lambda each=each: each for each in records], lambda: None, 0.0)

        monkeypatch.setattr(dreams, "dream_sources", stand_in)
        given = {"input": ("noise",), "num_clips": 10, "batch_size": 8, "clip_length": 12000}
        given |= {"pyramid_size": 1, "output_dir": str(tmp_path / "out")} | changes
        return runs.run(tiny.options(**given), command="dreamsound", share=share), sizes

    return call


def records(folder):
    return [json.loads(line) for line in (folder / "manifest-000.jsonl").read_text().splitlines()]


def do_nothing(jobs):
    """A dream that always succeeds."""


def test_a_batch_that_does_not_fit_is_halved_and_so_are_later_ones(run, tmp_path, caplog):
    def dream(jobs):
        if len(jobs) > 2:
            raise FULL

    failed, sizes = run(dream)
    assert failed == 0
    assert sizes == [(8, 8), (4, 4), *[(2, 2)] * 5]
    assert sorted(record["number"] for record in records(tmp_path / "out")) == list(range(10))
    assert "continuing with --batch_size=2" in caplog.text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_clips": 1}, [(1, 64)]),
        ({"num_clips": 70}, [(70, 70)]),
        (
            {"num_clips": 140, "sweep": {"layers_to_use": (("relu1_1",), ("relu1_2",))}},
            [(70, 70), (70, 70)],
        ),
    ],
)
def test_a_batch_is_no_larger_than_the_run_has_clips(run, changes, expected):
    failed, sizes = run(do_nothing, batch_size=4096, clip_length=6000, **changes)
    assert (failed, sizes) == (0, expected)


def test_a_clip_that_fits_on_no_device_fails_alone(run, tmp_path):
    def dream(jobs):
        if any(job.number == 3 for job in jobs):
            raise FULL

    failed, _ = run(dream, batch_size=2)
    assert failed == 1
    (record,) = (each for each in records(tmp_path / "out") if "error" in each)
    assert (record["number"], "a shorter one may fit" in record["error"]) == (3, True)
    assert sorted(each["number"] for each in records(tmp_path / "out")) == list(range(10))


def test_a_clip_that_cannot_be_dreamed_is_found_and_fails_alone_whatever_it_raises(run, tmp_path):
    def dream(jobs):
        if any(job.number == 3 for job in jobs):
            raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    failed, sizes = run(dream)
    assert failed == 1
    assert sizes == [(8, 8), *[(1, 8)] * 8, (2, 8)]
    (record,) = (each for each in records(tmp_path / "out") if "error" in each)
    assert record["error"] == "00003-noise: JaxRuntimeError: INTERNAL: a bug"
    assert sorted(each["number"] for each in records(tmp_path / "out")) == list(range(10))


def test_memory_of_the_host_that_does_not_suffice_halves_the_batch(run):
    def dream(jobs):
        if len(jobs) > 4:
            raise MemoryError

    assert run(dream) == (0, [(8, 8), (4, 4), (4, 4), (2, 4)])


def test_a_full_disk_ends_the_run(run):
    def dream(jobs):
        raise StorageError("cannot write 'rounds.npz': No space left on device")

    with pytest.raises(StorageError):
        run(dream)


def write_sounds(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        soundfile.write(folder / name, SOUND, 22050)


def finish_all(folder):
    """Writes the .json of all recorded clips, in place of the files that clips have."""
    for record in records(folder):
        (folder / f"{record['name']}.json").write_text("{}")


def test_files_that_are_added_or_removed_are_seen_and_the_others_keep_their_numbers(run, tmp_path):
    taken, sounds = [], tmp_path / "in"

    def dream(jobs):
        taken.extend((job.number, Path(job.path).stem) for job in jobs)

    given = {"input": (str(sounds),), "num_clips": None, "seed": 1}
    write_sounds(sounds, "b.wav", "c.wav", "d.wav")
    assert run(dream, **given)[0] == 0
    finish_all(tmp_path / "out")
    write_sounds(sounds, "a.wav", "e.wav")
    (sounds / "b.wav").unlink()
    (tmp_path / "out" / "00002-d.json").unlink()
    taken.clear()
    assert run(dream, **given)[0] == 0
    assert taken == [(2, "d"), (3, "a"), (4, "e")]
    finish_all(tmp_path / "out")
    taken.clear()
    assert run(dream, **given) == (0, [])


def test_clips_that_are_not_done_and_whose_files_are_gone_are_left_out(run, tmp_path, caplog):
    """So that the run can end; a file that comes back is dreamed on."""
    sounds, out = tmp_path / "in", tmp_path / "out"
    bad = sounds / "b.wav"
    given = {"input": (str(sounds), str(bad)), "num_clips": None, "seed": 1}
    given |= {"sweep": {"lr": (0.1, 0.2)}}
    write_sounds(sounds, "a.wav", "c.wav")
    bad.write_bytes(b"no sound")
    assert run(do_nothing, **given)[0] == 4
    finish_all(out)
    (out / "00004-c.json").unlink()
    for name in ("a.wav", "b.wav", "c.wav"):
        (sounds / name).rename(tmp_path / name)
    write_sounds(sounds, "d.wav")
    caplog.clear()
    failed, sizes = run(do_nothing, **given)
    assert (failed, sizes) == (0, [(2, 8)])
    left_out = f"gone since the run began, and left out: {bad}, {sounds / 'c.wav'}"
    assert caplog.text.count(left_out) == 1 and "there is no file" not in caplog.text
    kept = f"gone since the run began, with a dream that is kept: {sounds / 'a.wav'}\n"
    assert caplog.text.count(kept) == 1
    page = (out / "index.html").read_text()
    assert "5 done, 5 failed" in page and "b.wav is gone since the run began" in page
    finish_all(out)
    (out / "00004-c.json").unlink()
    count = len(records(out))
    assert run(do_nothing, **given) == (0, [])
    assert "all clips were done before (5)" in caplog.text
    assert len(records(out)) == count
    (tmp_path / "c.wav").rename(sounds / "c.wav")
    assert run(do_nothing, **given) == (0, [(1, 8)])


def test_two_processes_leave_out_the_same_clips(run, tmp_path, caplog):
    sounds = tmp_path / "in"
    write_sounds(sounds, "a.wav", "b.wav", "c.wav", "d.wav")
    given = {"input": (str(sounds),), "num_clips": None, "seed": 1}

    def dream(jobs):
        raise UserError("not now")

    taken = []
    for dreams_now in (dream, lambda jobs: taken.extend(job.number for job in jobs)):
        failed = [run(dreams_now, share=Share(index, 2), **given)[0] for index in range(2)]
        for name in ("a.wav", "d.wav"):
            (sounds / name).unlink(missing_ok=True)
    assert (failed, taken) == ([0, 0], [2, 1])
    assert "are left, to other processes" not in caplog.text[caplog.text.index("left out") :]


def test_an_input_that_has_changed_is_dreamed_on_again_and_named(run, tmp_path, caplog):
    sounds, taken = tmp_path / "in", []
    given = {"input": (str(sounds), "drums", "noise"), "num_clips": None, "seed": 1}
    given |= {"sweep": {"lr": (0.1, 0.2)}}

    def again():
        finish_all(tmp_path / "out")
        taken.clear()
        caplog.clear()
        assert run(lambda jobs: taken.extend(job.number for job in jobs), **given)[0] == 0
        return sorted(taken)

    write_sounds(sounds, "a.wav", "b.wav")
    assert run(do_nothing, **given)[0] == 0
    # A new time, or another place on the disk, is no change.
    os.utime(sounds / "a.wav")
    shutil.copy(sounds / "b.wav", tmp_path / "copy.wav")
    (tmp_path / "copy.wav").replace(sounds / "b.wav")
    assert again() == [] and "all clips were done before (8)" in caplog.text
    # Other samples are, with the same size and the same time.
    first, times = (sounds / "b.wav").read_bytes(), os.stat(sounds / "b.wav")
    soundfile.write(sounds / "b.wav", -0.5 * SOUND, 22050)
    os.utime(sounds / "b.wav", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert again() == [2, 3]
    assert caplog.text.count("changed since it was dreamed on, and dreamed on again: ") == 1
    assert f"again: {sounds / 'b.wav'}\n" in caplog.text
    assert again() == []
    (sounds / "b.wav").write_bytes(first)
    assert again() == [2, 3]


def test_an_input_of_a_record_without_a_fingerprint_is_taken_as_it_is(run, tmp_path):
    write_sounds(tmp_path / "in", "a.wav")
    given = {"input": (str(tmp_path / "in"),), "num_clips": None, "seed": 1}
    run(do_nothing, **given)
    finish_all(tmp_path / "out")
    (record,) = records(tmp_path / "out")
    del record["input_file"]
    (tmp_path / "out/manifest-000.jsonl").write_text(json.dumps(record) + "\n")
    soundfile.write(tmp_path / "in/a.wav", -0.5 * SOUND, 22050)
    assert run(do_nothing, **given) == (0, [])


@pytest.mark.parametrize("kind", ["mask", "guide"])
def test_a_mask_or_guide_that_has_changed_is_refused_and_named(run, tmp_path, kind):
    path = tmp_path / f"mine{'.npy' if kind == 'mask' else '.wav'}"

    def write(level):
        if kind == "mask":
            np.save(path, np.full((128, 60), level))
        else:
            soundfile.write(path, level * SOUND, 22050)

    given = {"mask": str(path)} if kind == "mask" else {"objective": f"guide(relu1_1, {path})"}
    write(0.5)
    run(do_nothing, num_clips=2, **given)
    finish_all(tmp_path / "out")
    os.utime(path)
    assert run(do_nothing, num_clips=2, **given) == (0, [])
    write(0.25)
    with pytest.raises(UserError) as error:
        run(do_nothing, num_clips=2, **given)
    assert str(error.value) == (
        f"the {kind} {str(path)!r} has changed since the run in {str(tmp_path / 'out')!r} was "
        "begun: name another --output_dir for the dreams with what it is now"
    )
    # A run of an early version wrote nothing of it.
    params = json.loads((tmp_path / "out/params.json").read_text())
    del params["files"], params["networks"]
    (tmp_path / "out/params.json").write_text(json.dumps(params))
    assert run(do_nothing, num_clips=2, **given) == (0, [])


def test_the_page_of_a_run_that_was_done_is_written_again(run, tmp_path):
    run(do_nothing)
    finish_all(tmp_path / "out")
    (tmp_path / "out" / "index.html").unlink()
    assert run(do_nothing) == (0, [])
    assert "10 done, 0 failed" in (tmp_path / "out" / "index.html").read_text()


def test_processes_that_see_different_files_dream_the_clips_of_the_first_that_began(
    run, tmp_path, caplog
):
    taken, sounds = [], tmp_path / "in"

    def dream(jobs):
        taken.extend((job.number, Path(job.path).stem) for job in jobs)

    def run_process(index):
        given = {"input": (str(sounds),), "num_clips": None, "seed": 1}
        return run(dream, share=Share(index, 2), **given)

    write_sounds(sounds, "b.wav", "c.wav", "d.wav")
    run_process(0)
    assert "1 of 3 clips is left, to other processes; if one has ended, give" in caplog.text
    (sounds / "b.wav").rename(tmp_path / "b.wav")
    run_process(1)
    assert sorted(taken) == [(0, "b"), (1, "c"), (2, "d")]
    # One that sees none of them finds what the others know.
    sounds.rename(tmp_path / "elsewhere")
    run_process(1)
    params = json.loads((tmp_path / "out" / "params.json").read_text())
    assert [Path(path).stem for path in params["inputs"]] == ["b", "c", "d"]


def test_with_num_clips_files_that_are_added_are_left_out_with_a_line(run, tmp_path, caplog):
    sounds = tmp_path / "in"
    given = {"input": (str(sounds),), "num_clips": 3, "seed": 1}
    write_sounds(sounds, "b.wav")
    run(do_nothing, **given)
    finish_all(tmp_path / "out")
    write_sounds(sounds, "a.wav")
    assert run(do_nothing, **given) == (0, [])
    assert "left out" in caplog.text and "a.wav" in caplog.text


def test_a_clip_that_was_recorded_for_another_input_is_not_done(run, tmp_path):
    run(do_nothing, num_clips=2)
    finish_all(tmp_path / "out")
    manifest = tmp_path / "out" / "manifest-000.jsonl"
    manifest.write_text(manifest.read_text().replace('"input": "noise"', '"input": "sine"', 1))
    taken = []
    run(lambda jobs: taken.extend(job.number for job in jobs), num_clips=2)
    assert taken == [0]


def test_names_that_no_file_system_takes_are_shortened_and_printable(tmp_path):
    job = Job(7, os.fsdecode(b"in/caf\xe9.wav"), 0, None)
    assert job.name == "00007-caf\ufffd"
    assert Job(7, "in/a\nb\033[31m\x9bc\u2028.wav", 0, None).name == "00007-a_b_[31m_c_"
    assert len(Job(7, f"{'ü' * 124}.wav", 0, None).name.encode()) == 206
    assert len(os.fsencode(Job(7, os.fsdecode(b"\xe9" * 250), 0, None).name)) <= 206


def test_clips_that_differ_in_data_alone_share_a_batch(run, tmp_path):
    _, sizes = run(do_nothing, num_clips=None, sweep={"lr": (0.1, 0.2, 0.3, 0.4)})
    assert sizes == [(4, 8)]
    sweep = {"num_iterations": (1, 2), "seed": (1, 2)}
    _, sizes = run(do_nothing, num_clips=None, sweep=sweep, output_dir=str(tmp_path / "b"))
    assert sizes == [(2, 8), (2, 8)]


def test_where_nothing_can_be_dreamed_nothing_is_left(run, tmp_path, caplog):
    failed, sizes = run(do_nothing, input=("sine",), sine_freq=20000.0, num_clips=2)
    assert (failed, sizes) == (2, [])
    assert caplog.text.count("under 11025 Hz") == 2
    assert not (tmp_path / "out").exists()


def test_what_is_wrong_whatever_the_clips_are_is_found_before_the_network_is_loaded(
    run, tmp_path, monkeypatch
):
    def load_model(*arguments, **keywords):
        raise AssertionError("the network is loaded")

    monkeypatch.setattr(models, "load_model", load_model)
    for changes in ({"lr": float("nan")}, {"sweep": {"lr": (0.1, -1.0)}}):
        with pytest.raises(UserError, match="--lr must be"):
            run(do_nothing, **changes)
    assert not (tmp_path / "out").exists()


def test_inputs_that_are_missing_are_counted_and_the_others_dreamed(run, tmp_path, caplog):
    failed, sizes = run(do_nothing, input=("gone.wav", "noise", "sine"), num_clips=None)
    assert (failed, sizes) == (1, [(2, 8)])
    assert "there is no file 'gone.wav'" in caplog.text
    assert [each["name"] for each in records(tmp_path / "out")] == ["00000-noise", "00001-sine"]


def test_a_run_resumes_with_what_is_not_done(run, tmp_path, caplog):
    class Stop(BaseException):
        """Such as Ctrl-C."""

    def dream(jobs):
        if jobs[0].number >= 4:
            raise Stop

    with pytest.raises(Stop):
        run(dream, batch_size=2)
    done = {record["number"] for record in records(tmp_path / "out")}
    assert done <= {0, 1, 2, 3}
    finish_all(tmp_path / "out")
    taken = []
    failed, _ = run(lambda jobs: taken.extend(job.number for job in jobs), batch_size=2)
    assert failed == 0
    assert sorted(taken) == sorted({*range(10)} - done)
    assert {record["number"] for record in records(tmp_path / "out")} == {*range(10)}
    finish_all(tmp_path / "out")
    assert run(do_nothing, batch_size=2, save_every=1.0) == (0, [])
    assert "all clips were done before (10)" in caplog.text


@pytest.mark.parametrize("kept", ["", "8 rounds of the next 2 clips"])
def test_a_stop_writes_the_page_and_says_what_is_kept_and_how_to_go_on(run, tmp_path, kept):
    def dream(jobs):
        if jobs[0].number == 6:
            raise KeyboardInterrupt(*filter(None, [kept]))

    with pytest.raises(KeyboardInterrupt) as stopped:
        run(dream, batch_size=2)
    folder = tmp_path / "out"
    done = len(records(folder))
    assert "<html" in (folder / "index.html").read_text()
    says, also = f"{done} of 10 clips {'is' if done == 1 else 'are'} done", f", and {kept} are kept"
    command = f"dreamsound --output_dir={folder}"
    assert str(stopped.value) == f"{says}{also if kept else ''}; to go on: {command}"


def test_a_page_that_cannot_be_written_does_not_hide_a_stop(run, monkeypatch, caplog):
    def write_index(*_, **__):
        raise StorageError("No space left on device")

    def dream(jobs):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_page, "write_index", write_index)
    with pytest.raises(KeyboardInterrupt, match="0 of 10 clips are done; to go on: dreamsound"):
        run(dream)
    assert "index.html could not be written: No space left on device" in caplog.text


def test_a_page_that_cannot_be_written_is_said_once_and_costs_no_clip(
    run, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(run_page, "_SECONDS_BETWEEN_PAGES", 0.0)
    (tmp_path / "out" / "index.html").mkdir(parents=True)
    with pytest.raises(UserError, match=r"cannot write .*index\.html': Is a directory"):
        run(do_nothing, batch_size=2)
    assert {record["number"] for record in records(tmp_path / "out")} == {*range(10)}
    said = "the page cannot be written for now, and the clips go on: cannot write"
    assert [r.getMessage().startswith(said) for r in caplog.records].count(True) == 1


def test_a_page_that_fails_on_the_way_is_whole_at_the_end(run, tmp_path, monkeypatch, caplog):
    tries, write_index = [], run_page.write_index

    def fail_at_first(*arguments, **keywords):
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("no page")
        write_index(*arguments, **keywords)

    monkeypatch.setattr(run_page, "_SECONDS_BETWEEN_PAGES", 0.0)
    monkeypatch.setattr(run_page, "write_index", fail_at_first)
    assert run(do_nothing, batch_size=2)[0] == 0
    assert caplog.text.count("RuntimeError: no page") == 1
    assert "10 done, 0 failed" in (tmp_path / "out" / "index.html").read_text()


def test_another_run_is_not_resumed_and_without_a_seed_the_earlier_seed_is_taken(run, tmp_path):
    run(do_nothing, seed=None)
    params = json.loads((tmp_path / "out" / "params.json").read_text())
    assert 0 <= params["seed"] == params["flags"]["seed"] < 2**31
    taken = []
    run(lambda jobs: taken.extend(job.plan.seed for job in jobs), seed=None)
    assert {*taken} == {params["seed"]}
    with pytest.raises(UserError, match="already holds a run with no --lr, not --lr 0.3"):
        run(do_nothing, seed=None, lr=0.3)


def test_a_class_without_effect_is_mentioned(run, tmp_path, caplog):
    run(do_nothing, target_class="class_1", layers_to_use=("relu1_1",))
    assert "--target_class has no effect unless --layers_to_use includes output" in caplog.text
    caplog.clear()
    run(do_nothing, target_class="class_1", output_dir=str(tmp_path / "with_effect"))
    assert "no effect" not in caplog.text
