"""The part `kernels` of the benchmark."""

import pytest

from benchmarks import kernels


def test_a_device_is_busy_while_at_least_one_kernel_runs():
    times = [(10, 20), (0, 4), (15, 30), (16, 18), (40, 41)]
    found = [kernels.Kernel("conv", "kernel", start, end) for start, end in times]
    assert kernels.measure_busy(found) == pytest.approx(4 + 20 + 1)
    assert kernels.measure_busy([]) == 0


def test_the_operations_that_take_longest_come_first(context):
    (table,) = kernels.measure(context)
    times = [row[3] for row in table.rows]
    assert times == sorted(times, reverse=True) and times[-1] > 0
    assert all(operation and count > 0 for operation, _, count, *_ in table.rows)
    assert "clips a second" in table.notes[-1]
