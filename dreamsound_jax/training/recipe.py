"""The settings of a training run."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dreamsound_jax.networks.vgg19_network import CLASS_LAYER, architecture
from dreamsound_jax.system.errors import UserError


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run. The defaults are those of the included network `gm`.

    Attributes:
      windows: how many frames of each clip the network sees, one entry per epoch.
      batch_size: the number of clips in a step.
      learning_rate: the peak, after a linear warm-up and before a cosine decay to 0.
      weight_decay: the weight decay of AdamW, which applies only to kernels.
      label_smoothing: the share of each target that is spread evenly over the classes.
      adversarial: the size of the adversarial changes of the clips, RMS in standard deviations of
        their cells; 0 trains on the clips as they are.
      precision: the dtype of the network's arithmetic. The weights themselves are float32.
      seed: decides the initial weights, the order of the clips, their windows and the augmentation.
    """

    windows: tuple[int, ...] = (64, 64, 64, 64, 64, 128, 128)
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    adversarial: float = 0.0
    precision: str = "float32"
    seed: int = 0


def parse_windows(items: Sequence[str]) -> tuple[int, ...]:
    """Parses items such as "64x5" (64 frames for 5 epochs) or "64" to one entry per epoch.

    Raises:
      UserError: an item has another form, or fewer frames than the network needs.
    """
    _, smallest = architecture(1).layer(CLASS_LAYER).stride
    matches = [match for item in items if (match := re.fullmatch(r"(\d+)(?:x(\d+))?", item))]
    long_enough = all(int(match[1]) >= smallest for match in matches)
    if not items or len(matches) < len(items) or not long_enough:
        raise UserError(
            "--windows must be a list of FRAMESxEPOCHS such as 64x5,128x2, with at least "
            f"{smallest} frames, got {','.join(items)}"
        )
    return tuple(int(match[1]) for match in matches for _ in range(int(match[2] or 1)))
