import pytest

from dreamsound_jax.run.options import check
from dreamsound_jax.system.errors import UserError
from tests.helpers import tiny

OUROBOROS = {"create_ouroboros": True}
STRETCH = {**OUROBOROS, "ouroboros_transform": ["time_stretch"]}
RESAMPLE = {**OUROBOROS, "ouroboros_transform": ["mel_shift", "resample"]}


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"layers_to_use": ["iterate"]}, "give --create_ouroboros, too"),
        ({**OUROBOROS, "layers_to_use": ["iterate", "relu2_2"]}, "iterate stands alone"),
        ({**OUROBOROS, "ouroboros_transform": ["pitchshift"]}, r"did you mean pitch_shift\?"),
        ({**OUROBOROS, "ouroboros_transform": ["none", "resample"]}, "none, or others without it"),
        ({**OUROBOROS, "ouroboros_transform": []}, "none, or others without it"),
        ({**STRETCH, "ouroboros_stretch": 0.0}, "stretch=0: accepted are 0.1 to 10"),
        ({**STRETCH, "ouroboros_stretch": float("nan")}, "finite"),
        ({**RESAMPLE, "ouroboros_sr_offset": -22050}, "offset=-22050: accepted are -19845"),
    ],
)
def test_what_makes_no_ouroboros_is_refused(given, hint):
    with pytest.raises(UserError, match=hint):
        check(tiny.options(**given))


def test_what_is_of_no_use_is_not_checked():
    check(tiny.options(ouroboros_stretch=-1.0, ouroboros_transform=["resample"]))


def test_transforms_come_with_their_amounts_in_order():
    names = ["time_roll", "time_stretch", "time_roll"]
    given = tiny.options(ouroboros_transform=names, ouroboros_roll=0.5)
    assert given.chain() == (("time_roll", 0.5), ("time_stretch", 0.95), ("time_roll", 0.5))
    assert tiny.options().chain() == ()
