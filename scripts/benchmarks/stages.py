"""Part `stages`: each stage of the way from a sound to its dream's sound, compiled before."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.dreams import (
    FRONT_END,
    Context,
    Task,
    count_flops,
    count_gradient,
    make_model,
    make_task,
)
from benchmarks.results import Spread, Table, time_in_turns
from dreamsound_jax.audio.rendering import render_sound
from dreamsound_jax.dreaming.batch import analyse_clips, classify, render_clips
from dreamsound_jax.dreaming.dream import dream_level_of_clips

COLUMNS = ["stage", "clips in a batch", "s/clip", "limit (s/clip)", "share of the limit"]
NOTES = (
    "The limit: the FLOPs of the stage, as XLA counts them, at the speed of a large matrix product "
    "of the network's dtype. What has loops inside is not counted.",
    "A step is one step of a dream at that level; its limit is that of the network's gradient.",
)


class Stage(NamedTuple):
    """A stage of a batch.

    Attributes:
      run: computes it.
      flops: of the batch, or of one step; None if they are not counted.
      steps: how many steps `run` takes.
    """

    run: Callable
    flops: float | None = None
    steps: int = 1


def measure(context: Context) -> Table:
    """Returns the table of this part."""
    rows = [row for size in context.batch_sizes for row in _measure_batch(context, size)]
    seconds = context.options.clip_length / FRONT_END.sample_rate
    title = (
        f"Stages of a clip of {seconds:.2f} s, dreamed by {context.layers[0]} of a VGG19 of "
        f"{context.width:g} times its width"
    )
    return Table(title, COLUMNS, rows, NOTES)


def _measure_batch(context, size):
    make = functools.partial(
        make_task, make_model(context.width, context.options.precision), context.options, size=size
    )
    in_sound, in_mel = (make(layer=context.layers[0], domain=name) for name in ("sound", "mel"))
    stages = _steps(in_sound, "sound") | _steps(in_mel, "mel") | _other_stages(in_sound, in_mel)
    functions = {name: stage.run for name, stage in stages.items()}
    seconds = time_in_turns(functions, rounds=context.rounds)
    return [
        _row(context, name, size, stage, np.divide(seconds[name], stage.steps * size))
        for name, stage in stages.items()
    ]


def _row(context, name, size, stage, seconds):
    spread = Spread.of(seconds)
    if stage.flops is None:
        return [name, size, spread, "not counted", "not counted"]
    limit = stage.flops / context.peak / size
    return [name, size, spread, limit, limit / spread.median]


def _steps(task: Task, domain: str) -> dict[str, Stage]:
    stages, reached = {}, None
    for level, shape in enumerate(task.level_shapes):
        run = functools.partial(
            dream_level_of_clips,
            *(task.model.network, reached, task.clips, task.settings),
            program=task.program,
            level=level,
        )
        name = f"a step at {shape[0]} x {shape[1]}, domain {domain}"
        stages[name] = Stage(run, count_gradient(task, shape), task.program.num_iterations)
        reached, _ = run()
    return stages


def _other_stages(in_sound: Task, in_mel: Task) -> dict[str, Stage]:
    network, clips, gain = in_mel.model.network, in_mel.clips, in_sound.clips.initial()
    analyse = functools.partial(analyse_clips, clips.sound, front_end=FRONT_END)
    classify_clips = functools.partial(classify, network, clips.spectrogram)
    invert = functools.partial(render_clips, clips, clips.spectrogram)
    channels = np.asarray(clips.sound)[:, :, None]
    return {
        "analysis": Stage(analyse, count_flops(analyse_clips, clips.sound, front_end=FRONT_END)),
        "from the gain to the sound, domain sound": Stage(
            functools.partial(render_clips, in_sound.clips, gain)
        ),
        "from the spectrogram to the sound, domain mel": Stage(invert),
        "class probabilities": Stage(
            classify_clips, count_flops(classify, network, clips.spectrogram)
        ),
        "WAV with its loudness": Stage(functools.partial(_write_sounds, channels)),
    }


def _write_sounds(sounds):
    for sound in sounds:
        render_sound(sound, sample_rate=FRONT_END.sample_rate)
