"""Documents with any values in them are read, or refused in one line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsound_jax.objectives.grammar import parse_objective
from dreamsound_jax.system.errors import UserError
from studies.hunt.targets import find_targets

DRAWN_ALIKE_EACH_TIME = settings(derandomize=True, max_examples=150, deadline=None)

NUMBERS = st.integers() | st.floats() | st.sampled_from([0, -1, 2**63, 1e308])
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=12)
JUNK = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
NAMES = ["layer", "channel", "neuron", "guide", "margin", "relu3_4", "drums", "time", "ü"]
WORDS = st.sampled_from([*NAMES, *"(),+-*='[]>\x00", "17", "0:64", "0.5", "1e999", "nan"])


@pytest.fixture(scope="module", params=["card", "manifest", "params"])
def document(request, tmp_path_factory):
    """(the file of a real document, what reads it)."""
    target = find_targets()[request.param]
    return target.make(tmp_path_factory.mktemp("document")), target.read


def put(document, draw):
    """Replaces, removes or adds something at a random place of a document."""
    inside = document
    while isinstance(inside, dict | list) and inside:
        keys = sorted(inside) if isinstance(inside, dict) else range(len(inside))
        key = draw(st.sampled_from(list(keys)))
        if not isinstance(inside[key], dict | list) or draw(st.booleans()):
            if draw(st.integers(0, 4)):
                inside[key] = draw(JUNK)
            else:
                del inside[key]
            return
        inside = inside[key]


def read_or_refuse(read, path_or_text):
    """Reads it; what is raised must be meant for the user, and be one line."""
    reason = ""
    try:
        read(path_or_text)
    except UserError as error:
        reason = str(error)
    assert "\n" not in reason


@DRAWN_ALIKE_EACH_TIME
@given(data=st.data())
def test_a_document_of_junk_is_read_or_refused(document, data):
    path, read = document
    real = path.read_text(encoding="utf-8")
    lines = [real] if path.suffix == ".json" else real.splitlines()
    documents = [json.loads(line) for line in lines]
    for _ in range(data.draw(st.integers(1, 3))):
        put(documents[data.draw(st.integers(0, len(documents) - 1))], data.draw)
    try:
        path.write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
        read_or_refuse(read, path)
    finally:
        path.write_text(real, encoding="utf-8")


@DRAWN_ALIKE_EACH_TIME
@given(st.lists(WORDS, max_size=12))
def test_words_of_the_grammar_in_any_order_are_an_objective_or_refused(words):
    read_or_refuse(parse_objective, " ".join(words))


@DRAWN_ALIKE_EACH_TIME
@given(st.text(max_size=60))
def test_any_text_is_an_objective_or_refused(text):
    read_or_refuse(parse_objective, text)
