"""Dreams the batches of a comparison, and writes their sounds."""

from dataclasses import replace
from pathlib import Path

from dreamsound_jax.audio.find import GENERATED
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.run.batches import fill_batch
from dreamsound_jax.run.jobs import Job
from dreamsound_jax.run.resolve import resolve
from dreamsound_jax.run.sources import read_source
from studies.optimizers import trace
from studies.optimizers.inputs import name_input
from studies.optimizers.records import make_records
from studies.optimizers.variants import list_optimizers


class Dreamer:
    """Dreams, adds the records of steps to a journal, and writes sounds into a folder."""

    def __init__(self, model, plan, journal, folder):
        """Takes a `Model`, a `study.Plan`, a `Journal`, and the folder of the comparison."""
        self._model, self._plan, self._journal, self._folder = model, plan, journal, folder
        (folder / "sounds").mkdir(exist_ok=True)

    def dream_batch(self, dreams, variants):
        """Dreams a batch of `study.Dream`s of one setting by the program of `variants`."""
        changes = {each.name: each.changes for each in variants}
        test = dreams[0].phase == "test"
        own = [self._read(dream, changes[dream.optimizer]) for dream in dreams]
        full = fill_batch(own, self._batch_size(dreams[0].setting))
        dreamed = trace.dream_batch(
            self._model, full, optimizers=list_optimizers(variants), every_step=test
        )
        end = trace.finish(self._model, dreamed, full)
        for place, (dream, source) in enumerate(zip(dreams, own)):
            if dream in self._journal:
                continue
            if test:
                self.sound_path(dream).write_bytes(end.wavs[place])
            known = {**dream._asdict(), "input": name_input(dream.input)}
            target = source.plan.target if source.target is None else source.target
            rows = make_records(dreamed, end, place, target=target, every_step=test)
            self._journal.add(dream, [{**known, **row} for row in rows])

    def read_example(self, setting, variant):
        """Reads a batch of sources of a setting, on which steps of a variant can be timed.

        It has one pyramid level, the whole clip: most of the time is spent there.
        """
        size, seed = self._batch_size(setting), self._plan.tuning_seeds[0]
        changes = {**variant.changes, "pyramid_size": 1}
        own = [self._read_input(path, seed, setting, changes) for path in self._plan.inputs[:size]]
        return fill_batch(own, size)

    def sound_path(self, dream) -> Path:
        """The path of the written sound of a test dream."""
        words = (*dream.setting.split(), dream.optimizer, name_input(dream.input), str(dream.seed))
        safe = ("".join(c if c.isalnum() else "_" for c in word) for word in words)
        return self._folder / "sounds" / f"{'-'.join(safe)}.wav"

    def input_path(self, dream) -> Path:
        """The path of the input of a dream; a generated input is written first."""
        if dream.input not in GENERATED:
            return self._folder / "inputs" / f"{name_input(dream.input)}.wav"
        source = self._read(dream, {})
        written = render_sound(
            source.sound[:, None],
            sample_rate=source.plan.card.front_end.sample_rate,
            target_lufs=source.target_lufs,
        )
        path = self._folder / "inputs" / f"{dream.input}-{dream.seed}.wav"
        path.write_bytes(written.content)
        return path

    def _batch_size(self, setting):
        return self._plan.settings[setting].batch_size

    def _read(self, dream, changes):
        own = {**changes, "lr": dream.lr}
        return self._read_input(dream.input, dream.seed, dream.setting, own)

    def _read_input(self, path, seed, setting, changes):
        options = replace(self._plan.settings[setting], seed=seed, **changes)
        number = self._plan.inputs.index(path)
        (clip,) = resolve(options, self._model.card).clips
        return read_source(Job(number, path, draw=number, plan=clip))
