"""Do two cohorts of samples differ in their circuits? Effects with intervals, permutation tests and a random-cohort control.

Plain arrays in, plain tables out. Every random draw comes from a seed, so that a page shows the same numbers twice.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis.circuit import Circuit
from analysis.depth import depth_readouts, edge_kind_shares

N_DRAWS = 2000
READOUTS = ("mean_layer", "late_share", "mean_span", "mean_path", "longest_path")
EFFECT = ["difference", "difference_low", "difference_high", "cliffs_delta", "chance_delta", "p_value"]
Names = tuple[str, str]


def two_cohorts(cohort: pd.Series, names: Names, seed: int = 0) -> pd.Series:
    """`cohort` (easy, middle, hard, pinned_easy, pinned_hard, unscored) with only the two of `names` left, the other scored samples
    being `rest`.

    `others`: all scored samples that are not in the other cohort. `random`: the control, as many samples as the other cohort has
    (against `others`: as `hard` has), drawn from the rest, of which it is at most half. So no sample is ever in both.
    Raises ValueError if both names are the same, or one is not known.
    """
    known = ("easy", "middle", "hard", "pinned_easy", "pinned_hard", "others", "random")
    if names[0] == names[1] or not set(names) <= set(known):
        raise ValueError(f"expected two different cohorts of {', '.join(known)}, got {names[0]!r} and {names[1]!r}")
    found = cohort.where(cohort.isin([*names, "unscored"]), "rest")
    if "random" in names:
        other = names[1 - names.index("random")]
        n = int((cohort == ("hard" if other == "others" else other)).sum())
        free = cohort.index[found == "rest"]
        found[np.random.default_rng(seed).choice(free, min(n, len(free) // 2), replace=False)] = "random"
    return found.replace("rest", "others") if "others" in names else found


def readouts_frame(circuits: list[Circuit], boundary: int) -> pd.DataFrame:
    """Depth read-outs of each circuit (`READOUTS`, see `depth_readouts`), one row per sample_id."""
    rows = [depth_readouts(circuit, boundary) for circuit in circuits]
    return pd.DataFrame(rows, index=[c.sample_id for c in circuits])[list(READOUTS)]


def layer_shares(circuits: list[Circuit]) -> pd.DataFrame:
    """Share of a circuit's |score| that ends in each layer: rows sum to 1, columns 0..n_layers, where n_layers is `logits`."""
    rows = []
    for circuit in circuits:
        mass = (np.abs(circuit.scores) * circuit.in_circuit).sum(axis=0, dtype=float)  # per destination column
        per_layer = np.bincount(circuit.index.backward_layers, mass, minlength=circuit.index.n_layers + 1)
        rows.append(per_layer / per_layer.sum() if per_layer.sum() else np.full(len(per_layer), np.nan))
    return pd.DataFrame(rows, index=[c.sample_id for c in circuits])


def kind_shares(circuits: list[Circuit]) -> pd.DataFrame:
    """Share of a circuit's |score| by kind of edge (`input->attn`, ...), 0 where it has none of a kind; NaN for an empty circuit."""
    frame = pd.DataFrame([edge_kind_shares(circuit) for circuit in circuits], index=[c.sample_id for c in circuits]).fillna(0.0)
    frame[frame.sum(axis=1) == 0] = np.nan
    return frame.rename(columns=lambda name: name.removeprefix("share_"))


