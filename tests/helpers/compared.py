"""A comparison that was never dreamed, with what is known of its optimizers."""

import numpy as np

STRENGTHS = {"sgd": 1.0, "adam": 1.5, "adam:b1=0.5": 1.4, "weak": 0.6, "wild": 1.2}
SETTINGS = ("domain=mel layers_to_use=relu2_2", "domain=mel layers_to_use=relu5_4")


def row(optimizer="sgd", gain=1.0, *, seed=0, step=0, last=False, **known):
    """One step of a dream, or its last."""
    found = {"setting": "", "optimizer": optimizer, "phase": "test", "lr": 0.1, "seed": seed}
    found |= {"input": "noise", "step": step, "level": 0, "evaluations": step}
    found |= {"objective": 1 + gain, "gain": gain, "moved_db": 2.0, "overcooked_db": 3.0}
    found |= dict.fromkeys(
        ("p_class", "distance_db", "p_written", "overcooked_written_db", "ended"), None
    )
    found |= {"distance_db": 5.0, "overcooked_written_db": 4.0, "ended": ""} if last else {}
    return found | known


def cost(optimizer="sgd", **known):
    """What an optimizer costs."""
    told = {"lr": 0.1, "seconds": 2.0, "state_bytes": 100, "temp_bytes": 900, "programs": 3}
    return told | {"compile_seconds": 4.0, "frechet": None} | known


def comparison(*, strengths=None, settings=SETTINGS, inputs=("noise", "loop_amen"), seeds=4):
    """(rows, costs): each optimizer climbs as far as its strength, give or take a fifth.

    "wild" fails in every third dream.
    """
    rng, strengths = np.random.default_rng(0), strengths or STRENGTHS
    rows, costs = [], {}
    for place, setting in enumerate(settings):
        costs[setting] = {
            name: cost(lr=0.1 * 2**n, seconds=2.0 + 0.2 * n, frechet=9.0 - strength)
            for n, (name, strength) in enumerate(strengths.items())
        }
        for name, strength in strengths.items():
            told = {"setting": setting, "optimizer": name}
            best = costs[setting][name]["lr"]
            for seed in range(seeds):
                for sound in inputs:
                    luck = 10.0 ** (-place) * strength * rng.normal(1, 0.2)
                    told |= {"input": sound}
                    rows += _tuning(luck, best, told, seed=seed, rng=rng)
                    failed = name == "wild" and seed % 3 == 0
                    rows += _test(luck, {**told, "lr": best}, seed=100 + seed, failed=failed)
    return rows, costs


def _tuning(luck, best, told, *, seed, rng):
    lrs = best * 2.0 ** np.arange(-3, 4)
    for lr in lrs:
        octaves = np.log2(lr / best)
        gain = luck * (np.exp(-(octaves**2) / 8) - (octaves > 2) * rng.uniform(0, 2))
        moved = 12 * luck**0.2 * 1.5**octaves
        ended = "fell below its start" if gain < 0 else ""
        known = {"phase": "tuning", "lr": float(lr), "moved_db": moved, "ended": ended}
        yield row(gain=gain, seed=seed, step=30, last=True, **told | known)


def _test(luck, told, *, seed, failed, steps=30):
    for step in range(steps + 1):
        gain = luck * (1 - np.exp(-step / 10)) * (-1 if failed else 1)
        known = {"moved_db": 12 * abs(gain) ** 0.2, "overcooked_db": step / 10}
        last = {"ended": "fell below its start" if failed else ""} if step == steps else {}
        known |= {"p_class": step / 40, "level": 3 * step // (steps + 1), **last}
        yield row(gain=gain, seed=seed, step=step, last=step == steps, **told | known)
