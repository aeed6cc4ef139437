"""Dreams batches, and finds out which clip is to blame where one cannot be dreamed."""

import logging
from collections.abc import Mapping

import jax
from etils import epath

from dreamsound_jax.networks.loading import Model
from dreamsound_jax.run import dreams, ouroboroses
from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.memory import DoesNotFit, count_held, find_misfit
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.progress import Progress
from dreamsound_jax.run.sources import Source
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.run.writers import Writers
from dreamsound_jax.system import devices
from dreamsound_jax.system.errors import StorageError, describe_error
from dreamsound_jax.system.stopping import check_stop

log = logging.getLogger(__name__)


class BatchRunner:
    """Dreams batches of clips, in parts where they cannot be dreamed all at once.

    Attributes:
      size: clips in a batch; a multiple of the number of devices.
      busy_seconds: for which the device was busy.
    """

    def __init__(self, models: Mapping[str, Model], plan: Plan, warm_up: WarmUp):
        """Prepares to dream by `plan`; `models` has the network of each clip, by `--model`."""
        self._models, self._plan, self._warm_up = models, plan, warm_up
        warm_up.expect(plan)
        self.size = -(-plan.batch_size // devices.count()) * devices.count()
        self.busy_seconds = 0.0
        self._misfits: dict[tuple, DoesNotFit | None] = {}

    def make_room(self, first: Source, *, batches: int) -> None:
        """Makes batches so small that the sounds of so many, as long as the first, can be held."""
        held = count_held(first)
        if held is None or batches * self.size <= held or self.size <= devices.count():
            return
        self.size = max(1, held // batches // devices.count()) * devices.count()
        log.warning(
            "so many clips of the length of %s cannot be held in memory: continuing with "
            "--batch_size=%d",
            *(first.job.name, self.size),
        )

    def dream(
        self, batch: list[Source], writers: Writers, progress: Progress, *, folder: epath.Path
    ) -> None:
        """Dreams a batch, and hands its clips to the writers.

        A clip that cannot be dreamed is recorded with its reason, and the others are dreamed.

        Raises:
          StorageError: what an ouroboros saves cannot be written.
        """
        waiting = [batch] if batch else []
        while waiting:
            check_stop()
            part, *waiting = waiting
            if len(part) > self.size:
                waiting = [part[: self.size], part[self.size :], *waiting]
                continue
            try:
                pending = self._begin(part, progress, folder)
            except StorageError:
                raise
            except Exception as error:
                again = self._after_error(error, part, writers)
                waiting = again + waiting
                if not again:
                    progress.end(len(part))
            else:
                self.busy_seconds += pending.seconds
                progress.end(len(part))
                writers.add(part, pending)

    def _begin(self, part, progress, folder):
        progress.begin(len(part))
        model = self._models[part[0].plan.model]
        full = fill_batch(part, self.size)
        self._check_memory(model, full, self._warm_up.dreams(model, full))
        is_ouroboros = part[0].plan.ouroboros is not None
        dream = ouroboroses.dream_ouroboroses if is_ouroboros else dreams.dream_sources
        return dream(
            model,
            part,
            self._plan,
            size=self.size,
            report=progress.report,
            folder=folder,
        )

    def _check_memory(self, model, full, programs_before):
        """Raises DoesNotFit for each batch of a kind that does not fit."""
        kind = (len(full), full[0].shape, full[0].plan.static)
        if kind not in self._misfits and programs_before is not None:
            self._misfits[kind] = find_misfit(model, full, programs_before)
        if self._misfits.get(kind):
            raise self._misfits[kind]

    def _after_error(self, error, part, writers):
        """Records the clip that failed, or returns the parts that are to be tried again."""
        full = _is_out_of_memory(error)
        too_many = full or isinstance(error, DoesNotFit)
        if too_many and self.size > devices.count():
            fits = error.fits if isinstance(error, DoesNotFit) else self.size // 2
            self.size = max(1, fits // devices.count()) * devices.count()
            reason = "the device has no room for so many clips" if full else str(error)
            log.warning("%s: continuing with --batch_size=%d", reason, self.size)
            return [part]
        if len(part) > 1:
            return [[source] for source in part]
        reason = describe_error(error)
        if full:
            reason = "the device has no room for this clip; a shorter one may fit"
        log.debug("%s", reason, exc_info=error)
        writers.fail(part[0].job, f"{part[0].job.name}: {reason}")
        return []


def _is_out_of_memory(error):
    return isinstance(error, MemoryError) or (
        isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    )
