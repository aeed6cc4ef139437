import jax
import pytest

from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.system import programs
from tests.helpers import tiny

DREAM = {"analyse_clips", "classify", "dream_level_of_clips", "render_clips"}
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

    monkeypatch.setattr(programs, "Program", Traced)
    return names


def sources(**changes):
    given = {"layers_to_use": ("relu1_1",), "pyramid_size": 1, "num_iterations": 1}
    plan = tiny.plan(clip_length=6000, **given | changes)
    return fill_batch([read_source(list_jobs(["noise"], plan)[0])], 2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"optimizer": "adam", "pyramid_size": 2}, DREAM),
        ({"domain": "mel"}, DREAM),
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


def test_where_no_traces_are_kept_nothing_is_compiled_ahead(compiled):
    WarmUp().draws(2, 1)
    WarmUp().dreams(tiny.tiny_model(), sources())
    assert compiled == []
