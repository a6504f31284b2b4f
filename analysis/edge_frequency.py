"""In which share of a cohort's circuits is each edge, and for which edges do two cohorts differ by more than chance?

One Fisher's exact test per edge: given in how many circuits the edge is, it counts every way of dealing out the two cohorts'
labels, so it is a permutation test with all permutations, and holds for small cohorts. As extreme are divisions no more probable than
the one seen; for cohorts of one size these are those at least as far apart. Thousands of edges would give false alarms by the dozen at
p < 0.05: Benjamini and Hochberg's (1995) q bounds the expected share of them among the edges that pass, if tests are independent or
go together. Those of edges need not (circuits are grown and pruned); `by_chance` measures what that does where nothing differs.
"""

from functools import cache

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis.circuit import Circuit

Q = 0.05
N_CONTROLS = 100


def membership(circuits: list[Circuit]) -> Bool[np.ndarray, "n_circuits n_edges"]:
    """Which edges each circuit has; columns are the graph's real edges, source by source."""
    return np.stack([circuit.in_circuit[circuit.index.real_edges] for circuit in circuits])


def differences(
    inside: Bool[np.ndarray, "n_circuits n_edges"], first: Bool[np.ndarray, " n_circuits"], second: Bool[np.ndarray, " n_circuits"]
) -> pd.DataFrame:
    """One row per column of `inside`: `first` and `second` (shares of the cohorts' circuits with this edge), `difference`
    (first minus second), `p_value`, `q_value` and `passes` (q <= 0.05).

    Tested are edges that some circuits of the two cohorts have and some lack; for the others no division could differ: p is NaN.
    Raises ValueError if a cohort is empty or the two overlap.
    """
    if not first.any() or not second.any() or (first & second).any():
        raise ValueError("expected two cohorts of at least one circuit each, and no circuit in both")
    n_first, n_second = int(first.sum()), int(second.sum())
    with_first, with_all = inside[first].sum(0), inside[first | second].sum(0)
    p_values = fisher(n_first, n_second)[with_first, with_all]
    p_values[(with_all == 0) | (with_all == n_first + n_second)] = np.nan
    q_values = false_discovery(p_values)
    shares = with_first / n_first, (with_all - with_first) / n_second
    return pd.DataFrame({
        "first": shares[0], "second": shares[1], "difference": shares[0] - shares[1],
        "p_value": p_values, "q_value": q_values, "passes": q_values <= Q,
    })


def by_chance(
    inside: Bool[np.ndarray, "n_circuits n_edges"], n_first: int, n_second: int, n_draws: int = N_CONTROLS, seed: int = 0
) -> Int[np.ndarray, " n_draws"]:
    """The control: how many edges pass between two disjoint random cohorts of these sizes, once per draw."""
    rng, n = np.random.default_rng(seed), len(inside)
    passed = []
    for _ in range(n_draws):
        place = rng.permutation(n)
        first, second = place < n_first, (place >= n_first) & (place < n_first + n_second)
        passed.append(int(differences(inside, first, second)["passes"].sum()))
    return np.array(passed)


@cache
def fisher(n_first: int, n_second: int) -> Float[np.ndarray, "with_first with_all"]:
    """Two-sided p of Fisher's exact test for every 2x2 table of two cohorts of these sizes: row = circuits of the first cohort
    with the edge, column = circuits of both with it; NaN where there is no such table. As scipy's `fisher_exact`, which takes one
    table at a time: the probability of all divisions that are no more probable than this one."""
    from scipy.special import gammaln  # scipy.stats would cost the page half a second

    have, total = np.ogrid[: n_first + 1, : n_first + n_second + 1]
    possible = (have <= total) & (total - have <= n_second)
    lacking = np.where(possible, total - have, 0)

    def log_choose(n, k):
        return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)

    log_p = log_choose(n_first, have) + log_choose(n_second, lacking) - log_choose(n_first + n_second, total)
    p = np.where(possible, np.exp(log_p), 0.0)
    order = np.argsort(p, axis=0)
    ranked = np.take_along_axis(p, order, axis=0)
    below = np.cumsum(ranked, axis=0)
    values = np.empty_like(p)
    for column in range(p.shape[1]):  # ties up to rounding count as equally probable
        last = np.searchsorted(ranked[:, column], p[:, column] * (1 + 1e-7), side="right") - 1
        values[:, column] = below[last, column]
    return np.where(possible, np.minimum(values, 1.0), np.nan)


def false_discovery(p_values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Benjamini and Hochberg's q of each p, as scipy's `false_discovery_control`; NaN stays NaN and does not count as a test."""
    q_values = np.full(len(p_values), np.nan)
    known = np.flatnonzero(~np.isnan(p_values))
    order = known[np.argsort(-p_values[known], kind="stable")]  # largest first
    raised = p_values[order] * len(order) / np.arange(len(order), 0, -1)
    q_values[order] = np.minimum(1.0, np.minimum.accumulate(raised))
    return q_values
