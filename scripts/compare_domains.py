"""Compares the two domains: writes a page with tables and pictures. Takes dreamsound's flags, too.

    python scripts/compare_domains.py --input=noise,tests/data --seed=0

Each input dreams towards each class in both domains, with equal steps, and in the domain sound also
with steps that move the sound as far as the domain mel does. All measurements are of the written
sounds, as files of 16 bits. Dreams are timed in turns, after everything is compiled. Then one input
dreams ever longer. The real sounds are phrases of gm, which need its soundfont and its player.
"""

from dataclasses import replace
from pathlib import Path

from absl import flags
from tqdm import tqdm

from dreamsound_jax.audio.find import find_inputs
from dreamsound_jax.cli import parsing as command_line
from dreamsound_jax.cli.flags import read_options
from dreamsound_jax.networks.loading import load_model
from dreamsound_jax.run.jobs import list_jobs
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import read_source
from dreamsound_jax.run.strength import fill_lr
from dreamsound_jax.system import runtime
from dreamsound_jax.system.errors import UserError, nearest_or_fail
from studies import real, report
from studies.domains import page, pictures
from studies.domains.dreams import compare_domains
from studies.paths import define_path

MARK = "<!-- what follows is written by scripts/compare_domains.py -->"

_PAGE = define_path("page", "docs/domains.md", "the page; its pictures lie beside it")
_SHOWN = flags.DEFINE_list(
    "shown", ["noise", "ambi_choir", "loop_amen"], "the inputs in the picture"
)
_SHOWN_CLASS = flags.DEFINE_string("shown_class", "organ", "the class of the pictures")
_LONG_INPUT = flags.DEFINE_string("long_input", "loop_amen", "the input that dreams ever longer")
_LONG_LAYER = flags.DEFINE_string("long_layer", "relu3_4", "the layer by which it dreams")


def main():
    options = replace(read_options(), layers_to_use=("output",), seed=flags.FLAGS.seed or 0)
    options = fill_lr(replace(options, domain="mel"))  # Both domains begin with its learning rate.
    runtime.prepare(precision=options.precision)
    model = load_model(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    target = model.card.class_index(_SHOWN_CLASS.value)
    found = read_sources(options, model.card)
    shown, (long,) = select(found, _SHOWN.value), select(found, [_LONG_INPUT.value])
    phrases = real.render_phrases(real.COUNT)
    compared = {
        source.job.name: compare_domains(model, source, options)
        for source in tqdm(found, desc="inputs", disable=None)
    }
    sounds = pictures.draw_sounds(model, shown, compared, _SHOWN_CLASS.value)
    steps = pictures.draw_longer_dreams(model, long, options, _LONG_LAYER.value, target)
    tables = [
        page.format_hits(model, found, compared),
        page.format_distances(model, found, compared, phrases),
    ]
    write(Path(_PAGE.value), model.card.name, tables, sounds, steps)


def read_sources(options, card):
    """Reads all inputs; raises UserError for the first that cannot be dreamed on."""
    plan = resolve(options, card)
    paths, missing = find_inputs(plan.inputs)
    if missing:
        raise UserError(missing[0][1])
    return [read_source(job) for job in list_jobs(paths, plan)]


def select(found, names):
    """Selects the inputs that have the names, in the order of the names."""
    by_name = {Path(source.job.path).stem: source for source in found}
    return [by_name[nearest_or_fail("input", name, tuple(by_name))] for name in names]


def write(path, name, tables, sounds, steps):
    """Writes the page about the network of that name, and its two pictures."""
    run = report.describe_run()
    facts = f"`{run['command']}`, {run['date']}, {run['device']}, model {name}."
    shown = [
        f"![Written sounds side by side]({path.stem}.png)",
        f"![Ever longer dreams]({path.stem}_steps.png)",
    ]
    report.write_page(path, MARK, [facts, *tables, *shown], title="The two domains")
    path.with_suffix(".png").write_bytes(sounds)
    path.with_name(f"{path.stem}_steps.png").write_bytes(steps)


if __name__ == "__main__":
    command_line.run(main, name="compare_domains", usage=__doc__, stopped="nothing was written")
