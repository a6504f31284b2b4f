"""Rank statistics with bootstrap intervals and permutation p's, for all resamples at once.

A resample is a column of counts (how often each sample was drawn), so that nothing is sorted twice; the first column of
`resamples` is all ones, the samples themselves. Functions return one number per column; `summary` makes value and interval of
them. Numpy alone, because importing scipy.stats would cost the first page half a second.
"""

import numpy as np
from jaxtyping import Bool, Float, Int, Num

Values = Num[np.ndarray, " n"]
Groups = Int[np.ndarray, " n"]
Counts = Float[np.ndarray, "n n_columns"]
Draws = Float[np.ndarray, " n_columns"]


def resamples(n: int, n_draws: int = 1000, seed: int = 0) -> Counts:
    """The samples themselves (a column of ones), then `n_draws` bootstrap resamples, as counts per sample."""
    if not n:
        return np.ones((0, n_draws + 1))
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=n_draws)
    return np.ascontiguousarray(np.vstack([np.ones(n), drawn]).T)


def summary(draws: Draws) -> tuple[float, float, float]:
    """Value, and low and high of its 95 % percentile interval, over the draws that are defined; NaN where none, or no value, is."""
    usable = draws[1:][np.isfinite(draws[1:])]
    if not np.isfinite(draws[0]) or not len(usable):
        return float(draws[0]), float("nan"), float("nan")
    low, high = np.quantile(usable, [0.025, 0.975])
    return float(draws[0]), float(low), float(high)


def percent_ranks(values: Values, groups: Groups | None = None) -> Float[np.ndarray, " n"]:
    """Place of each value among those of its group (default: of all), between -1/2 and 1/2; ties share their mean place."""
    return ranks(values, np.ones((len(values), 1)), groups)[:, 0]


def ranks(values: Values, counts: Counts, groups: Groups | None = None) -> Counts:
    """Percent ranks within groups in each resample, centred: (number below + half of the ties) / size of the group - 1/2."""
    if not len(values):
        return counts
    groups = np.zeros(len(values), dtype=int) if groups is None else groups
    order = np.lexsort((values, groups))
    new_group = np.diff(groups[order], prepend=groups[order[0]] - 1) != 0
    new_value = new_group | (np.diff(values[order], prepend=np.nan) != 0)
    starts, value_of = np.flatnonzero(new_value), np.cumsum(new_value) - 1
    group_of = (np.cumsum(new_group) - 1)[starts]
    firsts = np.flatnonzero(new_group[starts])
    ties = np.add.reduceat(counts[order], starts)  # [distinct value of a group, resample]
    before = np.cumsum(ties, axis=0) - ties
    size = np.add.reduceat(ties, firsts)[group_of]
    place = (before - before[firsts][group_of] + ties / 2) / np.where(size > 0, size, 1) - 0.5
    result = np.empty_like(counts)
    result[order] = place[value_of]
    return result


def gram(columns: list[Counts], counts: Counts) -> Float[np.ndarray, "n_columns m m"]:
    """Sums of products of every two columns of centred values, in each resample."""
    stacked = np.stack(columns).transpose(2, 0, 1)  # [resample, m, sample]
    return (stacked * counts.T[:, None, :]) @ stacked.transpose(0, 2, 1)


def correlation(products: Float[np.ndarray, "n_columns m m"], first: int, second: int, given: list[int] | None = None) -> Draws:
    """Correlation of two columns of a `gram`; with `given`, of what least squares on those columns leaves of them.

    NaN where a side does not vary, or `given` explains it whole.
    """
    pair = [first, second]
    left = products[:, pair][:, :, pair]
    whole = left
    if given:
        across = products[:, pair][:, :, given]
        inside = np.linalg.pinv(products[:, given][:, :, given], rcond=1e-9, hermitian=True)
        left = left - across @ inside @ across.transpose(0, 2, 1)
    varies = [(left[:, i, i] > 1e-9 * whole[:, i, i]) & (whole[:, i, i] > 1e-9) for i in (0, 1)]
    norm = np.where(varies[0] & varies[1], left[:, 0, 0] * left[:, 1, 1], np.nan)
    return left[:, 0, 1] / np.sqrt(norm)


def auroc(values: Values, hard: Bool[np.ndarray, " n"], easy: Bool[np.ndarray, " n"], counts: Counts) -> Draws:
    """Chance that the value of a hard sample is above that of an easy one, a tie counting half; NaN without either."""
    wins = (np.sign(values[hard][:, None] - values[easy][None, :]) + 1.0) / 2
    n_pairs = counts[hard].sum(0) * counts[easy].sum(0)
    return (wins.T @ counts[hard] * counts[easy]).sum(0) / np.where(n_pairs > 0, n_pairs, np.nan)


def spearman(x: Values, y: Num[np.ndarray, " n"], n_draws: int = 1000, seed: int = 0) -> tuple[float, float, float]:
    """Spearman correlation with its 95 % percentile bootstrap interval over samples; NaN where a side does not vary."""
    counts = resamples(len(x), n_draws, seed)
    return summary(correlation(gram([ranks(x, counts), ranks(y, counts)], counts), 0, 1))


def shuffles(values: Float[np.ndarray, " n"], groups: Groups, n_draws: int = 9999, seed: int = 0) -> Float[np.ndarray, "draws n"]:
    """The values in random orders, each moved only within its group."""
    code = np.unique(groups, return_inverse=True)[1]
    chosen = np.argsort(np.random.default_rng(seed).random((n_draws, len(groups))) + code, axis=1)
    result = np.empty((n_draws, len(values)))
    result[:, np.argsort(code, kind="stable")] = values[chosen]
    return result


def permutation_p(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], shuffled: Float[np.ndarray, "draws n"]) -> float:
    """Two-sided p of the correlation of centred x and y, (1 + as extreme) / (1 + draws); NaN where a side does not vary.

    `shuffled` are the `shuffles` of y.
    """
    if min(x @ x, y @ y) <= 1e-9:
        return float("nan")
    as_extreme = np.abs(shuffled @ x) >= abs(x @ y) - 1e-9  # ties up to rounding count
    return float((1 + as_extreme.sum()) / (1 + len(shuffled)))
