"""The tables of the study of domains."""

import numpy as np

from dreamsound_jax.audio.find import GENERATED
from dreamsound_jax.spectral import measures
from studies.domains.dreams import WAYS
from studies.optimizers.trace import compute_activations
from studies.report import markdown_table


def format_hits(model, sources, compared):
    """Formats how often each class is heard, how far sounds moved, and how long that took.

    Args:
      model: A `loading.Model`.
      sources: The inputs.
      compared: {name of an input: what `dreams.compare_domains` returns}.
    """
    rows = [
        [source.job.name[6:], *map(_format_cell, compared[source.job.name].values())]
        for source in sources
    ]
    recorded = [compared[s.job.name] for s in sources if s.job.path not in GENERATED]
    if recorded:
        means = [np.mean([ways[way].count_hits() for ways in recorded]) for way in WAYS]
        rows.append(["*mean of the recordings*", *(f"{mean:.1f}" for mean in means)])
    note = (
        f"A cell says for how many of {len(model.card.classes)} classes the written sound has the "
        "wanted class as the most probable one, and for how many among the three most probable; "
        "the mean log-spectral distance to the input; and the seconds of a clip."
    )
    return f"{note}\n\n{markdown_table(['input', *WAYS], rows)}"


def format_distances(model, sources, compared, real):
    """Formats Fréchet distances between sets of sounds and real ones.

    Args:
      model, sources, compared: As for `format_hits`.
      real: The real sounds.
    """
    sets = {"the inputs": [source.sound for source in sources]}
    for way in WAYS:
        sets[way] = [sound for ways in compared.values() for sound in ways[way].sounds]
    expected = compute_activations(model, real)
    rows = [
        [name, f"{measures.frechet_distance(compute_activations(model, sounds), expected):.1f}"]
        for name, sounds in sets.items()
        if len(sounds) > 1  # A single sound has no covariance.
    ]
    return markdown_table(["written sounds", f"Fréchet distance to {len(real)} real phrases"], rows)


def _format_cell(dreamed):
    first, third = dreamed.count_hits(), dreamed.count_hits(top=3)
    return f"{first}, {third}; {dreamed.distance:.1f} dB; {dreamed.seconds:.2f} s"