def cohort_means(values: pd.DataFrame, cohort: pd.Series, names: Names = ("easy", "hard"), seed: int = 0) -> pd.DataFrame:
    """Mean of each column in the cohorts of `names` with a bootstrap 95 % interval, next to what chance gives.

    The rows of cohort `chance` are the control: `low` and `high` enclose the mean of 95 % of random cohorts as large as the
    larger of the two, drawn from all scored samples. Columns: value, cohort, mean, low, high, n.
    """
    rng = np.random.default_rng(seed)
    cohort = cohort.reindex(values.index)
    everyone = values[cohort.notna() & (cohort != "unscored")]
    rows = []
    for column in values:
        sizes = []
        for name in names:
            some = _finite(values.loc[cohort == name, column])
            sizes.append(len(some))
            rows.append((column, name, some.mean() if len(some) else np.nan, *bootstrap_interval(some, rng), len(some)))
        pool = _finite(everyone[column])
        n_random = min(max(sizes), len(pool))
        means = [rng.choice(pool, n_random, replace=False).mean() for _ in range(N_DRAWS // 4)] if n_random else [np.nan]
        rows.append((column, "chance", float(np.mean(means)), *np.quantile(means, [0.025, 0.975]), n_random))
    return pd.DataFrame(rows, columns=["value", "cohort", "mean", "low", "high", "n"])


def compare(values: pd.DataFrame, cohort: pd.Series, names: Names = ("easy", "hard"), seed: int = 0) -> pd.DataFrame:
    """The second cohort of `names` against the first for each column of `values`, one row per column; said here of hard and easy.

    n and means of both, in columns by their names, with bootstrap 95 % intervals; `difference` = hard minus easy with its interval;
    `cliffs_delta` = P(hard > easy) - P(hard < easy), in [-1, 1]; `p_value` of a two-sided permutation test of the difference (labels
    shuffled within the two cohorts) and `p_holm`, corrected for the number of columns; `chance_delta`, the control: 95 % of pairs of
    disjoint random cohorts of the same sizes, drawn from all scored samples, have a smaller |delta|. NaN where a cohort is empty.
    """
    rng = np.random.default_rng(seed)
    cohort = cohort.reindex(values.index)
    rows = []
    for column in values:
        easy, hard = (_finite(values.loc[cohort == name, column]) for name in names)
        everyone = _finite(values.loc[cohort.notna() & (cohort != "unscored"), column])
        rows.append((column, len(easy), len(hard), *_effect(easy, hard, everyone, rng)))
    means = [f"{name}{side}" for name in names for side in ("", "_low", "_high")]
    columns = ["value", *(f"n_{name}" for name in names), *means, *EFFECT]
    frame = pd.DataFrame(rows, columns=columns).set_index("value")
    frame["p_holm"] = holm(frame["p_value"].to_numpy())
    return frame


def cliffs_delta(easy: Float[np.ndarray, " n_easy"], hard: Float[np.ndarray, " n_hard"]) -> float:
    """P(hard > easy) - P(hard < easy) over all pairs; 0 = no tendency, 1 = every hard value is above every easy one."""
    return float(np.sign(hard[:, None] - easy[None, :]).mean())


def bootstrap_interval(values: Float[np.ndarray, " n"], rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of the mean; NaN for fewer than 2 values."""
    low, high = np.quantile(_resampled_means(values, rng), [0.025, 0.975]) if len(values) > 1 else (np.nan, np.nan)
    return float(low), float(high)


def permutation_p(easy: Float[np.ndarray, " n_easy"], hard: Float[np.ndarray, " n_hard"], rng: np.random.Generator) -> float:
    """Two-sided p of the difference of means when labels are shuffled, (1 + as extreme) / (1 + draws)."""
    pooled = np.concatenate([easy, hard])
    shuffled = rng.permuted(np.tile(pooled, (N_DRAWS, 1)), axis=1)
    differences = shuffled[:, len(easy):].mean(axis=1) - shuffled[:, : len(easy)].mean(axis=1)
    observed = abs(hard.mean() - easy.mean())
    as_extreme = np.abs(differences) >= observed - 1e-12 * max(1.0, observed)  # ties up to rounding count
    return float((1 + as_extreme.sum()) / (1 + N_DRAWS))


def chance_delta(everyone: Float[np.ndarray, " n"], n_easy: int, n_hard: int, rng: np.random.Generator) -> float:
    """95th percentile of |Cliff's delta| between two disjoint random cohorts of these sizes."""
    order = rng.permuted(np.tile(np.arange(len(everyone)), (N_DRAWS // 4, 1)), axis=1)[:, : n_easy + n_hard]
    drawn = everyone[order]
    deltas = [cliffs_delta(row[:n_easy], row[n_easy:]) for row in drawn]
    return float(np.quantile(np.abs(deltas), 0.95))


def holm(p_values: Float[np.ndarray, " n_tests"]) -> Float[np.ndarray, " n_tests"]:
    """Holm's step-down correction; NaN stays NaN and does not count as a test."""
    corrected = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    raised = p_values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return corrected


def _effect(easy, hard, everyone, rng) -> tuple[float, ...]:
    if not len(easy) or not len(hard):
        return (np.nan,) * (6 + len(EFFECT))
    gaps = _resampled_means(hard, rng) - _resampled_means(easy, rng)
    low, high = np.quantile(gaps, [0.025, 0.975]) if min(len(easy), len(hard)) > 1 else (np.nan, np.nan)
    return (
        easy.mean(), *bootstrap_interval(easy, rng), hard.mean(), *bootstrap_interval(hard, rng),
        hard.mean() - easy.mean(), low, high, cliffs_delta(easy, hard), chance_delta(everyone, len(easy), len(hard), rng),
        permutation_p(easy, hard, rng),
    )


def _resampled_means(values: Float[np.ndarray, " n"], rng: np.random.Generator) -> Float[np.ndarray, " n_draws"]:
    return rng.choice(values, (N_DRAWS, len(values))).mean(axis=1)


def _finite(values: pd.Series) -> Float[np.ndarray, " n"]:
    array = values.to_numpy(dtype=float)
    return array[np.isfinite(array)]
