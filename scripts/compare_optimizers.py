"""Compares optimizers, and tests how certain the differences are. Takes dreamsound's flags, too.

    python scripts/compare_optimizers.py --optimizers=sgd,momentum,adam,lion --input=recordings
    python scripts/compare_optimizers.py --input=recordings --sweep=domain=mel,sound
    python scripts/compare_optimizers.py --optimizers=adam,adam:b1=0.5,adam:optimizer_state=carry

All optimizers dream on the same clips, with the same random rolls, for the same number of gradient
evaluations. Each gets the learning rate at which it moves the clips of the tuning seeds as far as
plain ascent (sgd) does at --lr, and is tested on other seeds. --sweep compares them in several
settings. Inputs are the independent units of the statistics: give at least 6, better 16.

The output folder holds results.csv, tables, pictures, all written sounds, and index.html, which
shows and plays them. To resume an interrupted comparison, repeat its command with the same
--output_dir.
"""

import logging
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path

from absl import flags
from tqdm import tqdm

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.cli.flags import read_options
from dreamsound_jax.dreaming.optimizers import OPTIMIZERS, SEARCHING
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.outputs.folder import find_earlier_run, write_params
from dreamsound_jax.outputs.folder import make_folder as make_output_folder
from dreamsound_jax.run.options import RESUMABLE_WITH_OTHER
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.strength import fill_lr
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError
from studies import real
from studies.optimizers import report, trace, variants
from studies.optimizers.costs import make_costs
from studies.optimizers.dreamer import Dreamer
from studies.optimizers.inputs import name_input, read_inputs, write_inputs
from studies.optimizers.journal import Journal
from studies.optimizers.page import Clip
from studies.optimizers.statistics import MIN_INPUTS, SIGNIFICANT
from studies.optimizers.steps import select_ends
from studies.optimizers.study import Plan, Study
from studies.paths import define_path, define_paths
from studies.report import describe_run

_OPTIMIZERS = flags.DEFINE_list(
    "optimizers",
    [name for name in OPTIMIZERS if name not in SEARCHING],
    "the optimizers that are compared with sgd; flags may follow a name: adam:b1=0.5:eps=1e-4",
)
_LRS = flags.DEFINE_list(
    "lrs", ["0.005", "0.01", "0.02", "0.04"], "the learning rates that each optimizer tries first"
)
_CHOOSE = flags.DEFINE_enum(
    "choose",
    "moved",
    ["moved", "distance", "gain"],
    "how the learning rate of each optimizer is chosen. moved: clips move as far as with sgd at "
    "--lr, by the RMS change of the spectrogram in dB. distance: likewise, by the log-spectral "
    "distance of the written sound, which ignores its level. gain: the gain is highest",
)
_NUM_SEEDS = flags.DEFINE_integer("num_seeds", 8, "the number of seeds for the test", 1)
_TUNING_SEEDS = flags.DEFINE_integer("tuning_seeds", 2, "the number of other seeds for tuning", 1)
_REAL = define_paths(
    "real",
    ["gm"],
    "real sounds for the Fréchet distance: files, folders, or gm for phrases that the network gm "
    "was not trained on",
)
_PAGE = define_path("page", None, "a Markdown page to write, with pictures and data beside")

flags.FLAGS.set_default("batch_size", 8)

# The package shows what is logged below its own name.
log = logging.getLogger("dreamsound_jax.compare_optimizers")


