"""The page of a run, which is written anew while its clips are done."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from dreamsound_jax.outputs.folder import PAGE, write_index
from dreamsound_jax.outputs.manifest import Manifest
from dreamsound_jax.run.clip_command import make_clip_command
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.plan import Plan
from dreamsound_jax.run.presets import find_preset
from dreamsound_jax.system.errors import describe_error

log = logging.getLogger(__name__)

# While a run goes on, its page is written so often.
_SECONDS_BETWEEN_PAGES = 5.0


class RunPage:
    """The page of a run, with each clip and the command that repeats it."""

    def __init__(
        self,
        folder: epath.Path,
        plan: Plan,
        jobs: Sequence[Job],
        *,
        command: str,
        notes: Mapping[str, str],
        is_preview: bool,
    ):
        """Prepares the page; nothing is written yet.

        Args:
          folder: of the run.
          plan: of the run.
          jobs: its clips.
          command: the command line that repeats the run, except for the seed.
          notes: what the page says above its clips, name to text.
          is_preview: whether presets are compared on parts of the inputs.
        """
        self._folder, self._jobs, self._command, self._seed = folder, jobs, command, plan.seed
        self._notes, self._is_preview = notes, is_preview
        self._next = time.monotonic() + _SECONDS_BETWEEN_PAGES
        self._has_failed = False

    def write(self, records: Mapping[int, dict[str, Any]]) -> None:
        """Writes the page with the records of clips, by number."""
        write_index(
            self._folder,
            {number: self._describe(record) for number, record in records.items()},
            command=self._command,
            seed=self._seed,
            count=len(self._jobs),
            notes=self._notes,
            is_preview=self._is_preview,
        )

    def rewrite(self, manifest: Manifest) -> None:
        """Writes the page with the clips that are done so far, if that was not done lately."""
        begun = time.monotonic()
        if begun < self._next:
            return
        self._try_to_write(manifest)
        # With many clips, or in a store, it takes long: then it is done less often.
        took = time.monotonic() - begun
        self._next = begun + max(_SECONDS_BETWEEN_PAGES, 20 * took)

    def _try_to_write(self, manifest):
        """Writes the page; that it cannot be written is said once, and costs no clip."""
        try:
            self.write(manifest.records())
        except Exception as error:
            log.debug("%s", PAGE, exc_info=error)
            if not self._has_failed:
                log.warning(
                    "the page cannot be written for now, and the clips go on: %s",
                    describe_error(error),
                )
            self._has_failed = True

    def _describe(self, record):
        """Returns a record with what to expect of its preset, and the command that repeats it."""
        if record["number"] >= len(self._jobs):
            return record
        job = self._jobs[record["number"]]
        command = make_clip_command(job, run_command=self._command)
        known = dict(record)
        if "preset" in job.plan.changes:
            known |= {"preset": job.plan.preset}
            known["what_to_expect"] = find_preset(job.plan.preset).summary
        return known | ({} if command is None else {"command": command})
