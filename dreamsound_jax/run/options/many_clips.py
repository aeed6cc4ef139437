"""The options in the section "Many clips" of the help."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from dreamsound_jax.run.options.defaults import MOST_CLIPS, MOST_IN_A_BATCH
from dreamsound_jax.run.options.option import option


@dataclass(frozen=True, kw_only=True, init=False, repr=False, eq=False)
class ManyClips:
    """How many clips a run has, and in which ways they differ."""

    TITLE: ClassVar = "Many clips"

    num_clips: int | None = option(
        None,
        "Number of clips. By default each input is dreamed once. With more clips than inputs, the "
        "inputs are used in turn, with new random draws each time.",
        role="run",
        at_least=1,
        at_most=MOST_CLIPS,
    )
    first_draw: int = option(
        0,
        "Number of the random draw of the first input. The inputs of a run have the draws 0, 1, 2 "
        "and so on; with its seed and its draw, a clip is made again alone. The commands on the "
        "page of clips give both.",
        role="run",
        at_least=0,
        at_most=2**31 - 1,
    )
    sweep: Mapping[str, tuple] = option(
        {},
        "A flag and its values, such as lr=0.01,0.02: one clip for each value. Give it again for "
        "another flag, and there is one clip for each combination. Join layers that dream together "
        "by +, as in layers_to_use=relu3_4,relu4_4+relu5_4.",
        role="run",
    )
    batch_size: int = option(
        1,
        "Number of clips of one length that are dreamed at once, in one compiled program.",
        role="run",
        at_least=1,
        at_most=MOST_IN_A_BATCH,
    )
    lengths: str = option(
        "exact",
        "exact: keep each file's length; each new length takes extra time to compile. buckets: pad "
        "files with a little silence to a few lengths (at most 8 per octave), and trim the dreams.",
        role="run",
        choices=("exact", "buckets"),
    )
    clip_length: int = option(
        51200,
        "Length of noise and sine in samples; 22050 samples are one second.",
        role="data",
        at_least=1,
    )
    sine_freq: float = option(250.0, "Frequency of sine in Hz.", role="data")
    sample_rate: int | None = option(
        None,
        "Sample rate of the network in Hz. Leave it out: files of any rate are resampled.",
        role="run",
    )
