"""A comparison that was never dreamed, with the costs of its optimizers."""

import numpy as np
import pandas as pd

from studies.optimizers.steps import make_table

STRENGTHS = {"sgd": 1.0, "adam": 1.5, "adam:b1=0.5": 1.4, "weak": 0.6, "wild": 1.2}
SETTINGS = ("domain=mel layers_to_use=relu2_2", "domain=mel layers_to_use=relu5_4")
INPUTS = tuple(f"sound_{number}" for number in range(6))


def make_record(optimizer="sgd", gain=1.0, *, seed=0, step=0, last=False, **changes):
    """Makes the record of one step of a dream, or of its last step."""
    record = {"setting": "", "optimizer": optimizer, "phase": "test", "lr": 0.1, "seed": seed}
    record |= {"input": "noise", "step": step, "level": 0, "evaluations": step}
    record |= {"objective": 1 + gain, "gain": gain, "moved_db": 2.0, "overcooked_db": 3.0}
    record |= {"distance_db": 5.0, "overcooked_written_db": 4.0, "ended": ""} if last else {}
    return record | changes


def make_ends(gains, **changes):
    """Makes the last records of test dreams with these gains, each of its own input."""
    return [
        make_record(gain=gain, **{"last": True, "step": 9, "input": f"sound_{number}"} | changes)
        for number, gain in enumerate(gains)
    ]


def make_costs(names, settings=("",), **columns):
    """Makes the table of costs of optimizers in settings."""
    known = {"lr": 0.1, "seconds": 2.0, "state_bytes": 100, "temp_bytes": 900, "frechet": None}
    return pd.DataFrame(
        {"setting": setting, "optimizer": name, **known, **columns}
        for setting in settings
        for name in names
    )


def make_comparison(*, strengths=None, settings=SETTINGS, inputs=INPUTS, seeds=2):
    """Makes (table, costs): each optimizer climbs as far as its strength, give or take a fifth.

    "wild" fails on every third input.
    """
    rng, strengths = np.random.default_rng(0), strengths or STRENGTHS
    records, costs = [], []
    for place, setting in enumerate(settings):
        for number, (name, strength) in enumerate(strengths.items()):
            lr, seconds = 0.1 * 2**number, 2.0 + 0.2 * number
            costs.append(
                make_costs([name], [setting], lr=lr, seconds=seconds, frechet=9.0 - strength)
            )
            for seed in range(seeds):
                for sound in inputs:
                    gain = 10.0 ** (-place) * strength * rng.normal(1, 0.2)
                    known = {"setting": setting, "optimizer": name, "input": sound}
                    records += _make_tuning(gain, lr, known, seed=seed, rng=rng)
                    failed = name == "wild" and inputs.index(sound) % 3 == 0
                    known["lr"] = lr
                    records += _make_test(gain, known, seed=100 + seed, failed=failed)
    return make_table(records), pd.concat(costs, ignore_index=True)


def _make_tuning(strength, best, known, *, seed, rng):
    for lr in best * 2.0 ** np.arange(-3, 4):
        octaves = np.log2(lr / best)
        gain = strength * (np.exp(-(octaves**2) / 8) - (octaves > 2) * rng.uniform(0, 2))
        moved = 12 * strength**0.2 * 1.5**octaves
        ended = "zero gradient" if gain < 0 else ""
        changes = {"phase": "tuning", "lr": float(lr), "moved_db": moved, "ended": ended}
        yield make_record(gain=gain, seed=seed, step=30, last=True, **known | changes)


def _make_test(strength, known, *, seed, failed, steps=30):
    for step in range(steps + 1):
        gain = strength * (1 - np.exp(-step / 10)) * (-1 if failed else 1)
        changes = {"moved_db": 12 * abs(gain) ** 0.2, "overcooked_db": step / 10}
        changes |= {"p_class": step / 40, "level": 3 * step // (steps + 1)}
        changes |= {"ended": "zero gradient"} if failed and step == steps else {}
        last = step == steps
        yield make_record(gain=gain, seed=seed, step=step, last=last, **known | changes)
