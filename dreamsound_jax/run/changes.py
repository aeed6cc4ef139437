"""What a run was begun with, and what of it has changed when it is resumed.

Each clip that is done is recorded with the fingerprint of its input. The network, and the files of
masks and guides, stand in params.json: what is dreamed with others is another run.
"""

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dreamsound_jax.audio.find import BUILT_IN, RECORDINGS
from dreamsound_jax.networks.loading import find_digest
from dreamsound_jax.objectives.guides import FeaturesTerm, GuideTerm
from dreamsound_jax.objectives.interpolation import Interpolation
from dreamsound_jax.run.jobs import Job, name_some
from dreamsound_jax.run.options import Options
from dreamsound_jax.run.plan import ClipPlan, Plan
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.fingerprint import has_changed, take_fingerprint

log = logging.getLogger(__name__)

Parts = Mapping[str, Mapping[str, Any]]
"""`networks`, {model: the digest of its weights}, and `files`, {path: its fingerprint}."""

_THREADS = 16  # files that are looked at at the same time: those of a store take long


def list_changed(jobs: Sequence[Job], recorded: Mapping[int, Mapping | None]) -> list[Job]:
    """Returns those jobs that are done whose inputs have changed since; a warning names these.

    Args:
      jobs: those that are done.
      recorded: {number of a job: the fingerprint of its input when it was dreamed, or None}.
    """
    asked: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        before = recorded[job.number]
        if before and job.path not in BUILT_IN:
            same = {name: value for name, value in before.items() if name != "taken"}
            asked.setdefault((job.path, json.dumps(same, sort_keys=True)), []).append(job)
    with ThreadPoolExecutor(_THREADS) as pool:
        answers = pool.map(lambda key: has_changed(key[0], json.loads(key[1])), asked)
        found = [jobs for jobs, is_other in zip(asked.values(), answers) if is_other]
    changed = [job for jobs in found for job in jobs]
    if changed:
        names = name_some(dict.fromkeys(job.path for job in changed))
        log.warning("changed since it was dreamed on, and dreamed on again: %s", names)
    return changed


def list_left_out(gone: Sequence[Job], done: Collection[int]) -> list[Job]:
    """Returns those jobs that are not done and cannot be; lines name the inputs that are gone.

    Args:
      gone: those whose inputs are gone since the run began.
      done: the numbers of all that are done.
    """
    left_out = [job for job in gone if job.number not in done]
    names = dict.fromkeys(job.path for job in left_out)
    kept = dict.fromkeys(job.path for job in gone if job.path not in names)
    if kept:
        log.info("gone since the run began, with a dream that is kept: %s", name_some(kept))
    if names:
        log.warning("gone since the run began, and left out: %s", name_some(names))
    return left_out


def find_parts(options: Options, plan: Plan, models: Iterable[str]) -> Parts:
    """Returns what a run is made with besides its inputs and flags.

    A file that cannot be found is left out; what needs it says so.

    Args:
      options: of the run.
      plan: of the run.
      models: the names of its networks.
    """
    networks = {name: find_digest(name, checkpoint=options.checkpoint) for name in models}
    files = {path: take_fingerprint(path) for _, path in _list_files(plan)}
    return {
        "networks": {name: digest for name, digest in networks.items() if digest},
        "files": {path: fingerprint for path, fingerprint in files.items() if fingerprint},
    }


def check_parts(earlier: Mapping[str, Any], parts: Parts, plan: Plan, options: Options) -> None:
    """Raises UserError if a run that is resumed was begun with another network, mask or guide.

    Args:
      earlier: the content of the params.json of the run; one of an early version has no parts.
      parts: what the run is made with now.
      plan: of the run.
      options: of the run.
    """
    before = _read_before(earlier, "networks")
    for name, digest in parts["networks"].items():
        if before.get(name, digest) != digest:
            which = f"in {options.checkpoint!r}" if options.checkpoint else repr(name)
            raise _changed(f"the network {which}", options)
    recorded = _read_before(earlier, "files")
    for kind, path in _list_files(plan):
        if isinstance(recorded.get(path), dict) and has_changed(path, recorded[path]):
            raise _changed(f"the {kind} {path!r}", options)


def _read_before(earlier, kind):
    found = earlier.get(kind)
    return found if isinstance(found, dict) else {}


def _changed(what, options):
    return UserError(
        f"{what} has changed since the run in {options.output_dir!r} was begun: name another "
        "--output_dir for the dreams with what it is now"
    )


def _list_files(plan: Plan) -> list[tuple[str, str]]:
    """Returns (kind, path) of each file besides the inputs that clips are made with."""
    found = (each for clip in plan.clips for each in _files_of(clip))
    return [*dict.fromkeys(found)]


def _files_of(clip: ClipPlan) -> Iterator[tuple[str, str]]:
    if clip.where and clip.where.mask:
        yield "mask", clip.where.mask
    given = clip.given_objective
    objective = given.joined if isinstance(given, Interpolation) else given
    for _, term in objective.terms if objective else ():
        if not isinstance(term, GuideTerm | FeaturesTerm) or term.sound.recording:
            continue
        if term.sound.name not in RECORDINGS:
            yield "guide", term.sound.name
