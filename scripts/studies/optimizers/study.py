"""A comparison of optimizers: each is tuned on some seeds, and then dreams on others.

In each setting all optimizers dream on the same clips, with the same rolls, for the same number of
gradient evaluations. Clips that differ in optimizer, learning rate, seed or input are dreamed side
by side, by one program.
"""

from dataclasses import replace
from typing import NamedTuple

from dreamsound_jax.audio import find
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming.batch import filled
from dreamsound_jax.run import grid, sources
from dreamsound_jax.spectral import mel
from dreamsound_jax.system import storage
from studies.optimizers import choose, trace
from studies.optimizers.rows import counted_gains, median
from studies.optimizers.variants import BASELINE, names_of, programs

TRIES = 8  # of learning rates beyond those that were asked for


class Plan(NamedTuple):
    """What is to be compared.

    Attributes:
      settings: {name: `Options`}.
      variants: a list of `Variant`s, the baseline first.
      lrs: the learning rates that each is tried with; the baseline at `Options.lr`, too.
      inputs: names or paths of sounds that are equally long.
      tuning_seeds, test_seeds: lists of seeds.
      choose: "moved" or "distance", the learning rate that takes clips as far as the baseline
        at `Options.lr` does, by dB of the spectrogram or by the log-spectral distance of the
        finished sound; or "gain", the one that gains most.
    """

    settings: dict
    variants: list
    lrs: list
    inputs: list
    tuning_seeds: list
    test_seeds: list
    choose: str


class Dream(NamedTuple):
    """A dream that is wanted; what tells it from all others."""

    setting: str
    optimizer: str
    phase: str
    lr: float
    seed: int
    input: str


