"""Which optimizer dreams best, and how sure are we? Takes the flags of `dreamsound`, too.

    python scripts/compare_optimizers.py --optimizers=sgd,momentum,adam,lion --layers_to_use=relu3_4
    python scripts/compare_optimizers.py --input=noise,my.wav --sweep=domain=mel,sound
    python scripts/compare_optimizers.py --optimizers=adam,adam:b1=0.5,adam:optimizer_state=carry

All dream on the same clips, with the same rolls, for the same number of gradient evaluations. Each
is given the learning rate at which it moves the clips of the tuning seeds as far as plain ascent
does at --lr, and is then judged on other seeds. Several settings are compared by --sweep.

The folder holds results.csv, tables, pictures, all written sounds, and index.html, which shows and
plays them. A comparison that was killed goes on when the same command is given again with its
--output_dir.
"""

import json
import logging
import shlex
import sys
from dataclasses import asdict, replace
from pathlib import Path

import jax
from absl import flags
from tqdm import tqdm

from dreamsound_jax.audio import files, find
from dreamsound_jax.cli import main as cli
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.dreaming.optimizers import OPTIMIZERS, SEARCHING
from dreamsound_jax.networks import loading
from dreamsound_jax.outputs.folder import find_earlier_run, make_folder, write_params
from dreamsound_jax.run.generate import RESUME_WITH
from dreamsound_jax.run.options import check
from dreamsound_jax.spectral import measures, mel, stft
from dreamsound_jax.system import runtime, storage
from dreamsound_jax.system.errors import UserError
from studies.optimizers import board, costs, real, report, trace, variants
from studies.optimizers.journal import Journal
from studies.optimizers.study import Dream, Plan, Study, name_of

MARK = "<!-- what follows is written by scripts/compare_optimizers.py -->"
COMPILED = "/jax/core/compile/backend_compile_duration"

_OPTIMIZERS = flags.DEFINE_list(
    "optimizers",
    [name for name in OPTIMIZERS if name not in SEARCHING],
    "what is compared with sgd; flags of an optimizer follow its name: adam:b1=0.5:eps=1e-4",
)
_LRS = flags.DEFINE_list(
    "lrs", ["0.005", "0.01", "0.02", "0.04"], "learning rates that all are tried with at first"
)
_CHOOSE = flags.DEFINE_enum(
    "choose",
    "moved",
    ["moved", "distance", "gain"],
    "the learning rate of each: the one that moves clips as far as sgd does at --lr, by dB of the "
    "spectrogram (moved) or by the log-spectral distance of the finished sound, whatever its level "
    "(distance); or the one that gains most",
)
_NUM_SEEDS = flags.DEFINE_integer("num_seeds", 8, "on which they are judged", 1)
_TUNING_SEEDS = flags.DEFINE_integer("tuning_seeds", 2, "on which they are tuned, others", 1)
_REAL = flags.DEFINE_list(
    "real", ["gm"], "real sounds, for the Fréchet distance; gm: phrases that gm never heard"
)
_TENSORBOARD = flags.DEFINE_string("tensorboard", None, "a folder for TensorBoard's logs")
_PAGE = flags.DEFINE_string("page", None, "a page of markdown to write, and two pictures beside it")

flags.FLAGS.set_default("batch_size", 8)

log = logging.getLogger(__name__)


def main():
    options = replace(cli.options(), seed=flags.FLAGS.seed or 0)
    runtime.prepare(precision=options.precision)
    compiled = count_programs()
    settings, compared = check_all(options)
    model = loading.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    sounds, listened = read(options), real_activations(model)
    folder = Path(folder_of_run(options))
    plan = plan_of(options, settings, compared, write_inputs(sounds, folder / "inputs"))
    with tqdm(total=0, unit="dream", disable=None) as bar:
        study = Study(model, plan, Journal(folder / "dreams.jsonl"), folder=folder, bar=bar)
        rows, chosen = study.run()
    facts = report.facts_of_run(
        ["python", *sys.argv], model=model.card.name, **{"compiled programs": compiled()}
    )
    spent = all_costs(model, study, chosen, listened)
    write(study, chosen, rows, spent, facts)
    print(f"{folder}/index.html shows and plays it; results.csv and tables.md lie beside it")


def check_all(options):
    """({setting: options}, variants); UserError if any of them makes no sense."""
    for name in ("optimizer", "create_ouroboros", "num_clips"):
        if flags.FLAGS[name].present:
            raise UserError(
                f"--{name} is not for a comparison; optimizers are named by --optimizers"
            )
    if not learning_rates() or min([options.lr, *learning_rates()]) <= 0:
        raise UserError("--lr and --lrs: accepted are learning rates over 0")
    settings, compared = variants.settings(options), variants.parse(_OPTIMIZERS.value)
    shape = (mel.N_MELS, stft.frame_count(options.clip_length))
    for each in settings.values():
        each.settings().level_shapes(shape)
        for variant in compared:
            check(replace(each, **variant.changes))
    return settings, compared


def learning_rates():
    return [command_line.value_of("lr", word) for word in _LRS.value]


def plan_of(options, settings, compared, paths):
    """The `Plan`; tuning seeds come first, and then those of the tests."""
    tuned, judged = _TUNING_SEEDS.value, _NUM_SEEDS.value
    return Plan(
        settings=settings,
        variants=compared,
        lrs=learning_rates(),
        inputs=paths,
        tuning_seeds=list(range(options.seed, options.seed + tuned)),
        test_seeds=list(range(options.seed + tuned, options.seed + tuned + judged)),
        choose=_CHOOSE.value,
    )


