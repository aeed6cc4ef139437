import numpy as np
import pytest

from benchmarks import scaling
from benchmarks.context import Context
from tests.helpers import tiny


@pytest.fixture
def context():
    options = tiny.options(pyramid_size=1, layers_to_use=["relu1_1"], clip_length=6400)
    return Context(options, limits=None, width=1 / 16, rounds=1)


def test_each_size_has_its_seconds_its_memory_and_how_they_grew(context, monkeypatch):
    def run(size, device_count=None):
        work = size.options["num_iterations"] * size.options["clip_length"] * size.width**2
        return {"seconds": work * size.batch, "bytes": 2**20, "devices": device_count}

    monkeypatch.setattr(scaling, "run", run)
    monkeypatch.setattr(scaling, "difference", lambda path, other, clips: (0.0, "the same"))
    *tables, devices = scaling.measure(context)
    assert [table.columns[0] for table in tables] == list(scaling.SIZES)
    for table, values in zip(tables, scaling.SIZES.values()):
        assert [row[0] for row in table.rows] == list(values)
        assert [row[2] for row in table.rows[1:]] == pytest.approx([1] * (len(values) - 1))
        assert all(row[4] < 1 for row in table.rows[1:])
    assert [row[:2] for row in devices.rows] == [[1, 2], [2, 4], [4, 8], [1, 8]]


@pytest.mark.slow
def test_clips_keep_their_bits_on_more_devices(context):
    rows = scaling.measure(context, {}, (1, 2))[0].rows
    assert [row[:2] for row in rows] == [[1, 2], [2, 4], [1, 4]]
    for _, _, seconds, apart, bits in rows[:2]:
        assert seconds > 0
        assert (apart, bits) == (0, "the same")
    assert rows[2][3] < 0.01  # with others beside them on the device: but for rounding


def test_what_differs_is_told(tmp_path):
    paths = [str(tmp_path / f"{number}.npz") for number in range(2)]
    for path, value in zip(paths, (0.0, 0.5)):
        np.savez(path, mel_db=np.array([0, value, 9]), change_db=np.zeros(3), sound=np.zeros(3))
    assert scaling.difference(*paths, clips=2) == (0.5, "others")
    assert scaling.difference(*paths, clips=1) == (0, "the same")


def test_growth_is_of_costs_over_sizes():
    assert scaling.growth([1.0, 3.0, 6.0], [1, 2, 8]) == [None, 1.5, 0.5]
