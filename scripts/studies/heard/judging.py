"""Judges dreams: how well a network that did not dream them hears what they are towards."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dreamsound_jax.training.datasets.general_midi import FAMILIES
from studies.heard.dreams import Batch, Variant
from studies.heard.families import score_classes
from studies.heard.inputs import Input
from studies.heard.listening import hear
from studies.heard.networks import Named
from studies.heard.real import Phrases
from studies.heard.statistics import Estimate, compare_dreams, estimate_all, measure_hits


class Verdict(NamedTuple):
    """What a judge hears in sounds of one source.

    Attributes:
      source: "dreams", "undreamed" or "real".
      of: Who dreamed, in which domain, as (label, domain); or the name of the soundfont, or "".
      kind: Of the inputs, "recordings" or "noise"; "" of real phrases.
      judge: Its label.
      classes: Those among which the judge chooses.
      estimates: Of "top1", "rank" and "margin"; of dreams also of "z" and "highest".
      sounds: How many sounds were judged; an undreamed one counts once.
      counts: (classes, classes), how often each (down) was heard as each (across); of undreamed
        sounds, all rows are alike.
      scores: (judged, classes), of each sound, or of an undreamed one once for each class.
      wanted: (judged,), the index of the class that it is towards.
      clusters: (judged,), the number of the input among those of its kind, or of the real phrase.
    """

    source: str
    of: tuple[str, ...]
    kind: str
    judge: str
    classes: tuple[str, ...]
    estimates: dict[str, Estimate]
    sounds: int
    counts: np.ndarray
    scores: np.ndarray
    wanted: np.ndarray
    clusters: np.ndarray


def judge_dreams(judge: Named, variant: Variant, batches: Sequence[Batch]) -> list[Verdict]:
    """Judges the dreams of one variant, those from recordings and those from noise apart.

    Only dreams towards classes that the judge knows count.
    """
    of, verdicts = (variant.dreamer.label, variant.domain), []
    for kind in dict.fromkeys(batch.input.kind for batch in batches):
        chosen = [batch for batch in batches if batch.input.kind == kind]
        scores = np.concatenate([_score(judge, batch.read()) for batch in chosen])
        inputs = np.repeat(np.arange(len(chosen)), len(variant.classes))
        wanted = np.tile(_find(judge, variant.classes), len(chosen))
        compared, counts = compare_dreams(scores, wanted, inputs), wanted >= 0
        more = {name: values[counts] for name, values in compared.items()}
        verdicts.append(
            make_verdict(
                judge, ("dreams", of, kind), scores[counts], wanted[counts], inputs[counts], more
            )
        )
    return verdicts


def judge_inputs(judge: Named, inputs: Sequence[Input]) -> list[Verdict]:
    """Judges undreamed inputs as if each were a dream towards each class: the control."""
    wanted, verdicts = np.arange(len(judge.outputs)), []
    for kind in dict.fromkeys(given.kind for given in inputs):
        sounds = [given.recording for given in inputs if given.kind == kind]
        scores = np.repeat(_score(judge, sounds), len(wanted), axis=0)
        clusters = np.repeat(np.arange(len(sounds)), len(wanted))
        each = np.tile(wanted, len(sounds))
        verdict = make_verdict(judge, ("undreamed", (), kind), scores, each, clusters, {})
        verdicts.append(verdict._replace(sounds=len(sounds)))
    return verdicts


def judge_phrases(judge: Named, phrases: Phrases) -> list[Verdict]:
    """Judges real phrases of the families that the judge knows: the ceiling.

    Returns:
      One verdict; none if the judge knows no families.
    """
    wanted = _find(judge, tuple(FAMILIES))[phrases.families]
    known = np.flatnonzero(wanted >= 0)
    if not known.size:
        return []
    scores = _score(judge, [phrases.sounds[number] for number in known])
    place = ("real", (phrases.name,), "")
    return [make_verdict(judge, place, scores, wanted[known], known, {})]


def _score(judge, sounds):
    return score_classes(hear(judge.model, sounds), judge.outputs)


def _find(judge, classes):
    """Returns the indices of classes among those of the judge; -1 for one that it does not know."""
    known = list(judge.outputs)
    return np.array([known.index(name) if name in known else -1 for name in classes])


def make_verdict(
    judge: Named,
    place: tuple[str, tuple[str, ...], str],
    scores: np.ndarray,
    wanted: np.ndarray,
    clusters: np.ndarray,
    more: Mapping[str, np.ndarray],
) -> Verdict:
    """Summarises what a judge hears.

    Args:
      judge: The judge.
      place: The source, of whom, and the kind, as in `Verdict`.
      scores: (sounds, classes of the judge).
      wanted: (sounds,), indices of classes.
      clusters: (sounds,), what intervals resample as a whole.
      more: {name: (sounds,)} of further measures.
    """
    source, of, kind = place
    counts = np.zeros((len(judge.outputs),) * 2, int)
    np.add.at(counts, (wanted, scores.argmax(axis=1)), 1)
    return Verdict(
        source=source,
        of=of,
        kind=kind,
        judge=judge.label,
        classes=tuple(judge.outputs),
        estimates=estimate_all(measure_hits(scores, wanted) | more, clusters),
        sounds=len(scores),
        counts=counts,
        scores=scores,
        wanted=wanted,
        clusters=clusters,
    )
