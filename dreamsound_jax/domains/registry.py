"""The domains by name. To add one, write it as `domain.Domain` says, and give it a row here."""

from dreamsound_jax.domains.mel import MelDomain
from dreamsound_jax.domains.sound import SoundDomain

DOMAINS: dict[str, type[SoundDomain] | type[MelDomain]] = {"sound": SoundDomain, "mel": MelDomain}