def write(study, chosen, rows, spent, facts):
    """All that is left behind."""
    clips = listen(study, chosen, rows)
    whole, each, pictures = report.write(study.folder, rows, spent, clips, facts=facts)
    storage.write_whole(study.folder / "costs.json", (json.dumps(spent, indent=2) + "\n").encode())
    if _TENSORBOARD.value:
        board.write_board(_TENSORBOARD.value, rows, spent, clips, baseline=variants.BASELINE)
    if _PAGE.value:
        report.write_page(_PAGE.value, whole, each, pictures, facts=facts, mark=MARK)


def count_programs():
    """A function that says how many programs were compiled since, and in how many seconds."""
    seconds = []

    def heed(event, duration, **kwargs):
        del kwargs
        seconds.extend([duration] if event == COMPILED else [])

    jax.monitoring.register_event_duration_secs_listener(heed)
    return lambda: f"{len(seconds)} in {sum(seconds):.0f} s"


def folder_of_run(options):
    """The folder of this run, or of an earlier one with the same flags, which goes on."""
    given = {
        **asdict(options),
        "optimizers": _OPTIMIZERS.value,
        "lrs": _LRS.value,
        "choose": _CHOOSE.value,
        "num_seeds": _NUM_SEEDS.value,
        "tuning_seeds": _TUNING_SEEDS.value,
    }
    goes_on = find_earlier_run(options.output_dir, given, may_differ=RESUME_WITH)
    folder = make_folder(options.output_dir)
    if not goes_on:
        write_params(folder, flags=given, command=shlex.join(sys.argv), target_classes={})
    return folder


def read(options):
    """{name: the sound (samples,), as long as noise is; None for what is generated}.

    Sounds that are alike in length, channels and rate can be dreamed side by side.
    """
    found, missing = find.find_inputs(options.input)
    if missing:
        raise UserError(missing[0][1])
    sounds = {name_of(path): _beginning(path, options.clip_length) for path in found}
    if len(sounds) < len(found):
        raise UserError(f"--input={','.join(options.input)}: two of these are called the same")
    return sounds


def _beginning(path, samples):
    if path in find.GENERATED:
        return None
    sound = files.read_sound(path, sample_rate=mel.SAMPLE_RATE)
    if sound.size < samples:
        raise UserError(
            f"{path!r} is too short: {sound.size} samples at {mel.SAMPLE_RATE} Hz; accepted is a "
            "--clip_length of so many, or fewer"
        )
    return sound[:samples]


def write_inputs(sounds, folder):
    """The paths of the sounds, written into `folder`; or what they are called, if generated."""
    folder.mkdir(exist_ok=True)
    paths = {name: folder / f"{name}.wav" for name, sound in sounds.items() if sound is not None}
    for name, path in paths.items():
        wav = files.encode_wav(sounds[name][:, None], sample_rate=mel.SAMPLE_RATE, subtype="FLOAT")
        storage.write_whole(path, wav)
    return [str(paths.get(name, name)) for name in sounds]


def real_activations(model):
    """The network's on real sounds; None without those of gm, which not everyone has."""
    try:
        return trace.activations(model, real.sounds(_REAL.value))
    except UserError as error:
        if _REAL.value != [real.PHRASES]:
            raise
        log.info("no Fréchet distance: %s; or name --real", error)
        return None


def all_costs(model, study, chosen, listened):
    """What `statistics` calls costs; time and memory are measured in the first setting alone."""
    timed = {next(iter(chosen)): time_steps(model, study, next(iter(chosen)))}
    return {
        setting: {
            name: {
                "lr": lr,
                "frechet": distance(model, study, setting, name, lr, listened),
                **timed.get(setting, {}).get(name, {}),
            }
            for name, lr in of.items()
        }
        for setting, of in chosen.items()
    }


def time_steps(model, study, setting):
    """What `costs.measure` says, or said when this comparison was run before."""
    path = study.folder / "timing.json"
    if not path.exists():
        timed = costs.measure(model, *study.example(setting))
        storage.write_whole(path, json.dumps(timed).encode())
    return json.loads(path.read_text())


def distance(model, study, setting, name, lr, listened):
    """The Fréchet distance of what an optimizer wrote to real sounds; None if not known."""
    if listened is None:
        return None
    paths = [study.sound_of(dream) for dream in study.tests(setting, name, lr)]
    sounds = [
        files.to_mono(files.read_recording(str(p)), sample_rate=mel.SAMPLE_RATE) for p in paths
    ]
    return measures.frechet_distance(trace.activations(model, sounds), listened)


def listen(study, chosen, rows):
    """What there is to hear: of each optimizer the first test seed of each input, and the inputs.

    See `page.compare_html`, and `board.write_board`.
    """
    lasts = {
        tuple(row[key] for key in Dream._fields): row for row in rows if row["phase"] == "test"
    }
    clips = []
    for setting, name, lr in study.tested(chosen):
        for dream in study.tests(setting, name, lr)[: len(study.plan.inputs)]:
            row = lasts[dream._replace(input=name_of(dream.input))]
            told = {"gain": row["gain"], "moved_db": row["moved_db"]}
            clips.append(_clip(study, dream, study.sound_of(dream), optimizer=name, **told))
            if name == variants.BASELINE:
                clips.append(_clip(study, dream, study.input_of(dream), optimizer=None))
    return clips


def _clip(study, dream, path, **told):
    own = {"setting": dream.setting, "input": name_of(dream.input), "path": str(path)}
    return {
        **own,
        "src": str(path.relative_to(study.folder)),
        "gain": None,
        "moved_db": None,
        **told,
    }


if __name__ == "__main__":
    command_line.run(main, name="compare_optimizers", usage=__doc__, stopped="dreams are kept")
