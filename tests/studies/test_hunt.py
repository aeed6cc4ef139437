"""Mutated and planted files are read or refused, and nothing in them runs."""

import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from studies.hunt.bounded import run_cases
from studies.hunt.corpus import CASES, KINDS, WRITTEN_ANEW, digest_corpus, list_corpus, read_digests
from studies.hunt.targets import MEDIA, SOUNDS, find_targets

HEARD = (*SOUNDS, *MEDIA, "soundfont", "class folder")


@pytest.fixture(params=KINDS)
def kind(request):
    """A kind of files that can be read here."""
    if request.param == "soundfont":
        pytest.importorskip("tinysoundfont", reason="it plays soundfonts")
    return request.param


def test_a_file_that_is_not_mutated_is_read(kind, tmp_path):
    target = find_targets()[kind]
    found = target.read(target.make(tmp_path))
    if kind in HEARD:
        samples = getattr(found, "channels", found)
        assert np.abs(np.concatenate([*samples], axis=None)).max() > 0.1
    elif kind.startswith("rounds"):
        assert found is not None


def test_the_corpus_is_the_same_wherever_it_is_made(kind, tmp_path):
    """Neither encoders nor NumPy's random numbers may change what is mutated, or how."""
    if kind in WRITTEN_ANEW:
        assert kind not in read_digests()
    else:
        assert digest_corpus(kind, tmp_path) == read_digests()[kind]


def test_the_corpus_does_not_depend_on_what_is_installed(monkeypatch):
    mutated = [case for case in list_corpus() if case.seed >= 0]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    without = [case for case in list_corpus() if case.seed >= 0]
    assert without == [case for case in mutated if case.kind != "soundfont"]
    assert {*KINDS} == {*find_targets(), "soundfont"} and len(without) > 0.9 * CASES


@pytest.mark.slow
def test_a_fixed_corpus_of_damaged_files_is_read_or_refused():
    cases = list_corpus()
    shares = [cases[start :: os.cpu_count()] for start in range(os.cpu_count())]
    with ThreadPoolExecutor(len(shares)) as pool:
        outcomes = [each for share in pool.map(lambda s: [*run_cases(s)], shares) for each in share]
    assert len(outcomes) == len(cases)
    assert [outcome for outcome in outcomes if outcome.is_fault] == []
    # What is mutated little is often read all the same, and what is mutated much is refused.
    assert {outcome.found for outcome in outcomes} == {"read", "refused"}
