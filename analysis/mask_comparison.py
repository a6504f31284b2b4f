"""Do the masks of a conflict map help? The same run with every what-if mask and with none, over seeds, at equal numbers of updates.

The paper (CLUE, arXiv 2509.20977) trains its two stages for six epochs and the methods it compares with for their own; here every arm
has the preset's epochs and rate, so that an arm differs from the unmasked run in the weights that may change and nothing else.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce

import numpy as np
import pandas as pd

from analysis import arms
from analysis.conflict_map import ConflictMap
from analysis.dataset import Sample
from analysis.durability import Durability, relearn, relearned_rows
from analysis.evaluation_metrics import RELEARN_STEPS
from analysis.model import ModelHandle
from analysis.node_masks import n_parameters
from analysis.stages import split_epochs
from analysis.tokens import TokenBatch
from analysis.unlearning import UnlearningConfig
from analysis.what_if import HINT, WHAT_IFS, possible, stages_of, union

UNMASKED = "unmasked"
ARMS = (UNMASKED, *WHAT_IFS)
N_RELEARNING = max(RELEARN_STEPS)  # steps
OUTCOMES = ("forget", "retain", "relearned")
COLUMNS = [
    "method", "arm", "seed", "n_updates", "n_touched", "share_touched", "forget_probability", "retain_probability",
    "relearned_probability", "n_forgotten", "seconds",
]


def impossible(handle: ModelHandle, found: ConflictMap) -> dict[str, str]:
    """Arms that this map cannot give, each with the reason. Raises ValueError if the map is of another model, or gives no mask."""
    if found.fingerprint != handle.fingerprint:
        raise ValueError(f"the conflict map is of model {found.fingerprint}, got {handle.fingerprint}; make it of this model first")
    n_forget, n_conflict = (len(found.assigned(name)) for name in ("forget", "conflict"))
    reason = f"the map has {n_forget} forget and {n_conflict} conflict nodes"
    if not (given := possible(found)):
        raise ValueError(f"{reason}, so that there is no mask to compare; {HINT}")
    return {arm: reason for arm in WHAT_IFS if arm not in given}


def compare(
    model: str, forget: list[Sample], retain: list[Sample], configs: list[UnlearningConfig], found: ConflictMap, compared: list[str],
    n_seeds: int, relearning_rate: float = Durability.learning_rate, loading: tuple = (), n_workers: int = 1,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> pd.DataFrame:
    """Every config under each of the `compared` arms with seeds 0 to n_seeds - 1: one row per run with `COLUMNS`.

    A seed decides the order of the samples, and which nodes the random mask takes. `n_touched`: parameters that a stage may change,
    `share_touched`: of all that the model has. `relearned_probability`: as `evaluate` measures it, after `N_RELEARNING` steps at
    `relearning_rate`. `loading`: what `load_model` is given beside the name. All runs make as many updates. With `n_workers` above 1
    runs share the machine (`arms.each`). Raises ValueError for less than two epochs.
    """
    split_epochs(min(config.n_epochs for config in configs))  # before an hour of runs, not after
    runs = [
        (forget, retain, replace(config, seed=seed), arm, found, relearning_rate)
        for seed in range(n_seeds) for config in configs for arm in compared
    ]
    return arms.ordered(arms.each(_run, model, loading, runs, n_workers, report), COLUMNS, ARMS)


def _run(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], config: UnlearningConfig, arm: str, found: ConflictMap, rate: float
) -> arms.Row:
    learnt, kept = arms.batches(handle, forget, retain)
    stages = None if arm == UNMASKED else stages_of(handle, found, arm, config.n_epochs, seed=config.seed, forget=learnt)
    row, _, trained = arms.finished(handle, learnt, kept, config, arm, stages=stages)
    n_touched = handle.n_parameters if stages is None else n_parameters(reduce(union, (stage.mask for stage in stages)))
    shares = {"n_touched": n_touched, "share_touched": n_touched / handle.n_parameters}
    return row | shares | {"relearned_probability": _relearned(trained, learnt, rate)}


def _relearned(model, forget: TokenBatch, rate: float) -> float:
    """Mean answer probability of the forget samples that are not learnt again; NaN of a single one."""
    rows = relearned_rows(len(forget))
    if not rows:
        return float("nan")
    ((_, nll),) = relearn(model, forget, rows, [N_RELEARNING], rate)
    return float(np.delete(np.exp(-nll), rows).mean())


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Per method and arm: n_seeds, mean share_touched and n_forgotten, and of `OUTCOMES` means with 95 % t intervals and differences to
    the unmasked run and to the random mask, paired by seed.

    Columns of an outcome: <outcome>_mean, _low, _high, and for unmasked and random <outcome>_minus_<arm>, _minus_<arm>_low, _high.
    """
    found = arms.summary(table, OUTCOMES, {UNMASKED: f"minus_{UNMASKED}", "random": "minus_random"})
    means = table.groupby(["method", "arm"], as_index=False)[["share_touched", "n_forgotten"]].mean()
    columns = ["method", "arm", "n_seeds", "share_touched", "n_forgotten"]
    whole = found.merge(means, on=["method", "arm"], how="left")
    return whole[columns + [name for name in found if name not in columns]]
