"""Measures whether dreams towards classes are heard by networks that did not dream them.

    python scripts/heard_by_others.py --model=gm --judges=checkpoints/mtt --inputs=choosing

Each input dreams towards each class, and is written. Judges hear the written sounds, the undreamed
inputs (the control), and real phrases of soundfonts that no network was trained on (the ceiling).
Choose settings by the inputs for choosing and one judge; report results by those for reporting and
another judge. The dreams lie in --output; to resume an interrupted script, start it again. With
--record=NAME, the tables become the part of that name of docs/heard.md, and with --record_cards,
the models' own cards have them, too.
"""

from pathlib import Path

import numpy as np
from absl import flags

from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.domains.registry import DOMAINS
from dreamsound_jax.system import programs, runtime
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from studies import report
from studies.heard import judging, networks, real
from studies.heard.aims import AIMS, make_objectives
from studies.heard.cards import write_into_card
from studies.heard.dreams import Variant, dream_all, make_plan
from studies.heard.examples import write_examples
from studies.heard.inputs import SETS, make_inputs
from studies.heard.results import write_report, write_results
from studies.heard.settings import parse_settings
from studies.paths import define_path, define_paths

_MODEL = flags.DEFINE_multi_string("model", ["gm"], "a network that dreams: its name or folder")
_LABEL = flags.DEFINE_multi_string("label", [], "what tables call it; once for each --model")
_JUDGES = define_paths(
    "judges", None, "networks that hear: names or folders, none of them a --model", required=True
)
_INPUTS = flags.DEFINE_enum(
    "inputs", "choosing", list(SETS), "the set of ten recordings that is dreamed on"
)
_NOISE = flags.DEFINE_integer("noise", 4, "how many inputs of noise there are besides", 0)
_DOMAINS = flags.DEFINE_list("domains", ["sound"], "the domains in which is dreamed: sound, mel")
_SET = flags.DEFINE_multi_string(
    "set", [], "an option of dreamsound and its value, such as lr=0.02; once for each option"
)
_AIM = flags.DEFINE_enum(
    "aim", AIMS[0], AIMS, "what a dream towards a class raises; features are those of real phrases"
)
_CLASSES = flags.DEFINE_list("classes", [], "the classes that are dreamed towards; by default all")
_SOUNDFONTS = flags.DEFINE_list("soundfonts", list(real.SOUNDFONTS), "those of the real phrases")
_PHRASES = flags.DEFINE_integer("phrases", 20, "how many real phrases each family plays", 1)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 16, "how many dreams are dreamed at once", 1)
_OUTPUT = define_path("output", "outputs/heard", "the folder of dreams and results")
_QUICK = flags.DEFINE_boolean("quick", False, "few short dreams, to try the program")
_RECORD = flags.DEFINE_string("record", None, "the part of the page that is written")
_RECORD_CARDS = flags.DEFINE_boolean(
    "record_cards", False, "the results are written into the cards of the networks that dream, too"
)
_EXAMPLES = flags.DEFINE_list(
    "examples", [], "inputs and classes whose sounds are put beside the page, such as drums,pipe"
)
_PAGE = define_path("page", "docs/heard.md", "the page")


def main():
    if _RECORD_CARDS.value and (_QUICK.value or _CLASSES.value or _NOISE.value == 1):
        raise UserError(
            "--record_cards must not be given with --quick, --classes or --noise=1: a card has the "
            "results of all classes, with intervals"
        )
    settings = parse_settings(_SET.value, quick=_QUICK.value)
    domains = [nearest_or_fail("domain", name, DOMAINS) for name in _DOMAINS.value]
    runtime.prepare(precision="float32")
    dreamers = networks.load(_MODEL.value, _LABEL.value)
    judges = networks.load(_JUDGES.value or [])
    networks.check_judges(dreamers, judges)
    variants = make_variants(dreamers, domains, settings)
    inputs = make_inputs(_INPUTS.value, noise=_NOISE.value, quick=_QUICK.value)
    check_examples(variants, inputs)
    phrases = real.render_phrases(_SOUNDFONTS.value, _PHRASES.value)
    folder = Path(_OUTPUT.value)
    dreamed = [dream_variant(variant, inputs, folder) for variant in variants]
    verdicts = []
    for judge in judges:
        verdicts += ask_judge(judge, variants, dreamed, inputs, phrases)
    facts = describe(settings, inputs, variants, dreamed)
    show(facts, verdicts, folder)
    if _EXAMPLES.value:
        show_examples(judges, variants, dreamed)
    for dreamer in dreamers if _RECORD_CARDS.value else ():
        write_into_card(dreamer, facts, verdicts)


def make_variants(dreamers, domains, settings):
    """Makes a variant for each network and domain; raises UserError if one cannot be dreamed."""
    variants = []
    for dreamer in dreamers:
        classes = networks.choose_classes(dreamer, _CLASSES.value)
        objectives = make_objectives(dreamer, _AIM.value, classes)
        how = (settings, _BATCH_SIZE.value, _AIM.value, objectives)
        variants += [Variant(dreamer, domain, classes, *how) for domain in domains]
    for variant in variants:
        make_plan(variant)  # What is wrong is said before the long work.
    return variants


def check_examples(variants, inputs):
    """Raises UserError if a word of --examples is neither an input nor a class of all variants."""
    names = {given.name for given in inputs}
    shared = names.union(set.intersection(*(set(variant.classes) for variant in variants)))
    for word in _EXAMPLES.value:
        nearest_or_fail("such input or class for --examples:", word, sorted(shared))


def dream_variant(variant, inputs, folder):
    """Dreams a variant, and lets go of its programs, which no other one can use."""
    batches = dream_all(variant, inputs, folder)
    programs.let_go()
    return batches


def ask_judge(judge, variants, dreamed, inputs, phrases):
    """Lets a judge hear dreams, undreamed inputs and real phrases."""
    verdicts = []
    for variant, batches in zip(variants, dreamed):
        verdicts += judging.judge_dreams(judge, variant, batches)
    verdicts += judging.judge_inputs(judge, inputs)
    for each in phrases:
        verdicts += judging.judge_phrases(judge, each)
    programs.let_go()
    return verdicts


def describe(settings, inputs, variants, dreamed):
    """Describes the run in JSON types."""
    names = [f"{variant.dreamer.label} {variant.domain}" for variant in variants]
    seconds = [float(np.median([each.seconds for each in batches])) for batches in dreamed]
    return {
        **report.describe_run(),
        "inputs": _INPUTS.value,
        "names": [given.name for given in inputs],
        "settings": settings,
        "seconds": dict(zip(names, seconds)),
        "faults": sum(len(each.faults) for batches in dreamed for each in batches),
    }


def show_examples(judges, variants, dreamed):
    """Puts the sounds of the chosen inputs and classes beside the page."""
    chosen = [
        (variant, batch)
        for variant, batches in zip(variants, dreamed)
        for batch in batches
        if batch.input.name in _EXAMPLES.value
    ]
    classes = [name for name in variants[0].classes if name in _EXAMPLES.value]
    write_examples(Path(_PAGE.value), judges, chosen, classes)


def show(facts, verdicts, folder):
    """Writes and prints the results."""
    write_results(folder, facts, verdicts)
    page, name = folder / "heard.md", _INPUTS.value
    if _RECORD.value:
        page, name = Path(_PAGE.value), _RECORD.value
    print(write_report(page, name, facts, verdicts))


if __name__ == "__main__":
    command_line.run(main, name="heard_by_others", usage=__doc__, stopped="its dreams are kept")
