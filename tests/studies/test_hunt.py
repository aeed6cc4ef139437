"""Mutated and planted files are read or refused, and nothing in them runs."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from studies.hunt.bounded import Case, run_cases
from studies.hunt.media import CONTAINERS
from studies.hunt.targets import find_targets


@pytest.mark.parametrize("kind", [*CONTAINERS, "soundfont", "class folder"])
def test_a_file_that_is_not_mutated_is_read(kind, tmp_path):
    if kind == "soundfont":
        pytest.importorskip("tinysoundfont", reason="it plays soundfonts")
    target = find_targets()[kind]
    found = target.read(target.make(tmp_path))
    samples = getattr(found, "channels", found)
    assert np.abs(np.concatenate([*samples], axis=None)).max() > 0.1


@pytest.mark.slow
def test_a_fixed_corpus_of_damaged_files_is_read_or_refused():
    kinds = [*find_targets()]
    planted = [Case(kind, seed) for kind in kinds for seed in (-1, -2, -3)]
    cases = planted + [Case(kinds[seed % len(kinds)], seed) for seed in range(300)]
    shares = [cases[start :: os.cpu_count()] for start in range(os.cpu_count())]
    with ThreadPoolExecutor(len(shares)) as pool:
        outcomes = [each for share in pool.map(lambda s: [*run_cases(s)], shares) for each in share]
    assert len(outcomes) == len(cases)
    assert [outcome for outcome in outcomes if outcome.is_fault] == []
    # What is mutated little is often read all the same, and what is mutated much is refused.
    assert {outcome.found for outcome in outcomes} == {"read", "refused"}
