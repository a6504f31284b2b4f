"""Does it help to choose what is unlearned first? The same run with other samplings, over seeds, at equal numbers of updates."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis import arms
from analysis.dataset import Sample
from analysis.model import ModelHandle
from analysis.sampling import CGA, CGATwoLevel, Curriculum, Sampling, Uniform
from analysis.unlearning import UnlearningConfig

ARMS: dict[str, Sampling] = {
    "uniform": Uniform(), "cga": CGA(), "cga-released": CGATwoLevel(), "easy-first": Curriculum("easy_first"),
    "hard-first": Curriculum("hard_first"),
}
OUTCOMES = ("forget", "forget_hard", "retain")
COLUMNS = [
    "method", "arm", "seed", "n_updates", "forget_probability", "forget_hard_probability", "retain_probability", "n_forgotten",
    "seconds",
]


def compare(
    model: str, forget: list[Sample], retain: list[Sample], configs: list[UnlearningConfig], hardness: Float[np.ndarray, " n_forget"],
    n_seeds: int, loading: tuple = (), n_workers: int = 1, report: Callable[[str, int, int], None] = lambda *_: None,
) -> pd.DataFrame:
    """Every config under every arm with seeds 0 to n_seeds - 1: one row per run with `COLUMNS`.

    `hardness` (higher = harder) orders the curricula and picks the hard quarter of `forget_hard_probability`. All runs make as many
    updates. `loading`: what `load_model` is given beside the name. With `n_workers` above 1 runs share the machine (`arms.each`).
    """
    runs = [
        (forget, retain, replace(config, sampling=sampling, seed=seed), arm, hardness)
        for seed in range(n_seeds) for config in configs for arm, sampling in ARMS.items()
    ]
    return arms.ordered(arms.each(_run, model, loading, runs, n_workers, report), COLUMNS, list(ARMS))


def _run(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], config: UnlearningConfig, arm: str,
    hardness: Float[np.ndarray, " n_forget"],
) -> arms.Row:
    order = hardness if isinstance(config.sampling, Curriculum) else None
    row, left, _ = arms.finished(handle, *arms.batches(handle, forget, retain), config, arm, difficulty=order)
    hard = np.argsort(-hardness, kind="stable")[: max(1, len(hardness) // 4)]
    return row | {"forget_hard_probability": float(left[hard].mean())}


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Per method and arm: means and 95 % t intervals of `OUTCOMES`, and of the differences to uniform, paired by seed.

    Columns: method, arm, n_seeds, <outcome>_mean, _low, _high, <outcome>_minus_uniform, and <outcome>_minus_low, _minus_high.
    """
    return arms.summary(table, OUTCOMES, {"uniform": "minus"})
