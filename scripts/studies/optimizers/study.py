"""A comparison of optimizers: each is tuned on some seeds, and tested on others.

In each setting all optimizers dream on the same inputs, with the same random rolls, for the same
number of gradient evaluations.
"""

from typing import NamedTuple

import pandas as pd

from studies.optimizers import steps
from studies.optimizers.choose import Choice, choose_by_distance, choose_by_gain
from studies.optimizers.variants import BASELINE, programs

MAX_ROUNDS = 8  # So many times learning rates beyond those tried are added.
DISTANCES = {"moved": "moved_db", "distance": "distance_db"}


class Plan(NamedTuple):
    """What is compared.

    Attributes:
      settings: {name: `Options`}.
      variants: A list of `Variant`s, the baseline first.
      lrs: The learning rates that are tried at first; the baseline also tries `Options.lr`.
      inputs: Paths of sounds of equal length, or names of generated sounds.
      tuning_seeds, test_seeds: Lists of seeds.
      choose: How learning rates are chosen. "moved" or "distance": the learning rate that takes
        clips as far as the baseline at `Options.lr` does, by the RMS change of the spectrogram or
        by the log-spectral distance of the written sound. "gain": the one that gains most.
    """

    settings: dict
    variants: list
    lrs: list
    inputs: list
    tuning_seeds: list
    test_seeds: list
    choose: str


class Dream(NamedTuple):
    """The properties that identify a dream of a plan."""

    setting: str
    optimizer: str
    phase: str
    lr: float
    seed: int
    input: str


class Study:
    """Carries out a `Plan`.

    Attributes:
      plan: The plan.
      journal: The `Journal` with the records of the steps of each `Dream`.
      chosen: {setting: {optimizer: its chosen learning rate}}, known after `run`.
    """

    def __init__(self, plan, journal, dreamer, bar):
        """Takes a plan, a journal, a `dreamer.Dreamer`, and a `tqdm` bar that counts dreams."""
        self.plan, self.journal, self.chosen = plan, journal, {}
        self._dreamer, self._bar = dreamer, bar
        self._requested = {}

    def run(self) -> pd.DataFrame:
        """Dreams what is not yet in the journal; returns all steps, see `steps.COLUMNS`."""
        for setting in self.plan.settings:
            self.chosen[setting] = self._tune(setting)
            self._bar.set_description(f"{setting} test")
            self._dream(self.list_tests(setting))
        return steps.make_table(row for dream in self._requested for row in self.journal[dream])

    def list_tests(self, setting, optimizer=None) -> list[Dream]:
        """Lists the test dreams of an optimizer, or of all, in a setting, seed by seed."""
        lrs = {name: [lr] for name, lr in self.chosen[setting].items() if optimizer in (None, name)}
        return self._list_dreams(setting, "test", lrs, self.plan.test_seeds)

    def _tune(self, setting):
        """Returns {optimizer: its chosen learning rate}, after the tuning dreams."""
        default = self.plan.settings[setting].lr
        tried = {each.name: list(self.plan.lrs) for each in self.plan.variants}
        tried[BASELINE] = sorted({default, *self.plan.lrs})
        self._bar.set_description(f"{setting} tuning")
        for _ in range(MAX_ROUNDS):
            choices = self._choose(setting, tried, default)
            missing = {name: choice.next_lr for name, choice in choices.items() if choice.next_lr}
            if not missing:
                break
            for name, lr in missing.items():
                tried[name].append(lr)
        return {name: choice.lr for name, choice in choices.items()}

    def _choose(self, setting, tried, default):
        """Returns {optimizer: `Choice`}, given the learning rates that each tries."""
        dreams = self._list_dreams(setting, "tuning", tried, self.plan.tuning_seeds)
        self._dream(dreams)
        table = steps.make_table(row for dream in dreams for row in self.journal[dream])
        column = DISTANCES.get(self.plan.choose, "gain")
        medians = steps.select_ends(table, "tuning").groupby(["optimizer", "lr"])[column].median()
        found = {name: medians[name].to_dict() for name in tried}
        if column == "gain":
            return {name: choose_by_gain(gains) for name, gains in found.items()}
        wanted = found[BASELINE][default]
        choices = {name: choose_by_distance(moved, wanted) for name, moved in found.items()}
        return choices | {BASELINE: Choice(default, None)}

    def _list_dreams(self, setting, phase, lrs, seeds):
        return [
            Dream(setting, name, phase, float(lr), seed, path)
            for name, each in lrs.items()
            for lr in each
            for seed in seeds
            for path in self.plan.inputs
        ]

    def _dream(self, dreams):
        """Dreams those that were not requested before, batch by batch.

        A resumed comparison makes the same batches again, and skips those that are done, because
        the last digits of a dream depend on its place in a batch.
        """
        new = [dream for dream in dreams if dream not in self._requested]
        self._requested |= dict.fromkeys(new)
        for variants in programs(self.plan.variants):
            names = [each.name for each in variants]
            own = [dream for dream in new if dream.optimizer in names]
            size = self.plan.settings[dreams[0].setting].batch_size
            batches = [own[start : start + size] for start in range(0, len(own), size)]
            batches = [each for each in batches if any(d not in self.journal for d in each)]
            self._bar.total += sum(map(len, batches))
            for batch in batches:
                self._dreamer.dream_batch(batch, variants)
                self._bar.update(len(batch))
