"""A run: from what was asked for to what is written, batch by batch."""

import logging
import os
import secrets
from dataclasses import asdict, replace

from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.outputs.folder import (
    find_earlier_run,
    make_folder,
    wait_for_run,
    write_params,
)
from dreamsound_jax.run.batches import bound_batch, count_alike
from dreamsound_jax.run.changes import check_parts, find_parts
from dreamsound_jax.run.checks import check_each_value, count_combinations
from dreamsound_jax.run.jobs import list_jobs, merge_inputs
from dreamsound_jax.run.models import load_models, place_on_devices
from dreamsound_jax.run.one_file import check_only_clip, dream_to_file
from dreamsound_jax.run.options import MAY_BE_ADDED, RESUMABLE_WITH_OTHER, Options
from dreamsound_jax.run.options.defaults import MOST_LEVELS
from dreamsound_jax.run.presets import describe_replaced
from dreamsound_jax.run.preview import choose_presets
from dreamsound_jax.run.process import ProcessRun
from dreamsound_jax.run.report import Reporter, report_nothing
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import draw_targets
from dreamsound_jax.run.unused import warn_of_unused
from dreamsound_jax.run.warm_up import WarmUp
from dreamsound_jax.system.errors import UserError
from dreamsound_jax.system.processes import ALONE, Share

log = logging.getLogger(__name__)

_MAY = {
    "may_differ": RESUMABLE_WITH_OTHER,
    "may_be_added": MAY_BE_ADDED,
    "defaults": asdict(Options()),
}


def run(
    options: Options,
    *,
    command: str,
    share: Share = ALONE,
    join_timeout: float = 300.0,
    output_file: str | None = None,
    report: Reporter = report_nothing,
) -> int:
    """Dreams all clips and writes them; what fails is logged, a line each.

    Where `output_dir` holds a run with the same options that was stopped, this resumes it: what is
    done is left as it is. Of several processes, each does its share.

    Args:
      options: what is asked for.
      command: the command line that repeats this run, except for the seed.
      share: the clips that this process dreams.
      join_timeout: seconds to wait for the seed that the first process chooses.
      output_file: the file for the dream of the only clip; nothing else is written then.
      report: called with the record of each clip that is done or failed, and the path of its sound.

    Returns:
      How many clips failed.

    Raises:
      UserError: nothing can be dreamed as asked for; found before the long work starts.
    """
    options, notes = choose_presets(options) if options.preview else (options, {})
    check_each_value(options)  # `resolve` checks their combinations.
    if share.count > 1 and options.output_dir is None:
        raise UserError("--output_dir must be given with several processes, which share it")
    found, missing = find_inputs(options.input)
    if output_file is not None:
        check_only_clip(output_file, _count_clips(options, len(found) + len(missing)))
    earlier = _find_earlier(options)
    missing = _leave_out_gone(missing, earlier)
    _tell_missing(missing, report=report_nothing if share.index else report)
    if not found and not earlier:
        return len(missing)
    warm_up = _begin_warm_up(options, len(found))
    models = load_models(options)
    if share.index and not earlier and options.seed is None:
        _resolve(options, models)  # What is wrong is said before anything is waited for.
        earlier = _wait_for_first(options, join_timeout)
    options = replace(options, seed=_choose_seed(options, earlier))
    plan = _bound(replace(_resolve(options, models), command=command), options, found)
    _warn_of_flags(options, plan)
    models = place_on_devices(models)
    if output_file is not None:
        return dream_to_file(models, plan, found, path=output_file, report=report, warm_up=warm_up)
    parts = find_parts(options, plan, models)
    if share.count > 1 and not earlier and found:
        _begin_together(options, plan, found, command, parts)
        earlier = _find_earlier(options)
    if earlier:
        check_parts(earlier, parts, plan, options)
    earlier_inputs, gone = (earlier or {}).get("inputs"), frozenset[str]()
    if earlier_inputs is not None:
        gone = frozenset(earlier_inputs) - frozenset(found)
        found = merge_inputs(earlier_inputs, found, num_clips=plan.num_clips)
        plan = _bound(plan, options, found)
    process_run = ProcessRun(
        models,
        plan,
        flags=asdict(options),
        command=command,
        output_dir=options.output_dir,
        share=share,
        resumes=bool(earlier),
        adds_files=_adds_files(options, earlier),
        warm_up=warm_up,
        report=report,
        notes=notes,
        parts=parts,
    )
    failed = process_run.dream(found, earlier_inputs=earlier_inputs, gone=gone)
    return failed + len(missing)


def _begin_warm_up(options, inputs):
    """Begins to compile what is known to be needed before the network is loaded."""
    warm_up = WarmUp()
    size = bound_batch(options.batch_size, _count_clips(options, inputs))
    warm_up.draws(size, options.pyramid_size or MOST_LEVELS)
    return warm_up


def _warn_of_flags(options, plan):
    if replaced := describe_replaced(options):
        log.warning("%s", replaced)
    warn_of_unused(options, plan.clips)


def _leave_out_gone(missing, earlier):
    """Returns what is missing without inputs of the earlier run, which are gone since."""
    begun_with = {*(earlier or {}).get("inputs", ())}
    return [each for each in missing if os.path.expanduser(each[0]) not in begun_with]


def _tell_missing(missing, report):
    for name, message in missing:
        log.error("%s", message)
        report({"input": name, "error": message}, None)


def _adds_files(options, earlier):
    """Returns whether files are asked for that the earlier run, if there is one, did not make."""
    if not earlier:
        return False
    return any(earlier["flags"].get(name) != getattr(options, name) for name in MAY_BE_ADDED)


def _count_clips(options, inputs):
    """Returns how many clips a run with so many inputs has."""
    return options.num_clips or inputs * count_combinations(options.sweep)


def _bound(plan, options, inputs):
    """Returns the plan with no larger batches than the clips of these inputs can fill."""
    alike = count_alike(plan.clips, _count_clips(options, len(inputs)))
    return replace(plan, batch_size=bound_batch(options.batch_size, alike))


def _resolve(options, models):
    cards = {name: model.card for name, model in models.items()}
    first, *others = cards.values()
    return resolve(options, first, swept_cards=cards if others else None)


def _find_earlier(options):
    return find_earlier_run(options.output_dir, asdict(options), **_MAY)


def _wait_for_first(options, join_timeout):
    """Waits until the first of several processes has begun the run; returns what it wrote."""
    return wait_for_run(options.output_dir, asdict(options), seconds=join_timeout, **_MAY)


def _begin_together(options, plan, inputs, command, parts):
    """Begins a run of several processes: the first one writes the inputs, and all read them."""
    write_params(
        make_folder(options.output_dir),
        flags=asdict(options),
        command=command,
        inputs=inputs,
        target_classes=draw_targets(list_jobs(inputs, plan)),
        parts=parts,
    )


def _choose_seed(options, earlier):
    if options.seed is not None:
        return options.seed
    return earlier["seed"] if earlier else secrets.randbelow(2**31)
