"""Sounds and flags at the rim of what there is: what is written is finite, and at its level."""

import pytest

from studies.hunt.dreamed import dream_draw
from studies.hunt.numbers import ALIKE, OTHERS, PRECISIONS, Draw, draw, write_network
from tests.helpers.tiny import CARD

# Of these sounds nothing can be heard, or they are too short.
REFUSED = {"constant", "nan", "infinite", "one"}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("network"))


def test_sounds_at_the_rim_are_written_as_promised_or_refused(network):
    """With steps that are far too large and far too small."""
    options = {
        "layers_to_use": ("relu1_2",),
        "num_iterations": 1,
        "pyramid_size": 1,
        "batch_size": 2,
        "seed": 0,
        "plots": False,
        "sweep": {"lr": (1e-6, 1e6)},
    }
    sounds = (*ALIKE, "one")
    outcomes = dream_draw(Draw(0, "float32", sounds, options), checkpoint=network)
    assert [each for each in outcomes if each.is_fault] == []
    found = {(each.input, each.found) for each in outcomes}
    expected = {name: "refused" if name in REFUSED else "written" for name in sounds}
    assert found == set(expected.items())
    assert len(outcomes) == 2 * len(sounds)


def test_draws_reach_each_layer_domain_and_sound():
    layers = CARD.architecture.layers
    draws = [draw(seed, PRECISIONS[seed % 3], layers) for seed in range(2 * len(layers))]
    reached = {(*each.options["layers_to_use"], each.options["domain"]) for each in draws}
    assert reached == {(layer, domain) for layer in layers for domain in ("sound", "mel")}
    assert {each.sounds[-1] for each in draws} == set(OTHERS)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_random_draws_are_written_as_promised_or_refused(network, precision, seed, in_precision):
    layers = CARD.architecture.layers
    with in_precision(precision):
        outcomes = dream_draw(draw(1000 + seed, precision, layers), checkpoint=network)
    assert [each for each in outcomes if each.is_fault] == []
    assert outcomes
