"""The structure of arguments is kept as JSON."""

import collections
import json
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dreamsound_jax.domains.sound import sound_domains
from dreamsound_jax.dreaming.ascent import Climb
from dreamsound_jax.dreaming.optimizers import OPTIMIZERS, SEARCHING, make_steps, make_transform
from dreamsound_jax.dreaming.ouroboros import begin_clips
from dreamsound_jax.system.tree_json import decode_tree, encode_tree
from tests.helpers import tiny

NOTHING = jax.tree.structure(())


class Pair(NamedTuple):
    first: object
    second: object


def read_again(tree, *, like=()):
    """Returns the structure of a tree as it is read from the JSON that was written of it."""
    like = jax.tree.structure(like)
    encoded = encode_tree(jax.tree.structure(tree), like=like)
    assert encoded is not None or tree is None
    return decode_tree(json.loads(json.dumps(encoded)), like=like)


@pytest.mark.parametrize(
    "tree",
    [
        0,
        None,
        (),
        [],
        {},
        (1, [2, None, (3,)], {"b": {"a": 4}, "a": None}),
        Pair(1, Pair((), None)),
        Climb(1.0, 2, None, 3.0),
        {"leaf": {"node": 1, "dict": 2}, "class": [3]},
    ],
)
def test_a_structure_is_read_as_it_was_written(tree):
    assert read_again(tree) == jax.tree.structure(tree)


def optimizer_state(names):
    """The state of an optimizer with the chain of a dream before it."""
    steps = make_steps(names[0], learning_rate=0.1, optimizers=names)
    transform = make_transform(names, steps, total=3)
    return jax.eval_shape(transform.init, jax.ShapeDtypeStruct((8, 8), jnp.float32))


def test_states_of_all_optimizers_are_read_as_they_were_written():
    for name in OPTIMIZERS:
        state = optimizer_state([name])
        assert read_again(state) == jax.tree.structure(state), name
    names = [name for name in OPTIMIZERS if name not in SEARCHING]
    assert read_again(optimizer_state(names)) == jax.tree.structure(optimizer_state(names))


def test_a_node_of_another_class_is_taken_from_the_structure_that_has_it():
    """Such as a domain, with its static front end and sample rate, inside a state."""
    spectrograms = np.zeros((1, 128, 30), np.float32)
    sounds = np.zeros((1, 6000), np.float32)
    keys = jax.random.split(jax.random.key(0), 1)
    clips = sound_domains(
        tiny.FRONT_END,
        sounds,
        spectrograms,
        sounds[:, None],
        gain_range=24.0,
        sample_rate=44100,
    )
    arguments = (clips, spectrograms, np.zeros((1, 1), np.int32), keys)
    state = jax.eval_shape(begin_clips, *arguments)
    structure = read_again(state, like=arguments)
    assert structure == jax.tree.structure(state)
    restored = jax.tree.unflatten(structure, range(structure.num_leaves))
    assert (restored.clip.sample_rate, restored.clip.front_end) == (44100, tiny.FRONT_END)
    other = (clips.replace(sample_rate=22050), *arguments[1:])
    assert encode_tree(jax.tree.structure(state), like=jax.tree.structure(other)) is None


@pytest.mark.parametrize(
    "tree",
    [collections.OrderedDict(a=1), jax.tree_util.Partial(print, 1), {1: 0}, (0, {(1, 2): 0})],
)
def test_what_json_cannot_hold_is_not_written(tree):
    assert encode_tree(jax.tree.structure(tree), like=NOTHING) is None


class Loud(NamedTuple("Loud", [("value", object)])):
    """A named tuple that notes when it is made by a call."""

    calls = []

    def __new__(cls, *values):
        cls.calls.append(values)
        return super().__new__(cls, *values)


def test_reading_calls_no_class():
    structure = jax.tree.structure(tuple.__new__(Loud, [1]))
    encoded = encode_tree(structure, like=NOTHING)
    assert encoded == {"class": [__name__, "Loud"], "fields": ["leaf"]}
    assert decode_tree(encoded, like=NOTHING) == structure
    assert Loud.calls == []


class Property:
    """A module whose attributes have effects when they are read."""

    def __init__(self):
        self.read = []

    def __getattr__(self, name):
        self.read.append(name)
        return Pair


@pytest.mark.parametrize(
    "hostile",
    [
        {"class": ["os", "system"], "fields": ["leaf"]},
        {"class": ["subprocess", "Popen"], "fields": ["leaf"]},
        {"class": ["builtins", "tuple"], "fields": ["leaf"]},
        {"class": ["builtins", "eval"], "fields": ["leaf"]},
        {"class": ["antigravity", "Pair"], "fields": ["leaf"]},
        {"class": [__name__, "Pair.__new__"], "fields": ["leaf"]},
        {"class": [__name__, "no_such_name"], "fields": ["leaf"]},
        {"class": [__name__], "fields": ["leaf"]},
        {"class": [__name__, "Pair"]},
        {"class": ["a_lazy_module", "Pair"], "fields": ["leaf", "leaf"]},
        {"node": 7},
        {"node": "0"},
        {"node": None},
        {"set": ["leaf"]},
        {"__reduce__": ["leaf"]},
        {"tuple": ["leaf"], "list": ["leaf"]},
        {"tuple": 5},
        {"dict": ["leaf"]},
        {},
        5,
        "word",
        [["leaf"]],
    ],
)
def test_what_was_not_written_by_this_program_is_refused_and_runs_nothing(hostile, monkeypatch):
    lazy = Property()
    monkeypatch.setitem(sys.modules, "a_lazy_module", lazy)
    with pytest.raises((KeyError, ValueError, TypeError, IndexError, AttributeError)):
        decode_tree(hostile, like=NOTHING)
    assert lazy.read == []
    assert "antigravity" not in sys.modules
