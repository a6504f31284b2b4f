"""Rank statistics against scipy, numpy and numbers worked out by hand; intervals cover; shuffles stay in their group."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu, rankdata, spearmanr

from analysis.statistics import auroc, correlation, gram, percent_ranks, permutation_p, ranks, resamples, shuffles, spearman, summary


def drawn(counts, column):
    return np.repeat(np.arange(len(counts)), counts[:, column].astype(int))


def test_spearman_agrees_with_scipy_on_the_samples_and_on_every_resample():
    rng = np.random.default_rng(0)
    x, y, counts = rng.integers(0, 5, 30), rng.normal(size=30), resamples(30, 20)
    draws = correlation(gram([ranks(x, counts), ranks(y, counts)], counts), 0, 1)
    for column in (0, 7, 20):
        rows = drawn(counts, column)
        assert draws[column] == pytest.approx(spearmanr(x[rows], y[rows]).statistic)
    assert np.isnan(spearman(np.ones(10), np.arange(10.0))).all()


def test_ranks_within_groups_by_hand():
    values, groups = np.array([5, 1, 1, 9, 3]), np.array([7, 7, 7, 2, 2])
    expected = [1 / 3, -1 / 6, -1 / 6, 1 / 4, -1 / 4]  # (below + ties / 2) / size - 1/2
    assert percent_ranks(values, groups) == pytest.approx(expected)
    assert percent_ranks(values) == pytest.approx((rankdata(values) - 0.5) / 5 - 0.5)
    counts = resamples(5, 30)
    for column in range(1, 31):
        rows = drawn(counts, column)
        alone = percent_ranks(values[rows], groups[rows])
        assert ranks(values, counts, groups)[rows, column] == pytest.approx(alone)


def test_partial_correlation_is_that_of_residuals_from_regression():
    rng = np.random.default_rng(1)
    z = rng.normal(size=(3, 60))
    x, y = z.sum(0) + rng.normal(size=60), z[0] - z[1] + rng.normal(size=60)
    counts = resamples(60, 5)
    given = [*z, np.ones(60)]  # a constant baseline takes nothing away
    products = gram([ranks(v, counts) for v in (x, y, *given)], counts)
    draws = correlation(products, 0, 1, [2, 3, 4, 5])
    for column in (0, 3):
        rows = drawn(counts, column)
        rank = [rankdata(v[rows]) for v in (x, y, *z)]
        design = np.column_stack([np.ones(len(rows)), *rank[2:]])
        left = [v - design @ np.linalg.lstsq(design, v, rcond=None)[0] for v in rank[:2]]
        assert draws[column] == pytest.approx(np.corrcoef(*left)[0, 1])
    assert np.isnan(correlation(products, 2, 1, [2, 3])[0])  # explained whole


def test_auroc_is_mann_whitney_u_over_the_pairs():
    rng = np.random.default_rng(2)
    values, group = rng.integers(0, 6, 40), rng.integers(0, 3, 40)
    counts = resamples(40, 3)
    draws = auroc(values, group == 0, group == 1, counts)
    for column in (0, 2):
        rows = drawn(counts, column)
        hard, easy = values[rows][group[rows] == 0], values[rows][group[rows] == 1]
        assert draws[column] == pytest.approx(mannwhitneyu(hard, easy).statistic / (len(hard) * len(easy)))
    assert np.isnan(auroc(values, group == 9, group == 1, counts)).all()


def test_intervals_of_95_percent_hold_the_truth_about_that_often():
    """Bivariate normal, correlation 0.5: Spearman is 6 / pi * asin(0.25). 120 draws; 95 % +- 2 % standard error."""
    rng, truth, inside = np.random.default_rng(3), 6 / np.pi * np.arcsin(0.25), 0
    for _ in range(120):
        x, noise = rng.normal(size=(2, 60))
        _, low, high = spearman(x, 0.5 * x + np.sqrt(0.75) * noise, n_draws=200)
        inside += low < truth < high
    assert 0.88 <= inside / 120 <= 0.99


def test_summary_is_value_and_percentiles():
    assert summary(np.array([0.3, *np.linspace(0, 1, 101)])) == pytest.approx((0.3, 0.025, 0.975))
    assert np.isnan(summary(np.array([np.nan, 0.1, 0.2]))).all()
    assert summary(np.array([0.3, *np.linspace(0, 1, 101), np.nan])) == pytest.approx((0.3, 0.025, 0.975))
    assert summary(np.array([0.3]))[0] == 0.3
    assert np.isnan(summary(np.array([0.3]))[1:]).all()


def test_shuffles_move_values_only_within_their_group_and_every_order_occurs():
    values, groups = np.array([0.0, 10, 1, 11, 2]), np.array([4, 9, 4, 9, 4])
    mixed = shuffles(values, groups, n_draws=400)
    assert ((mixed >= 10) == (groups == 9)).all()
    assert (np.sort(mixed, axis=1) == np.sort(values)).all()
    assert len(np.unique(mixed, axis=0)) == 2 * 6


def test_permutation_p_is_exact_on_a_small_case_and_uniform_without_an_effect():
    x = percent_ranks(np.arange(4.0))
    p = permutation_p(x, x, shuffles(x, np.zeros(4, dtype=int)))
    assert p == pytest.approx(2 / 24, abs=0.01)  # the order itself and its reverse
    rng = np.random.default_rng(4)
    fixed = percent_ranks(rng.normal(size=20))
    mixed = shuffles(fixed, np.zeros(20, dtype=int), n_draws=999)
    found = [permutation_p(percent_ranks(rng.normal(size=20)), fixed, mixed) for _ in range(400)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.09
    assert np.isnan(permutation_p(np.zeros(20), fixed, mixed))
