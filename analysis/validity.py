"""Does a score predict the outcome? Rank correlations with observed difficulty on samples that took no part in making the score."""

import numpy as np
import pandas as pd

PREDICTORS = {  # column of scores.csv -> (name, +1 if high values are said to be hard, -1 if low ones are)
    "cud": ("CUD", 1),
    "mrd": ("MRD", -1),
    "n_answer_tokens": ("Answer length (baseline)", 1),
    "base_nll": ("Base NLL (baseline)", -1),
}


def spearman(x: np.ndarray, y: np.ndarray, n_resamples: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Spearman correlation with its 95 % percentile bootstrap interval over samples; NaN where a side does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return (float("nan"),) * 3
    rows = np.random.default_rng(seed).integers(0, len(x), (n_resamples, len(x)))
    draws = _correlation(_ranks(x[rows]), _ranks(y[rows]))
    low, high = np.nanquantile(draws, [0.025, 0.975])
    return float(_correlation(_ranks(x), _ranks(y))), float(low), float(high)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Centred ranks along the last axis."""
    rows = np.atleast_2d(values)  # pandas, because importing scipy.stats would add half a second to the first page
    ranks = pd.DataFrame(rows).rank(axis=1).to_numpy().reshape(values.shape)
    return ranks - ranks.mean(-1, keepdims=True)


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray | np.floating:
    """Correlation of centred values along the last axis; NaN where a side does not vary."""
    norm = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return (a * b).sum(-1) / np.where(norm > 0, norm, np.nan)


def partial_spearman(
    x: np.ndarray, y: np.ndarray, given: np.ndarray, n_resamples: int = 1000, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman of x and y with `given` held fixed (correlation of the ranks' residuals on its ranks), with a bootstrap interval.

    NaN where x says no more than `given`.
    """
    rows = np.random.default_rng(seed).integers(0, len(x), (n_resamples, len(x)))
    value = float(_partial(x, y, given))
    draws = _partial(x[rows], y[rows], given[rows])
    low, high = np.nanquantile(draws, [0.025, 0.975]) if np.isfinite(value) else (np.nan, np.nan)
    return value, float(low), float(high)


def _partial(x: np.ndarray, y: np.ndarray, given: np.ndarray) -> np.ndarray | np.floating:
    x, y, z = _ranks(x), _ranks(y), _ranks(given)
    xy, xz, yz = _correlation(x, y), _correlation(x, z), _correlation(y, z)
    free = (1 - xz**2) * (1 - yz**2)
    return (xy - xz * yz) / np.sqrt(np.where(free > 1e-9, free, np.nan))


def predictive_validity(scores: pd.DataFrame, observed_rank: pd.Series, anchor_pool: list[str]) -> pd.DataFrame:
    """Spearman of each score's predicted hardness with observed hardness; positive = predicts as claimed.

    `observed_rank` (by sample_id, 1 = hardest) comes from unlearning runs on the whole set. Only samples outside `anchor_pool`
    count, for every predictor alike, because CUD's anchors were drawn from the pool. Columns: predictor, n, spearman, low, high;
    and given_length, given_low, given_high: the same with the answer's length held fixed, a confounder of every sum over tokens.
    """
    held_out = scores[~scores["sample_id"].isin(anchor_pool) & scores["sample_id"].isin(observed_rank.index)]
    hardness = -observed_rank.reindex(held_out["sample_id"]).to_numpy()
    length = held_out["n_answer_tokens"].to_numpy(dtype=float)
    rows = []
    for column, (name, sign) in PREDICTORS.items():
        predicted = sign * held_out[column].to_numpy(dtype=float)
        rows.append((name, len(held_out), *spearman(predicted, hardness), *partial_spearman(predicted, hardness, length)))
    return pd.DataFrame(rows, columns=["predictor", "n", "spearman", "low", "high", "given_length", "given_low", "given_high"])


def disagreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Samples by how far apart CUD and MRD rank them, furthest first: sample_id, question, rank_cud, rank_mrd, gap."""
    table = scores[["sample_id", "question", "rank_cud", "rank_mrd"]].assign(gap=scores["rank_cud"] - scores["rank_mrd"])
    order = table["gap"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)
