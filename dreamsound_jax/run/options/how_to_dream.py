"""The options in the section "How to dream" of the help."""

from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.defaults import (
    MOST_AT_ONCE,
    MOST_LEVELS,
    MOST_PASSES,
    MOST_RATIO,
    MOST_STEPS,
    describe_defaults,
)
from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class HowToDream:
    """The domain, the pyramid, the steps and the optimizer."""

    TITLE: ClassVar = "How to dream"

    domain: str = option(
        "sound",
        "sound: turn parts of the recording up and down, in time and frequency; its sample rate "
        "and its channels stay. mel: edit the mel spectrogram and make a new mono sound from it, "
        "as the original DreamSound does.",
        role="program",
        choices=("sound", "mel"),
    )
    loop: bool = option(
        False,
        "The sound is a loop, as samplers play it: its end runs into its beginning. Dreams it as "
        "if it were repeated for ever, so that the dream is a loop of the same length, without a "
        "seam. Where the input itself jumps from its end to its beginning, so does the dream. In "
        "an ouroboros, each round is a loop.",
        role="program",
    )
    pyramid_size: int | None = option(
        None,
        "Number of passes, from coarse to fine. More passes change longer and broader structures. "
        f"By default {MOST_LEVELS}, or fewer if the layer needs more mel bands than the coarsest "
        "pass would have.",
        role="program",
        at_least=1,
        at_most=MOST_PASSES,
    )
    pyramid_ratio: float = option(
        2.0,
        "How many times finer each pass is than the one before.",
        role="program",
        at_least=1.0,
        at_most=MOST_RATIO,
    )
    pyramid_roll: int = option(
        20,
        "Before each pass, shift the sound in time by up to this many frames of 9 ms, and shift it "
        "back afterwards.",
        role="data",
        at_least=0,
        at_most=MOST_STEPS,
    )
    replace_detail: bool = option(
        True,
        "Restore the fine detail that a coarse pass removed from the spectrogram. The domain sound "
        "always keeps it.",
        role="program",
    )
    detail_factor: float = option(1.0, "How much of that detail is restored.", role="data")
    num_iterations: int = option(
        10,
        "Steps in each pass. More steps dream further.",
        role="program",
        at_least=1,
        at_most=MOST_STEPS,
    )
    lr: float | None = option(
        None,
        "Learning rate: the size of a step. Larger steps dream further, and more roughly. By "
        f"default {describe_defaults('lr')}.",
        role="data",
        at_least=0.0,
    )
    smooth_gradient: bool = option(
        True, "Blur the gradient of each step, less at first and more later.", role="data"
    )
    smoothing_coefficient: float = option(
        0.5,
        "Blur of the gradient. Larger values give broader strokes.",
        role="data",
        at_least=0.0,
    )
    standardise_gradient: bool = option(
        True,
        "Normalise the gradient to zero mean and unit variance. Without it, --lr must be far "
        "larger, such as 5000.",
        role="data",
    )
    views: int = option(
        1,
        "Number of views of each step: the gradient is averaged over so many slightly changed "
        "copies of the spectrogram, each by up to --jitter_time, --jitter_pitch, --jitter_gain and "
        "--jitter_noise. A dream takes about so many times as long.",
        role="program",
        at_least=1,
        at_most=MOST_AT_ONCE,
    )
    jitter_time: float = option(
        0.0,
        "How far a view is rolled in time, at most, in frames of 9 ms. With --views over 1 and no "
        "jitter at all, views differ by 8 frames, 1 mel band, 3 dB, and noise of 0.1.",
        role="program",
        at_least=0.0,
    )
    jitter_pitch: float = option(
        0.0,
        "How far a view is shifted in pitch, at most, in mel bands.",
        role="program",
        at_least=0.0,
    )
    jitter_gain: float = option(
        0.0, "How much louder or quieter a view is, at most, in dB.", role="program", at_least=0.0
    )
    jitter_noise: float = option(
        0.0,
        "How much noise a view has, in standard deviations of the network's spectrograms.",
        role="program",
        at_least=0.0,
    )
    optimizer: str = option(
        "sgd",
        "How steps are taken: sgd (plain ascent, as in the reference) or another of optax's "
        "optimizers, such as adam. lbfgs runs a line search, and every evaluation of the objective "
        "counts as a step.",
        role="program",
    )
    momentum: float | None = option(
        None,
        "Momentum coefficient (momentum, nesterov, lars, sm3).",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    b1: float | None = option(
        None,
        "Adam family: decay rate of the first moment.",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    b2: float | None = option(
        None,
        "Adam family: decay rate of the second moment.",
        role="data",
        at_least=0.0,
        below=1.0,
    )
    eps: float | None = option(
        None,
        "Adam family: a small constant added to the denominator of a step.",
        role="data",
        at_least=0.0,
    )
    weight_decay: float | None = option(
        None,
        "Weight decay: each step also pulls the gain, or the standardised spectrogram, towards "
        "zero (adamw and others).",
        role="data",
        at_least=0.0,
    )
    optimizer_state: str = option(
        "restart",
        "What happens to the optimizer's state at the next pass: restart it, or carry it over, "
        "resized.",
        role="data",
        choices=("restart", "carry"),
    )
    precision: str = option(
        "float32",
        "float32, bfloat16 or float64: the precision of the network's arithmetic.",
        role="run",
        choices=("float32", "bfloat16", "float64"),
    )
    seed: int | None = option(
        None,
        "Random seed; the same seed repeats a run exactly. By default it is drawn, and written to "
        "params.json.",
        role="data",
        at_least=0,
        at_most=2**31 - 1,
    )