class Study:
    """Dreams what a `Plan` wants and is not yet in the journal.

    Args:
      model: a `loading.Model`.
      plan: a `Plan`.
      journal: a `journal.Journal` of rows by `Dream`.
      folder: a path; what is heard of the dreams is written into its folder `sounds`.
      bar: a `tqdm` of 0 dreams; those that are wanted are added to it.
    """

    def __init__(self, model, plan, journal, *, folder, bar):
        self.plan, self.folder = plan, folder
        self._model, self._journal, self._bar = model, journal, bar
        self._asked = {}
        (folder / "sounds").mkdir(exist_ok=True)

    def run(self):
        """Dreams; returns all rows, see `rows.COLUMNS`, and {setting: {optimizer: its lr}}."""
        chosen = {setting: self._compare(setting) for setting in self.plan.settings}
        rows = [row for dream in self._asked for row in self._journal[dream]]
        return rows, chosen

    def tested(self, chosen):
        """(setting, optimizer, learning rate) of all that `run` has chosen."""
        return [(setting, *pair) for setting, of in chosen.items() for pair in of.items()]

    def tests(self, setting, optimizer, lr):
        """The test dreams of an optimizer, seed by seed."""
        return self._wanted(setting, "test", {optimizer: [lr]}, self.plan.test_seeds)

    def sound_of(self, dream):
        """The file of what was written of a test dream."""
        words = (*dream.setting.split(), dream.optimizer, name_of(dream.input), str(dream.seed))
        safe = ("".join(c if c.isalnum() else "_" for c in word) for word in words)
        return self.folder / "sounds" / f"{'-'.join(safe)}.wav"

    def input_of(self, dream):
        """The file of what a test dream began with."""
        path = self.folder / "inputs" / f"{name_of(dream.input)}.wav"
        if dream.input in find.GENERATED:
            path = path.with_stem(f"{path.stem}-{dream.seed}")
            options = self.plan.settings[dream.setting]
            sound = self._source(dream, options, {}).sound[:, None]
            normalise = options.loudness != "none"
            rendered = render_sound(sound, sample_rate=mel.SAMPLE_RATE, normalise=normalise)
            storage.write_whole(path, rendered.wav)
        return path

    def example(self, setting):
        """(sources of a batch, options, variants) of a setting, to time it."""
        options, seed = self.plan.settings[setting], self.plan.tuning_seeds[0]
        wanted = self._wanted(setting, "tuning", {BASELINE: [options.lr]}, [seed])
        own = [self._source(dream, options, {}) for dream in wanted[: options.batch_size]]
        return filled(own, options.batch_size), options, self.plan.variants

    def _compare(self, setting):
        """{optimizer: learning rate}, after its test dreams."""
        tried = {each.name: list(self.plan.lrs) for each in self.plan.variants}
        own = self.plan.settings[setting].lr
        tried[BASELINE] = sorted({own, *tried[BASELINE]})
        for _ in range(TRIES):
            choices = self._choose(setting, tried, own)
            beyond = {name: choice.beyond for name, choice in choices.items() if choice.beyond}
            if not beyond:
                break
            for name, lr in beyond.items():
                tried[name].append(lr)
        chosen = {name: choice.lr for name, choice in choices.items()}
        self._bar.set_description(f"{setting} test")
        each = {name: [lr] for name, lr in chosen.items()}
        self._dream(self._wanted(setting, "test", each, self.plan.test_seeds))
        return chosen

    def _choose(self, setting, tried, own):
        """{optimizer: `Choice`} by what came of the learning rates {optimizer: [lr, ...]}."""
        self._bar.set_description(f"{setting} tuning")
        wanted = self._wanted(setting, "tuning", tried, self.plan.tuning_seeds)
        self._dream(wanted)
        if self.plan.choose == "gain":
            gains = self._medians(wanted, lambda row: counted_gains([row])[-1])
            return {name: choose.by_gain(gains[name]) for name in tried}
        measure = {"moved": "moved_db", "distance": "distance_db"}[self.plan.choose]
        moved = self._medians(wanted, lambda row: row[measure])
        distance = moved[BASELINE][own]
        choices = {name: choose.by_distance(moved[name], distance) for name in tried}
        return choices | {BASELINE: choose.Choice(own, None)}

    def _medians(self, dreams, value):
        """{optimizer: {lr: median}} of a value of the last rows."""
        found = {}
        for dream in dreams:
            of = found.setdefault(dream.optimizer, {}).setdefault(dream.lr, [])
            of.append(value(self._journal[dream][-1]))
        return {name: {lr: median(v) for lr, v in of.items()} for name, of in found.items()}

    def _wanted(self, setting, phase, lrs, seeds):
        return [
            Dream(setting, name, phase, float(lr), seed, path)
            for name, each in lrs.items()
            for lr in each
            for seed in seeds
            for path in self.plan.inputs
        ]

    def _dream(self, wanted):
        """Dreams those that were not wanted before, batch by batch.

        A comparison that goes on makes the same batches again, and skips those that are done: in
        its last digits a dream depends on its place in a batch.
        """
        new = [dream for dream in wanted if dream not in self._asked]
        self._asked |= dict.fromkeys(new)
        for variants in programs(self.plan.variants):
            names = [each.name for each in variants]
            of = [dream for dream in new if dream.optimizer in names]
            size = self.plan.settings[wanted[0].setting].batch_size
            batches = [of[start : start + size] for start in range(0, len(of), size)]
            batches = [each for each in batches if any(d not in self._journal for d in each)]
            self._bar.total += sum(map(len, batches))
            for each in batches:
                self._dream_batch(each, variants)

    def _dream_batch(self, dreams, variants):
        """Dreams one batch, and adds it to the journal."""
        options = self.plan.settings[dreams[0].setting]
        changes = {each.name: each.changes for each in variants}
        test = dreams[0].phase == "test"
        own = [self._source(dream, options, changes[dream.optimizer]) for dream in dreams]
        full = filled(own, options.batch_size)
        dreamed = trace.dream_batch(
            self._model, full, options, optimizers=names_of(variants), every_step=test
        )
        end = trace.finish(self._model, dreamed, full, options)
        for place, (dream, source) in enumerate(zip(dreams, own)):
            if dream in self._journal:
                continue
            if test:
                storage.write_whole(self.sound_of(dream), end.wavs[place])
            told = {**dream._asdict(), "input": name_of(dream.input)}
            target = _target(source, options, self._model)
            rows = trace.rows_of(dreamed, end, place, target=target, every_step=test)
            self._journal.add(dream, [{**told, **row} for row in rows])
        self._bar.update(len(dreams))

    def _source(self, dream, options, changes):
        options = replace(options, seed=dream.seed)
        draw = self.plan.inputs.index(dream.input)
        job = grid.Job(draw, dream.input, draw, {**changes, "lr": dream.lr})
        return sources.read(job, options=options, card=self._model.card)


def _target(source, options, model):
    """The class whose probability is told: that of the dream, or else the one that was named."""
    return options.wanted_class(model.card) if source.target is None else source.target


def name_of(path):
    """What an input is called."""
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
