"""The run itself, with a stand-in for the dream: what happens when things go wrong."""

import json

import jax
import pytest

from dreamsound_jax.networks import loading
from dreamsound_jax.run import generate, single
from dreamsound_jax.run.finish import Dreamed
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

FULL = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs with `dream` in place of a dream; returns how many failed, and the batches' sizes."""
    monkeypatch.setattr(loading, "load", lambda *_, **__: loading.Model(tiny.CARD, ()))
    monkeypatch.setattr(generate, "write_clip", lambda folder, clip: clip)

    def go(dream, **changes):
        sizes = []

        def instead(model, batch, options, *, folder, tell):
            sizes.append((len(batch), options.batch_size))
            dream(batch)
            record = [{"number": each.number, "name": each.name} for each in batch]
            return Dreamed([lambda each=each: each for each in record], lambda: None, 0.0)

        monkeypatch.setattr(single, "dream", instead)
        given = {"input": ["noise"], "num_clips": 10, "batch_size": 8, "clip_length": 12000}
        given |= {"pyramid_size": 1, "output_dir": str(tmp_path / "out")} | changes
        return generate.run(tiny.options(**given), command="dreamsound"), sizes

    return go


def lines(folder):
    return [json.loads(line) for line in (folder / "manifest-000.jsonl").read_text().splitlines()]


def test_a_batch_that_does_not_fit_is_halved_and_so_are_later_ones(run, tmp_path, caplog):
    def dream(batch):
        if len(batch) > 2:
            raise FULL

    generate.log.addHandler(caplog.handler)
    failed, sizes = run(dream)
    assert failed == 0
    assert sizes == [(8, 8), (4, 4), *[(2, 2)] * 5]
    assert sorted(line["number"] for line in lines(tmp_path / "out")) == list(range(10))
    assert "--batch_size=2" in caplog.text


def test_a_clip_that_fits_on_no_device_fails_alone(run, tmp_path):
    def dream(batch):
        if any(source.number == 3 for source in batch):
            raise FULL

    failed, sizes = run(dream, batch_size=2)
    assert failed == 1
    (line,) = (line for line in lines(tmp_path / "out") if "error" in line)
    assert (line["number"], "a shorter one may fit" in line["error"]) == (3, True)
    assert sorted(line["number"] for line in lines(tmp_path / "out")) == list(range(10))


def test_other_errors_of_the_device_end_the_run(run):
    def dream(batch):
        raise jax.errors.JaxRuntimeError("INTERNAL: a bug")

    with pytest.raises(jax.errors.JaxRuntimeError, match="a bug"):
        run(dream)


def test_clips_that_differ_in_data_alone_share_a_batch(run, tmp_path):
    _, sizes = run(lambda batch: None, num_clips=None, sweep=[("lr", [0.1, 0.2, 0.3, 0.4])])
    assert sizes == [(4, 8)]
    sweep = [("num_iterations", [1, 2]), ("seed", [1, 2])]
    _, sizes = run(lambda batch: None, num_clips=None, sweep=sweep, output_dir=str(tmp_path / "b"))
    assert sizes == [(2, 8), (2, 8)]


def test_where_nothing_can_be_dreamed_nothing_is_left(run, tmp_path):
    failed, sizes = run(lambda batch: None, input=["sine"], sine_freq=20000.0, num_clips=2)
    assert (failed, sizes) == (2, [])
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="no layer 'relu1_0'"):
        run(lambda batch: None, layers_to_use=["relu1_0"])


def test_a_run_goes_on_with_what_is_not_done(run, tmp_path):
    class Stop(BaseException):
        """As Ctrl-C."""

    def dream(batch):
        if batch[0].number >= 4:
            raise Stop

    with pytest.raises(Stop):
        run(dream, batch_size=2)
    for line in lines(tmp_path / "out"):
        (tmp_path / "out" / f"{line['name']}.json").write_text("{}")
    assert {line["number"] for line in lines(tmp_path / "out")} <= {0, 1, 2, 3}
    taken = []
    failed, _ = run(lambda batch: taken.extend(each.number for each in batch), batch_size=2)
    done = {line["number"] for line in lines(tmp_path / "out")}
    assert done == set(range(10)) and taken[-6:] == list(range(4, 10))
