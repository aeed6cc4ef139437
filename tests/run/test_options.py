"""Options have help, bounds and roles."""

import dataclasses
import json
import re
import typing

import pytest

from dreamsound_jax.dreaming.optimizers import HYPERPARAMETERS
from dreamsound_jax.run.checks import check_options
from dreamsound_jax.run.options import FIELDS, RESUMABLE_WITH_OTHER, SWEEPABLE, Options
from dreamsound_jax.run.options.option import Role
from dreamsound_jax.spectral.transforms import TRANSFORMS
from dreamsound_jax.system.errors import UserError


def test_the_defaults_are_valid_in_python_and_can_be_written_to_params():
    check_options(Options())
    written = json.loads(json.dumps(dataclasses.asdict(Options(layers_to_use=("relu1_1",)))))
    assert written["layers_to_use"] == ["relu1_1"]
    assert (written["lr"], written["sweep"], written["gain_range"]) == (None, {}, 24)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().lr = 1.0
    assert Options().sweep is not Options().sweep


def test_strings_and_lists_become_tuples():
    options = Options(input="noise", layers_to_use=["iterate"], ouroboros_transform="resample")
    assert (options.input, options.layers_to_use) == (("noise",), ("iterate",))
    assert options.ouroboros_transform == ("resample",)
    check_options(dataclasses.replace(options, create_ouroboros=True))
    swept = {"optimizer": "adam", "lr": [0.1, 0.2], "layers_to_use": ["conv1_1", ["mp1", "mp2"]]}
    assert Options(sweep=swept).sweep == {
        "optimizer": ("adam",),
        "lr": (0.1, 0.2),
        "layers_to_use": (("conv1_1",), ("mp1", "mp2")),
    }
    assert Options().layers_to_use is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"input": 5}, "--input must be of the type tuple, and is 5"),
        ({"layers_to_use": [3, 4]}, r"--layers_to_use must contain only strings, and is \(3, 4\)"),
        ({"sweep": {"lr": 0.1}}, "--sweep=lr= must have values"),
        ({"sweep": ["lr"]}, r"--sweep must map options to their values, and is \['lr'\]"),
    ],
)
def test_what_is_no_tuple_of_strings_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        check_options(Options(**given))


def test_every_option_says_what_it_decides():
    assert {field.metadata["role"] for field in FIELDS.values()} == {*typing.get_args(Role)}
    assert {name for name in FIELDS if name not in SWEEPABLE} >= {"input", "checkpoint", "sweep"}
    assert {"lr", "layers_to_use", "seed", "target_class"} <= {*SWEEPABLE}
    assert {*RESUMABLE_WITH_OTHER} <= {*FIELDS}
    assert not {*RESUMABLE_WITH_OTHER} & {*SWEEPABLE}


def test_help_is_in_sentences_that_end():
    assert [name for name in FIELDS if not is_in_sentences(FIELDS[name].metadata)] == []


def is_in_sentences(metadata):
    """It begins with a capital letter, or with the name of what the sentence is about."""
    text = metadata["help"]
    first = re.match(r"\w+", text)[0]
    begins = first in (*(metadata["choices"] or ()), *TRANSFORMS) or first[0].isupper()
    return begins and text.endswith(".") and "  " not in text


def test_help_names_every_choice():
    transforms = FIELDS["ouroboros_transform"].metadata["help"]
    assert [name for name in ("none", *TRANSFORMS) if name not in transforms] == []
    for name, transform in TRANSFORMS.items():
        assert FIELDS[transform.option].metadata["help"].startswith(f"{name}: ")
    for name in HYPERPARAMETERS:
        assert FIELDS[name].default is None
    with_choices = [name for name in FIELDS if FIELDS[name].metadata["choices"]]
    assert "precision" in with_choices
    for name in with_choices:
        metadata = FIELDS[name].metadata
        assert [each for each in metadata["choices"] if each not in metadata["help"]] == [], name
