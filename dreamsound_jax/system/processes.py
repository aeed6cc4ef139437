"""The processes of a run: each dreams its own share of the clips, on its own devices.

They never wait for each other while they dream, nor at the end, so that a slow or killed process
stops no other. All that they have in common lies in the folder of the run. That is why no process
joins JAX's cluster, whose processes end together: it is only asked for its size.
"""

from typing import NamedTuple

import jax

from dreamsound_jax.system.errors import UserError, reason_of


class Share(NamedTuple):
    """The share of the clips that a process dreams: every `count`-th, from `index` on.

    Attributes:
      index: of the process, from 0.
      count: how many processes there are.

    Example:
      >>> [number for number in range(7) if Share(1, 3).includes(number)]
      [1, 4]
    """

    # A share has no use for the methods of a tuple with these names.
    index: int = 0  # type: ignore[assignment]
    count: int = 1  # type: ignore[assignment]

    def includes(self, number: int) -> bool:
        """Whether a clip with this number belongs to the share."""
        return number % self.count == self.index


ALONE = Share()
"""The share of the only process."""


def find_share(*, distributed: bool, num_processes: int | None, process_id: int | None) -> Share:
    """Finds out which of several processes this is; called before anything is computed.

    Args:
      distributed: whether the cluster is asked for what is None.
      num_processes: how many processes there are.
      process_id: which of them this is, from 0.

    Raises:
      UserError: the numbers contradict each other, or are not known.
    """
    if distributed:
        num_processes, process_id = _ask_cluster(num_processes, process_id)
    if num_processes is None and process_id is None and not distributed:
        return ALONE
    if num_processes is None or process_id is None:
        raise UserError(
            "--num_processes and --process_id must both be given, or --distributed alone on a "
            "cluster that JAX knows, such as Slurm or a TPU slice"
        )
    if process_id >= num_processes:
        raise UserError(
            f"--process_id must be less than --num_processes, which is {num_processes}, and is "
            f"{process_id}"
        )
    return Share(process_id, num_processes)


def _ask_cluster(num_processes, process_id):
    """Returns (number of processes, index of this one); what the cluster does not say stays None.

    Where several processes run on one machine, this one gets its own GPU, as
    `jax.distributed.initialize` would do.
    """
    try:
        # JAX has no public function that asks a cluster without joining it.
        from jax._src.clusters import ClusterEnv

        _, num_processes, process_id, devices = ClusterEnv.auto_detect_unset_distributed_params(
            "not needed", num_processes, process_id, None, None, None
        )
    except Exception as error:  # Each cluster has its own family of errors.
        raise UserError(
            f"the cluster does not say which process this is ({reason_of(error)}); give "
            "--num_processes and --process_id instead of --distributed"
        ) from error
    if devices:
        visible = ",".join(map(str, devices))
        jax.config.update("jax_cuda_visible_devices", visible)
        jax.config.update("jax_rocm_visible_devices", visible)
    return num_processes, process_id
