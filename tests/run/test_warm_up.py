"""Programs are compiled before they are needed, and are those that are needed."""

import logging
import sys
import threading

import jax
import numpy as np
import pytest

from dreamsound_jax.run import warm_up as warm_up_module
from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.system import programs
from tests.helpers import tiny

DREAM = {"analyse_clips", "classify", "measure_clips", "dream_level_of_clips", "render_clips"}
OUROBOROS = {"analyse_clips", "begin_clips", "dream_level_of_clips", "close_clips"}


@pytest.fixture
def compiled(monkeypatch):
    """The names of the programs that are compiled, which here are traced and no more."""
    names = []

    class Traced:
        def __init__(self, exported, structure, name, compilers):
            names.append(name)
            shapes = [programs._shape_of(aval) for aval in exported.out_avals]
            self.result_shape = jax.tree.unflatten(structure, shapes)

    monkeypatch.setattr(programs, "CompiledProgram", Traced)
    return names


def sources(**changes):
    given = {"layers_to_use": ("relu1_1",), "pyramid_size": 1, "num_iterations": 1}
    plan = tiny.plan(clip_length=6000, **given | changes)
    return fill_batch([read_source(list_jobs(["noise"], plan)[0])], 2)


def lengthen(clips, samples):
    return [clip._replace(sound=np.pad(clip.sound, (0, samples))) for clip in clips]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "adam", "pyramid_size": 2}, DREAM),
        ({"domain": "mel"}, DREAM),
        ({"domain": "mel", "strength": 50.0}, {*DREAM, "scale_clips"}),
        ({"strength": 50.0}, {*DREAM, "scale_clips"}),
        ({"create_ouroboros": True, "ouroboros_transform": ("pitch_shift",)}, OUROBOROS),
        ({"create_ouroboros": True, "domain": "mel"}, OUROBOROS),
    ],
)
def test_programs_are_compiled_ahead_and_another_process_finds_their_traces(
    changes, expected, compiled, tmp_path, monkeypatch
):
    """So no key depends on where things lie in memory, and every result can be kept."""
    clips = sources(**changes)
    with programs.keep_in(str(tmp_path)):
        warm_up = WarmUp()
        for _ in range(2):  # The second batch is of the same kind.
            warm_up.dreams(tiny.tiny_model(), clips)
    assert {*compiled} == expected
    assert len(compiled) == len(expected) + clips[0].plan.pyramid_size - 1
    assert len(list(tmp_path.iterdir())) == len(compiled)

    def export(*arguments):
        raise AssertionError("a program is traced anew")

    monkeypatch.setattr(programs, "_export", export)
    jax.clear_caches()
    with programs.keep_in(str(tmp_path)):
        WarmUp().dreams(tiny.tiny_model(), clips)
    assert len(compiled) == 2 * len(list(tmp_path.iterdir()))


def test_programs_are_let_go_when_there_are_many_but_not_those_of_a_sweep(monkeypatch):
    let_go = []
    monkeypatch.setattr(warm_up_module, "let_go", lambda: let_go.append(1))
    monkeypatch.setattr(warm_up_module, "MOST_KINDS", 3)
    model, warm_up = tiny.tiny_model(), WarmUp()
    lengths = [sources(), *(lengthen(sources(), more) for more in (500, 1000, 1500, 2000, 2500))]
    for number, clips in enumerate(lengths):
        for _ in range(2):
            warm_up.dreams(model, clips)
        assert len(let_go) == number // 3
    let_go.clear()
    layers = tuple((f"relu{stage}_1",) for stage in range(1, 6))
    plan = tiny.plan(sweep={"layers_to_use": layers}, pyramid_size=1, clip_length=6000)
    warm_up = WarmUp()
    warm_up.expect(plan)
    for job in list_jobs(["noise", "noise"], plan):
        warm_up.dreams(model, [read_source(job)])
    assert let_go == []


def test_where_no_traces_are_kept_nothing_is_compiled_ahead(compiled):
    WarmUp().draws(2, 1)
    WarmUp().dreams(tiny.tiny_model(), sources())
    assert compiled == []


def test_the_end_of_a_process_waits_for_imports(monkeypatch):
    end = threading.Event()
    monkeypatch.setattr(warm_up_module, "_import_late", end.wait)
    WarmUp().dreams(tiny.tiny_model(), sources())
    threads = [thread for thread in threading.enumerate() if thread.name == "imports"]
    end.set()
    assert [thread.daemon for thread in threads] == [False]


def test_a_module_that_cannot_be_imported_is_left_to_whoever_needs_it(monkeypatch, tmp_path):
    for name, line in (("broken_module", "raise ValueError"), ("whole_module", "")):
        (tmp_path / f"{name}.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("no_such_module", "broken_module", "whole_module")
    monkeypatch.setattr(warm_up_module, "IMPORTED_LATE", names)
    warm_up_module._import_late()
    assert sys.modules.pop("whole_module") and "broken_module" not in sys.modules


@pytest.mark.parametrize(("lengths", "said"), [("exact", 1), ("buckets", 0)])
def test_many_lengths_are_answered_with_the_flag_that_saves_compiling_once(lengths, said, caplog):
    caplog.set_level(logging.INFO, logger="dreamsound_jax")
    warm_up, clips = WarmUp(), sources()
    warm_up.expect(resolve(tiny.options(lengths=lengths), tiny.CARD))
    for number in range(20):
        warm_up.dreams(None, lengthen(clips, 100 * number))
        warm_up.dreams(None, lengthen(clips, 100 * number))
        assert caplog.text.count("--lengths=buckets") == (said if number >= 7 else 0)
