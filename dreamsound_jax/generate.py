"""Many clips: from what was asked for to what is written, batch by batch."""

import functools
import itertools
import logging
import math
import operator
import secrets
from dataclasses import asdict, dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from tqdm import tqdm

from dreamsound_jax import ascent, audio, inputs, mel, models, outputs
from dreamsound_jax.batch import Stopwatch, analyse, dream_batch, hear
from dreamsound_jax.dream import Settings
from dreamsound_jax.errors import UserError, nearest_or_fail
from dreamsound_jax.sources import collect
from dreamsound_jax.vgg19 import LAYERS

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What was asked for: the flags of `dreamsound`, by name."""

    input: list[str]
    domain: str
    gain_range: float
    clip_length: int
    sine_freq: float
    sample_rate: int
    output_dir: str | None
    model: str
    checkpoint: str | None
    layers_to_use: list[str]
    target_class: str | None
    target_class_index: int
    class_objective: str
    pyramid_size: int
    pyramid_ratio: float
    replace_detail: bool
    detail_factor: float
    pyramid_roll: int
    num_iterations: int
    lr: float
    smoothing_coefficient: float
    optimizer: str
    seed: int | None
    batch_size: int
    precision: str
    loudness: str

    def settings(self):
        """The part that a compiled dream depends on."""
        return Settings(
            layers=tuple(self.layers_to_use),
            class_objective=self.class_objective,
            pyramid_size=self.pyramid_size,
            pyramid_ratio=self.pyramid_ratio,
            replace_detail=self.replace_detail,
            num_iterations=self.num_iterations,
            optimizer=self.optimizer,
        )

    def dtype(self):
        """Of spectrograms and sounds; the network's own may be narrower."""
        return jnp.float64 if self.precision == "float64" else jnp.float32


def run(options, *, command):
    """Dreams all clips and writes them; what fails is logged, a line each.

    Args:
      options: an `Options`.
      command: the command line that repeats this run, but for the seed.

    Returns:
      How many clips failed.

    Raises:
      UserError: nothing can be dreamed as asked for: found before the long work starts.
    """
    check(options)
    model = models.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    sources, failed = collect(options, model.card, seed)
    if not sources:
        return failed
    folder = outputs.make_folder(options.output_dir)
    targets = _targets(sources, model.card)
    flags = asdict(replace(options, seed=seed))
    outputs.write_params(folder, flags=flags, command=command, targets=targets)
    passes = len(sources) * (options.pyramid_size + 1)
    with tqdm(total=passes, desc="dreaming", unit="pass", disable=None, leave=False) as bar:
        for batch in batches(sources, options.batch_size):
            failed += _dream_and_write(model, batch, options, folder=folder, seed=seed, bar=bar)
    if failed:
        log.error("clips that failed, for the reasons above: %d", failed)
    return failed


def check(options):
    """Raises UserError for what is wrong whatever the clips are."""
    for flag in ("input", "layers_to_use"):
        if not getattr(options, flag):
            raise UserError(f"--{flag} is empty; without the flag, its default is taken")
    if options.target_class and options.target_class_index != -1:
        raise UserError(
            f"--target_class={options.target_class} and --target_class_index="
            f"{options.target_class_index}: give one of them"
        )
    for layer in options.layers_to_use:
        nearest_or_fail("layer", layer, LAYERS)
    nearest_or_fail("optimizer", options.optimizer, tuple(ascent.OPTIMIZERS))
    for field, value in vars(options).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f"--{field}={value}: accepted are finite numbers")
    if options.sample_rate != mel.SAMPLE_RATE:
        raise UserError(
            f"--sample_rate={options.sample_rate}: the networks hear {mel.SAMPLE_RATE} Hz and no "
            "other rate; files of any rate are converted to it"
        )


def batches(sources, size):
    """Groups clips of one shape, and yields lists of up to `size` of them."""
    by_shape = operator.attrgetter("shape")
    for _, alike in itertools.groupby(sorted(sources, key=by_shape), by_shape):
        alike = list(alike)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _targets(sources, card):
    return {s.name: card.classes[s.target] for s in sources if s.target is not None}


def _dream_and_write(model, batch, options, *, folder, seed, bar):
    """Dreams one batch and writes its clips; returns how many failed."""
    clock = Stopwatch()

    def advance(climb):
        jax.block_until_ready(climb)
        bar.update(len(batch))

    # A batch is always full: a clip then comes out the same whatever its neighbours are.
    full = [*batch, *[batch[-1]] * (options.batch_size - len(batch))]
    dreams = dream_batch(model, full, options, clock=clock, after_level=advance)
    dreams = jax.tree.map(np.asarray, dreams)
    wavs = _encode(dreams, options, sample_rate=batch[0].sample_rate)
    written = np.stack([inputs.to_mono(audio.decode(w), sample_rate=mel.SAMPLE_RATE) for w in wavs])
    heard = clock("written", hear(model, analyse(written.astype(options.dtype()))))
    failed = 0
    for row, source in enumerate(batch):
        of_one = functools.partial(jax.tree.map, lambda array, row=row: array[row])
        try:
            fail_if_stopped(of_one(dreams.climb), options.layers_to_use)
            clip = outputs.Clip(source, of_one(dreams), wavs[row], of_one(heard), clock.seconds)
            outputs.write_clip(folder, clip, options=options, card=model.card, seed=seed)
        except UserError as error:
            log.error("%s: %s", source.name, error)
            failed += 1
        bar.update()
    return failed


def _encode(dreams, options, *, sample_rate):
    """The sound files, as bytes. A clip that stopped, which may not be finite, gets silence."""
    stopped = (dreams.climb.fault != ascent.HEALTHY).any((1, 2))
    sounds = np.where(stopped[:, None, None], 0, dreams.finished.sound)
    encode = functools.partial(outputs.encode, sample_rate=sample_rate, loudness=options.loudness)
    return [encode(sound.T) for sound in sounds]


def fail_if_stopped(climb, layers):
    """Raises UserError if the clip of this `Climb`, arrays (levels, steps), stopped."""
    stopped = np.argwhere(climb.fault != ascent.HEALTHY)
    if len(stopped):
        level, step = stopped[0]
        flat = climb.fault[level, step] == ascent.ZERO_GRADIENT
        what = "is zero: nothing there responds to this sound" if flat else "overflows"
        raise UserError(
            f"stopped at pyramid level {level + 1}, step {step + 1}: the gradient of "
            f"{', '.join(layers)} {what}; nothing was written for this clip"
        )
