"""The front end of the networks that are trained here: that of the 2021 reference."""

from dreamsound_jax.spectral.front_end import FrontEnd

FRONT_END = FrontEnd()
