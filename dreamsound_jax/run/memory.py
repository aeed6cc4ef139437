"""Whether a batch fits into memory: found out before it is dreamed.

XLA states how many bytes a compiled program takes. A CPU gives them out until the system ends the
process, so this is asked before a batch begins. Where a batch is far from large, nothing is asked,
since asking waits for the compiler.
"""

import logging

import jax

from dreamsound_jax.audio.find import GENERATED
from dreamsound_jax.networks.loading import Model
from dreamsound_jax.networks.windows import OWNED_FRAMES
from dreamsound_jax.run.sources import Source
from dreamsound_jax.system import memory, programs
from dreamsound_jax.system.errors import UserError

log = logging.getLogger(__name__)

# Nothing is asked about a batch whose estimate is under this share of the free memory. Activations
# were estimated at 0.5 to 1.3 times what XLA states (gm and mtt; docs/many_clips.md has more).
SMALL = 0.25
# Sounds that wait to be dreamed may take this share of the free memory.
_SHARE_OF_WAITING = 0.5
# A sound is copied so often while its files are made,
COPIES_ON_HOST = 2
# and so often by the programs that analyse and render it.
COPIES_IN_PROGRAMS = 8


class DoesNotFit(UserError):
    """A batch needs more memory than is free.

    Attributes:
      fits: how many of its clips would fit; 0 if not even one does.
    """

    def __init__(self, message: str, fits: int) -> None:
        """Says how many clips would fit."""
        super().__init__(message)
        self.fits = fits


def estimate_bytes(sources: list[Source]) -> int:
    """Estimates what a batch takes from the shapes of its spectrograms and layers.

    These are the activations up to the deepest layer, kept for the gradient, and some copies of the
    sounds. Of a long clip, the network hears one window at a time.
    """
    first = sources[0]
    architecture, front_end = first.plan.card.architecture, first.plan.card.front_end
    frames = min(first.frames, 2 * OWNED_FRAMES)
    deepest = max(
        architecture.layers.index(name)
        for program in first.plan.programs()
        for name in program.layers or architecture.layers[:1]
    )
    layers = [architecture.layer(name) for name in architecture.layers[: deepest + 1]]
    channels = sum(each.channels / (each.stride[0] * each.stride[1]) for each in layers)
    activations = front_end.n_mels * frames * channels * first.plan.views
    each = 4 * activations + COPIES_IN_PROGRAMS * _sound_bytes(first)
    return round(each * len(sources))


def find_misfit(model: Model, sources: list[Source], programs_before: int) -> DoesNotFit | None:
    """Returns why a batch does not fit, after its programs were begun to be compiled.

    One clip that needs more than is free is dreamed all the same, with a warning: a system may find
    more. It does not fit if it needs more than there is.

    Args:
      model: the network and its card.
      sources: the clips of a full batch.
      programs_before: how many programs there were before its own.
    """
    found = memory.of_devices()
    if found is None or estimate_bytes(sources) < SMALL * found.free:
        return None
    needed = programs.most_bytes_since(programs_before)
    if needed is None:
        return None
    if jax.default_backend() == "cpu":
        needed += COPIES_ON_HOST * _sound_bytes(sources[0]) * len(sources)
    if needed <= found.free:
        return None
    share = found.free / needed
    seconds = sources[0].sound.size / sources[0].plan.card.front_end.sample_rate
    what = f"{seconds:.1f} s of sound need about {_gigabytes(needed)} of memory"
    if len(sources) > 1:
        what = f"{len(sources)} clips of {what}, and {_gigabytes(found.free)} are free"
        # What all clips share, such as the weights, leaves a little less for each.
        return DoesNotFit(what, int(0.9 * len(sources) * share))
    advice = _advise(model, sources[0], share)
    if needed > found.total:
        return DoesNotFit(f"{what}, and there are {_gigabytes(found.total)}: {advice}", 0)
    name, free = sources[0].job.name, _gigabytes(found.free)
    log.warning("%s: %s, and %s are free: %s", name, what, free, advice)
    return None


def count_held(source: Source) -> int | None:
    """Returns how many clips as long as this one can wait to be dreamed; None if it is not known.

    Their sounds may take half of the free memory of the machine.
    """
    found = memory.of_machine()
    return None if found is None else int(_SHARE_OF_WAITING * found.free / _sound_bytes(source))


def _sound_bytes(source):
    return source.recording.channels.nbytes + source.sound.nbytes


def _advise(model, source, share):
    """Says what would fit, if a clip may take so large a share of what it takes."""
    if source.job.path in GENERATED:
        ways = [f"--clip_length={int(0.9 * share * source.sound.size)} may fit"]
    else:
        seconds = 0.9 * share * source.sound.size / source.plan.card.front_end.sample_rate
        ways = [f"a file of {seconds:.0f} s may fit"]
    if source.plan.views > 1:
        ways.append("fewer --views take less")
    # On a CPU, XLA computes in float32 what is stored in bfloat16.
    if jax.default_backend() != "cpu" and jax.tree.leaves(model.network)[0].dtype.itemsize > 2:
        ways.append("--precision=bfloat16 takes less")
    return ", and ".join(ways)


def _gigabytes(count):
    return f"{count / 1e9:.1f} GB"
