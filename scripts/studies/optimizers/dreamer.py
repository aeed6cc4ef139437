"""Dreams the batches of a comparison, and writes their sounds."""

from dataclasses import replace
from pathlib import Path

from dreamsound_jax.audio import inputs
from dreamsound_jax.dreaming.batch import filled
from dreamsound_jax.outputs import outputs
from dreamsound_jax.run import grid, sources
from dreamsound_jax.spectral import mel
from studies.optimizers import trace
from studies.optimizers.inputs import name_input
from studies.optimizers.records import make_records
from studies.optimizers.variants import list_optimizers


class Dreamer:
    """Dreams, adds the records of steps to a journal, and writes sounds into a folder."""

    def __init__(self, model, plan, journal, folder):
        """Takes a `models.Model`, a `study.Plan`, a `Journal`, and the folder of the comparison."""
        self._model, self._plan, self._journal, self._folder = model, plan, journal, folder
        (folder / "sounds").mkdir(exist_ok=True)

    def dream_batch(self, dreams, variants):
        """Dreams a batch of `study.Dream`s of one setting by the program of `variants`."""
        options = self._plan.settings[dreams[0].setting]
        changes = {each.name: each.changes for each in variants}
        test = dreams[0].phase == "test"
        own = [self._read(dream, options, changes[dream.optimizer]) for dream in dreams]
        full = filled(own, options.batch_size)
        dreamed = trace.dream_batch(
            self._model, full, options, optimizers=list_optimizers(variants), every_step=test
        )
        end = trace.finish(self._model, dreamed, full, options)
        for place, (dream, source) in enumerate(zip(dreams, own)):
            if dream in self._journal:
                continue
            if test:
                self.sound_path(dream).write_bytes(end.wavs[place])
            known = {**dream._asdict(), "input": name_input(dream.input)}
            target = _choose_target(source, options, self._model)
            rows = make_records(dreamed, end, place, target=target, every_step=test)
            self._journal.add(dream, [{**known, **row} for row in rows])

    def read_example(self, setting):
        """Reads a batch of sources of a setting, on which steps can be timed."""
        options, seed = self._plan.settings[setting], self._plan.tuning_seeds[0]
        size = options.batch_size
        own = [self._read_input(path, seed, options, {}) for path in self._plan.inputs[:size]]
        return filled(own, size)

    def sound_path(self, dream) -> Path:
        """The path of the written sound of a test dream."""
        words = (*dream.setting.split(), dream.optimizer, name_input(dream.input), str(dream.seed))
        safe = ("".join(c if c.isalnum() else "_" for c in word) for word in words)
        return self._folder / "sounds" / f"{'-'.join(safe)}.wav"

    def input_path(self, dream) -> Path:
        """The path of the input of a dream; a generated input is written first."""
        if dream.input not in inputs.GENERATED:
            return self._folder / "inputs" / f"{name_input(dream.input)}.wav"
        options = self._plan.settings[dream.setting]
        sound = self._read(dream, options, {}).sound[:, None]
        wav = outputs.encode(sound, sample_rate=mel.SAMPLE_RATE, loudness=options.loudness)
        path = self._folder / "inputs" / f"{dream.input}-{dream.seed}.wav"
        path.write_bytes(wav)
        return path

    def _read(self, dream, options, changes):
        return self._read_input(dream.input, dream.seed, options, {**changes, "lr": dream.lr})

    def _read_input(self, path, seed, options, changes):
        number = self._plan.inputs.index(path)
        job = grid.Job(number, path, number, changes)
        return sources.read(job, options=replace(options, seed=seed), card=self._model.card)


def _choose_target(source, options, model):
    """The class whose probability is recorded: that of the dream, or else that of the options."""
    return options.wanted_class(model.card) if source.target is None else source.target
