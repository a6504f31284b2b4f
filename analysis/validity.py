"""Does a score predict the outcome? Rank correlations with observed difficulty on samples that took no part in making the score."""

import numpy as np
import pandas as pd
from scipy.stats import rankdata, spearmanr

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
    a, b = rankdata(x[rows], axis=1), rankdata(y[rows], axis=1)
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    norm = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    draws = (a * b).sum(1)[norm > 0] / norm[norm > 0]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(spearmanr(x, y).statistic), float(low), float(high)


def predictive_validity(scores: pd.DataFrame, observed_rank: pd.Series, anchor_pool: list[str]) -> pd.DataFrame:
    """Spearman of each score's predicted hardness with observed hardness; positive = predicts as claimed.

    `observed_rank` (by sample_id, 1 = hardest) comes from unlearning runs on the whole set. Only samples outside `anchor_pool`
    count, for every predictor alike, because CUD's anchors were drawn from the pool. Columns: predictor, n, spearman, low, high.
    """
    held_out = scores[~scores["sample_id"].isin(anchor_pool) & scores["sample_id"].isin(observed_rank.index)]
    hardness = -observed_rank.reindex(held_out["sample_id"]).to_numpy()
    rows = [
        (name, len(held_out), *spearman(sign * held_out[column].to_numpy(dtype=float), hardness))
        for column, (name, sign) in PREDICTORS.items()
    ]
    return pd.DataFrame(rows, columns=["predictor", "n", "spearman", "low", "high"])


def agreement(post_nll: pd.DataFrame) -> pd.DataFrame:
    """Spearman between runs' post-unlearning losses (rows samples, columns runs): a square table."""
    return post_nll.corr(method="spearman")


def disagreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Samples by how far apart CUD and MRD rank them, furthest first: sample_id, question, rank_cud, rank_mrd, gap."""
    table = scores[["sample_id", "question", "rank_cud", "rank_mrd"]].assign(gap=scores["rank_cud"] - scores["rank_mrd"])
    order = table["gap"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)
