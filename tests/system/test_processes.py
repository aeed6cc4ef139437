"""Processes share out the clips of a run."""

import jax
import pytest

from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import ALONE, Share, find_share


def test_shares_have_no_clip_in_common_and_leave_none_out():
    shares = [find_share(distributed=False, num_processes=3, process_id=id) for id in range(3)]
    assert shares == [Share(0, 3), Share(1, 3), Share(2, 3)]
    assert [sum(share.includes(number) for share in shares) for number in range(10)] == [1] * 10
    alone = find_share(distributed=False, num_processes=None, process_id=None)
    assert alone == ALONE and all(map(alone.includes, range(10)))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((2, None), "--num_processes and --process_id must both be given"),
        ((None, 1), "--num_processes and --process_id must both be given"),
        ((2, 2), "--process_id must be less than --num_processes, which is 2, and is 2"),
    ],
)
def test_numbers_that_contradict_each_other(numbers, message):
    with pytest.raises(UserError, match=message):
        find_share(distributed=False, num_processes=numbers[0], process_id=numbers[1])


def test_where_there_is_no_cluster_the_numbers_must_be_given():
    with pytest.raises(UserError, match="must both be given"):
        find_share(distributed=True, num_processes=None, process_id=None)
    assert find_share(distributed=True, num_processes=2, process_id=1) == Share(1, 2)


def test_a_cluster_says_which_process_this_is_and_which_gpu_it_has(monkeypatch):
    """With the variables that Open MPI sets."""
    for name, value in (("MCA_orte_hnp_uri", "1.0;tcp://10.0.0.1:1"), ("COMM_WORLD_SIZE", "4")):
        monkeypatch.setenv(f"OMPI_{name}", value)
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "3")
    monkeypatch.setenv("OMPI_COMM_WORLD_LOCAL_RANK", "1")
    updated = {}
    monkeypatch.setattr(jax.config, "update", updated.__setitem__)
    share = find_share(distributed=True, num_processes=None, process_id=None)
    assert share == Share(3, 4)
    assert updated == {"jax_cuda_visible_devices": "1", "jax_rocm_visible_devices": "1"}
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "no number")
    with pytest.raises(UserError, match="the cluster does not say which process this is"):
        find_share(distributed=True, num_processes=None, process_id=None)
