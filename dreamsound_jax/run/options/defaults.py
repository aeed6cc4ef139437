"""The defaults of each domain, and the largest numbers that options take."""

from typing import NamedTuple

# Larger numbers are slips of the finger: they would take all memory, or more than a lifetime.
MOST_CLIPS = 1_000_000
MOST_AT_ONCE = 65_536
MOST_IN_A_BATCH = 4_096  # The program that draws random numbers has an argument for each clip.
MOST_STEPS = 1_000_000
MOST_PASSES = 1_000
MOST_RATIO = 1_000

MOST_LEVELS = 3
"""The number of passes by default, if the network has mel bands for them."""

NEUTRAL_STRENGTH = 85.0
"""The strength that changes nothing: the other options are as they are."""


class DomainDefaults(NamedTuple):
    """The defaults of a domain.

    Attributes:
      layer: the layer, unless a target class is named.
      lr: the learning rate.
    """

    layer: str
    lr: float


# Those of mel are the reference's. Those of sound were chosen by docs/first_dream.md.
DOMAIN_DEFAULTS = {"sound": DomainDefaults("relu3_4", 0.08), "mel": DomainDefaults("relu5_4", 0.02)}


def describe_defaults(name: str) -> str:
    """Says a default of each domain, such as "0.08 in the domain sound"."""
    values = ((getattr(each, name), domain) for domain, each in DOMAIN_DEFAULTS.items())
    return " and ".join(f"{value} in the domain {domain}" for value, domain in values)
