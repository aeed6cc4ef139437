"""The gradients of objectives, against PyTorch's automatic differentiation in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax import objectives
from dreamsound_jax.dreaming.dream import prepare_objective, respond
from dreamsound_jax.objectives.guides import Guided
from dreamsound_jax.objectives.terms import compile_objective
from tests.helpers import tiny
from tests.helpers.tiny import CARD
from tests.helpers.torch_pair import make_pair

SHAPE = (64, 80)
RNG = np.random.default_rng(3)
IMAGE, GUIDE = RNG.normal(size=(2, *SHAPE))
VECTOR = RNG.normal(size=32)


def dot_cosine(own, guide, power):
    import torch

    dot = (own * guide).sum(dim=1)
    lengths = own.square().sum(dim=1).sqrt() * guide.square().sum(dim=1).sqrt()
    return (dot * torch.clamp(dot / (lengths + 1e-8), min=0.1) ** power).mean()


def sorted_features(values):
    return values[0].flatten(1).sort(dim=1).values


def mean_time(values):
    return values.mean(dim=3, keepdim=True)


# {name: (objective, its layer, the same in PyTorch of (activation, that of the guide))}
CASES = {
    "channel": (objectives.channel("relu3_2", 5), "relu3_2", lambda x, g: x[0, 5].mean()),
    "neuron": (
        objectives.neuron("conv3_2", 5, band=70, frame=33),
        "conv3_2",
        lambda x, g: x[0, 5, int(70.5 / 128 * x.shape[2]), int(33.5 / 80 * x.shape[3])],
    ),
    "direction": (
        objectives.direction("conv4_1", VECTOR),
        "conv4_1",
        lambda x, g: (x[0] * np_to_torch(VECTOR)[:, None, None]).sum(dim=0).mean(),
    ),
    "logit": (objectives.logit(3), "output", lambda x, g: x[0, 3]),
    "margin": (
        objectives.margin(3),
        "output",
        lambda x, g: x[0, 3] - max(x[0, n] for n in range(6) if n != 3),
    ),
    "guide": (
        objectives.guide("relu3_2", "g.wav", power=2),
        "relu3_2",
        lambda x, g: dot_cosine(x, g, 2),
    ),
    "guide by statistics": (
        objectives.guide("relu3_2", "g.wav", match="statistics"),
        "relu3_2",
        lambda x, g: dot_cosine(mean_time(x), mean_time(g), 1),
    ),
    "features": (
        objectives.features("relu3_2", "g.wav"),
        "relu3_2",
        lambda x, g: (
            -(sorted_features(x) - sorted_features(g)).square().mean()
            / (sorted_features(g).square().mean() + 1e-8)
        ),
    ),
}


def np_to_torch(array):
    import torch

    return torch.tensor(array)


def our_gradient(network, objective, monkeypatch):
    """The gradient of an objective, whose guide is heard as `GUIDE`."""
    monkeypatch.setattr(
        "dreamsound_jax.objectives.guides._guide",
        lambda sound, card, frames, power, from_loudest: Guided(GUIDE, np.float64(power)),
    )
    program = tiny.program(objective=objective)
    _, data = compile_objective(objective, CARD, dtype=np.float64, frames=SHAPE[1])
    settings = tiny.settings(1, objective=objective, program=program)
    settings = jax.tree.map(lambda leaf: leaf[0], settings)._replace(objective=data)

    @jax.jit
    @jax.grad
    def gradient(image):
        ready = prepare_objective(network, jnp.asarray(IMAGE), settings, program=program)
        return respond(network, image, ready, program=program)

    return np.asarray(gradient(jnp.asarray(IMAGE)))


def their_gradient(weights, layer, measure):
    import torch

    from tests.helpers import torch_reference

    image, guide = (torch.tensor(each)[None, None] for each in (IMAGE, GUIDE))
    image.requires_grad_()
    own, other = (
        torch_reference.activations(weights, each, [layer])[layer] for each in (image, guide)
    )
    (gradient,) = torch.autograd.grad(measure(own, other.detach()), image)
    return gradient[0, 0].numpy()


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", CASES)
def test_gradients_agree_with_torch(name, monkeypatch):
    objective, layer, measure = CASES[name]
    network, weights = make_pair()
    ours = our_gradient(network, objective, monkeypatch)
    theirs = their_gradient(weights, layer, measure)
    assert np.abs(theirs).max() > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-8 * np.abs(theirs).max())
