"""Formats what listeners answered, in Markdown."""

import numpy as np

from studies.listening.answers import Answers
from studies.listening.clips import CONTROL, DREAM, PHRASE
from studies.listening.key import Key
from studies.listening.score import Heard, Score
from studies.listening.statistics import PERMUTATIONS, Estimate
from studies.report import UNKNOWN, escape_markdown, markdown_table

_HOW = (
    "Intervals, in brackets, are of 95%. They are the wider of two: of a bootstrap that resamples "
    "listeners and, apart from them, inputs (or real phrases), and of one for as many independent "
    "answers (Wilson's; Newcombe's of the difference). Clips that were heard again count once."
)


def format_results(key: Key, answers: Answers, heard: Heard, score: Score) -> str:
    """Formats facts, tables and the limits of the answers."""
    count, clips = answers.choices.shape
    facts = (
        f"{_count(count, 'listener')} answered {clips} clips each, with a choice of "
        f"{len(key.classes)} classes, so that chance is {100 / len(key.classes):.1f}%. Test "
        f"{key.test}, made by `{key.facts.get('command', UNKNOWN)}`, "
        f"{key.facts.get('date', UNKNOWN)}."
    )
    blocks = [
        "# What people heard",
        facts,
        *_list_warnings(heard, count),
        _format_shares(key, heard, score),
        _format_difference(score),
        _HOW,
        "## By class",
        "How often each class was named of dreams towards it, of dreams of the same inputs towards "
        "others, of undreamed inputs, and of its real phrases.",
        _format_classes(key, heard),
        "## By listener",
        _format_listeners(answers, heard),
    ]
    return "\n\n".join(blocks) + "\n"


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _list_warnings(heard, listeners):
    """Says what the intervals cannot know."""
    inputs = len(set(heard.sources[heard.places[DREAM]]))
    warnings = []
    if listeners == 1:
        warnings.append("**Only one listener answered: the intervals say nothing of others.**")
    if inputs == 1:
        warnings.append("**There is only one input: the intervals say nothing of others.**")
    return warnings


def _format_shares(key, heard, score):
    chance = 100 / len(key.classes)
    listeners = len(heard.choices)
    controls = heard.places[CONTROL]
    dreams = heard.places[DREAM]
    rows = [["dreams", *_list_counts(heard, dreams, listeners), _percent(score.shares[DREAM])]]
    by_control = 100 * heard.controls_of_dreams().mean()
    taken = "undreamed inputs, each taken for a dream towards each class"
    rows.append([taken, *_list_counts(heard, controls, listeners), f"{by_control:.0f}"])
    if PHRASE in score.shares:
        counts = _list_counts(heard, heard.places[PHRASE], listeners)
        rows.append(["real phrases", *counts, _percent(score.shares[PHRASE])])
    rows = [[*row, f"{chance:.1f}"] for row in rows]
    if score.alike:
        again = str(len(heard.pairs) * listeners)
        pairs = str(len(heard.pairs))
        name = "clips that were heard twice: answered alike"
        rows.append([name, pairs, again, _percent(score.alike), UNKNOWN])
    headers = ["heard", "clips", "answers", "name the class (%)", "chance (%)"]
    return markdown_table(headers, rows)


def _list_counts(heard, places, listeners):
    return [str(len(places)), str(len(places) * listeners)]


def _percent(estimate: Estimate):
    mean, low, high = (100 * value for value in estimate)
    return f"{mean:.0f} ({low:.0f} to {high:.0f})"


def _format_difference(score):
    mean, low, high = (f"{100 * value:+.0f}".replace("-", "−") for value in score.above_controls)
    least = 1 / (1 + PERMUTATIONS)
    p = f"at most {least:.1g}" if score.p <= least else f"{score.p:.2g}"
    return (
        f"Dreams minus the undreamed inputs, of the same listeners and inputs: {mean} percentage "
        f"points ({low} to {high}). If what is heard did not depend on what a dream is towards, so "
        f"many answers or more would name the class with a probability of {p} (the dreams of each "
        f"input swap their classes, {PERMUTATIONS:,} times)."
    )


def _format_classes(key, heard):
    rows = []
    for number, name in enumerate(key.classes):
        targets = {
            kind: np.array([heard.targets[place] == number for place in places], bool)
            for kind, places in heard.places.items()
        }
        chosen = {kind: heard.choices[:, places] == number for kind, places in heard.places.items()}
        cells = [
            chosen[DREAM][:, targets[DREAM]],
            chosen[DREAM][:, ~targets[DREAM]],
            chosen[CONTROL],
            chosen[PHRASE][:, targets[PHRASE]],
        ]
        rows.append([escape_markdown(name), *map(_share, cells)])
    headers = ["class", "dreams towards it", "other dreams", "undreamed inputs", "real phrases"]
    return markdown_table(headers, rows)


def _share(named):
    return f"{named.sum()} of {named.size}" if named.size else UNKNOWN


def _format_listeners(answers, heard):
    rows = [
        [
            f"`{escape_markdown(listener)}`",
            _share(heard.hits(DREAM)[row].astype(int)),
            _share(heard.hits(PHRASE)[row].astype(int)),
            _share(heard.alike()[row].astype(int)),
            f"{answers.plays[row].mean():.1f}",
        ]
        for row, listener in enumerate(answers.listeners)
    ]
    headers = ["listener", "dreams", "real phrases", "heard twice, answered alike", "plays a clip"]
    return markdown_table(headers, rows)
