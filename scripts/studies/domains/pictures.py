"""The pictures of the study of domains."""

from dataclasses import replace

import numpy as np

from dreamsound_jax.dreaming.batch import analyse_clips
from dreamsound_jax.outputs import gallery
from dreamsound_jax.run.clip_facts import scale_of
from dreamsound_jax.spectral import measures
from studies.domains.dreams import dream

ITERATIONS = (1, 3, 10, 30, 100)  # Ever longer dreams take so many steps a level.
WAYS = {
    "mel": {"domain": "mel"},
    "sound": {"domain": "sound"},
    "sound, unbounded": {"domain": "sound", "gain_range": 1000.0},
}


def draw_sounds(model, sources, compared, name):
    """Draws the inputs, and their dreams of one class in each domain.

    Args:
      model: A `loading.Model`.
      sources: The inputs that are drawn, a row each.
      compared: {name of an input: what `dreams.compare_domains` returns}.
      name: The name of the class.
    """
    target, front_end = model.card.class_index(name), model.card.front_end
    rows = []
    for source in sources:
        row = {source.job.name[6:]: _analyse(source.sound, front_end)}
        for domain in ("mel", "sound"):
            dreamed = compared[source.job.name][domain]
            p_class = dreamed.p_class[target, target]
            row[f"domain {domain}: {name} {p_class:.2f}"] = _analyse(
                dreamed.sounds[target], front_end
            )
        rows.append(row)
    title = f"Written sounds that dreamed of {name}, and its probability"
    return gallery.draw_sounds(title, rows, scale_of(front_end))


def draw_longer_dreams(model, source, options, layer, target):
    """Draws what ever more steps do, by a layer and by a class, in both domains.

    Args:
      model: A `loading.Model`.
      source: The input.
      options: The `Options`.
      layer: The layer of the first row; the second row dreams of the class.
      target: The index of the class.
    """
    rows = []
    for name in (layer, "output"):
        curves = {
            way: _dream_longer(
                model, source, target, replace(options, layers_to_use=(name,), **how)
            )
            for way, how in WAYS.items()
        }
        titles = (
            f"{name}: objective, level by level",
            "spectral flatness",
            "level of the quietest tenth of frames (dB)",
        )
        rows.append(
            {
                title: {way: curve[number] for way, curve in curves.items()}
                for number, title in enumerate(titles)
            }
        )
    title = f"{source.job.name[6:]}, dreaming ever longer"
    return gallery.draw_curves(title, rows, x_label="steps")


def _analyse(sound, front_end):
    return np.asarray(analyse_clips(sound[None], front_end=front_end)[0])


def _dream_longer(model, source, target, options):
    """Returns (steps, values) of the objective, the flatness, and the quietest tenth of frames."""
    sounds, steps = [source.sound], [0]
    for iterations in ITERATIONS:
        longer = replace(options, num_iterations=iterations)
        dreamed, (sound,), _ = dream(model, source, [target], longer)
        sounds.append(sound)
        steps.append(iterations * source.plan.pyramid_size)
    climb = np.asarray(dreamed.climb.objective[0]).ravel()
    flatness = [measures.spectral_flatness(sound) for sound in sounds]
    quiet = [np.percentile(measures.frame_levels_db(sound), 10) for sound in sounds]
    return (1 + np.arange(climb.size), climb), (steps, flatness), (steps, quiet)