def main():
    options = replace(read_options(), seed=flags.FLAGS.seed or 0)
    runtime.prepare(precision=options.precision)
    model = load_model(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    settings, compared = check_all(options, model.card)
    rate = model.card.front_end.sample_rate
    sounds = read_inputs(options.input, options.clip_length, rate)
    real_activations = compute_real_activations(model)
    folder = Path(make_folder(options))
    paths = write_inputs(sounds, folder / "inputs", rate)
    plan = make_plan(options, settings, compared, paths)
    if len(sounds) < MIN_INPUTS:
        log.warning(
            "no p-value of %d inputs is below %g: --input must name at least %d",
            len(sounds),
            SIGNIFICANT,
            MIN_INPUTS,
        )
    journal = Journal(folder / "dreams.jsonl")
    dreamer = Dreamer(model, plan, journal, folder)
    with tqdm(total=0, unit="dream", disable=None) as bar:
        study = Study(plan, journal, dreamer, bar)
        table = study.run()
    costs = make_costs(model, study, dreamer, real_activations)
    found = report.make_report(table, costs, {**describe_run(), "model": model.card.name})
    report.write_folder(folder, found, list_clips(study, dreamer, table, folder))
    if _PAGE.value:
        report.write_markdown(Path(_PAGE.value), found)
    print(f"{folder}/index.html shows and plays the results; results.csv has the data")


def check_all(options, card):
    """Returns ({setting: options}, variants) of the flags; raises UserError if they are invalid."""
    for name in ("optimizer", "create_ouroboros", "num_clips"):
        if flags.FLAGS[name].present:
            raise UserError(f"--{name} cannot be used here: --optimizers names the optimizers")
    if not parse_lrs() or min([fill_lr(options).lr, *parse_lrs()]) <= 0:
        raise UserError(f"--lr and --lrs must be above 0, got {options.lr} and {_LRS.value}")
    settings, compared = variants.settings(options), variants.parse(_OPTIMIZERS.value)
    shape = (card.front_end.n_mels, card.front_end.frame_count(options.clip_length))
    for each in settings.values():
        for variant in compared:
            (clip,) = resolve(replace(each, **variant.changes), card).clips
            clip.program().level_shapes(shape, card.architecture)
    return settings, compared


def parse_lrs():
    return [command_line.value_of("lr", word) for word in _LRS.value]


def make_plan(options, settings, compared, paths):
    """Makes the `Plan`: the tuning seeds begin at --seed, and the test seeds follow."""
    first_test = options.seed + _TUNING_SEEDS.value
    return Plan(
        settings=settings,
        variants=compared,
        lrs=parse_lrs(),
        inputs=paths,
        tuning_seeds=list(range(options.seed, first_test)),
        test_seeds=list(range(first_test, first_test + _NUM_SEEDS.value)),
        choose=_CHOOSE.value,
    )


def make_folder(options):
    """Makes the output folder, or finds that of an earlier run with the same flags."""
    given = {
        **asdict(options),
        "optimizers": _OPTIMIZERS.value,
        "lrs": _LRS.value,
        "choose": _CHOOSE.value,
        "num_seeds": _NUM_SEEDS.value,
        "tuning_seeds": _TUNING_SEEDS.value,
    }
    earlier = find_earlier_run(options.output_dir, given, may_differ=RESUMABLE_WITH_OTHER)
    folder = make_output_folder(options.output_dir)
    if not earlier:
        command, inputs = shlex.join(sys.argv), list(options.input)
        write_params(folder, flags=given, command=command, inputs=inputs, target_classes={})
    return folder


def compute_real_activations(model):
    """Computes the activations on the real sounds; None if those of gm are not installed."""
    try:
        return trace.compute_activations(model, real.read_sounds(_REAL.value))
    except UserError as error:
        if _REAL.value != [real.PHRASES]:
            raise
        log.info("the Fréchet distance is not measured: %s; --real can name other sounds", error)
        return None


def list_clips(study, dreamer, table, folder):
    """Lists the `Clip`s of the page: the inputs, and the dreams of the first test seed."""
    ends = select_ends(table, "test").set_index(["setting", "optimizer", "seed", "input"])
    for setting in study.chosen:
        for dream in study.list_tests(setting):
            if dream.seed != study.plan.test_seeds[0]:
                continue
            name = name_input(dream.input)
            if dream.optimizer == variants.BASELINE:
                path = dreamer.input_path(dream).relative_to(folder)
                yield Clip(setting, name, None, str(path))
            path = dreamer.sound_path(dream).relative_to(folder)
            end = ends.loc[(setting, dream.optimizer, dream.seed, name)]
            yield Clip(setting, name, dream.optimizer, str(path), end["gain"], end["moved_db"])


if __name__ == "__main__":
    command_line.run(
        main,
        name="compare_optimizers",
        usage=__doc__,
        stopped="the finished dreams are kept; repeat the command to resume",
    )
