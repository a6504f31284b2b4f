"""Rank correlations against scipy, and that the anchor pool never counts."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from analysis.validity import disagreement, partial_spearman, predictive_validity, spearman


def made_scores(n=40):
    rng = np.random.default_rng(0)
    hardness = rng.permutation(n).astype(float)
    frame = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(n)], "question": "?", "cud": hardness, "mrd": -hardness,
        "n_answer_tokens": rng.integers(1, 9, n), "base_nll": 1.0, "rank_cud": n - hardness, "rank_mrd": n - hardness,
    })
    return frame, pd.Series(n - hardness, index=frame["sample_id"])


def test_spearman_agrees_with_scipy_and_its_interval_holds_it():
    x, y = np.random.default_rng(1).normal(size=(2, 50))
    y = y + x
    value, low, high = spearman(x, y)
    assert value == pytest.approx(spearmanr(x, y).statistic)
    assert low < value < high
    assert np.isnan(spearman(np.ones(10), np.arange(10.0))).all()


def test_a_shared_cause_vanishes_when_it_is_held_fixed():
    """x and y only follow z; the control w follows y beyond z. The oracle regresses ranks on z's ranks."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=400)
    x, y = z + 0.5 * rng.normal(size=400), z + 0.5 * rng.normal(size=400)
    w = y + 0.5 * rng.normal(size=400)
    value, low, high = partial_spearman(x, y, z, n_resamples=200)
    assert spearman(x, y)[0] > 0.6
    assert low < 0 < high
    assert abs(value) < 0.1
    assert partial_spearman(w, y, z, n_resamples=200)[1] > 0.3
    ranks = [np.argsort(np.argsort(v)).astype(float) for v in (w, y, z)]
    residuals = [v - np.polyval(np.polyfit(ranks[2], v, 1), ranks[2]) for v in ranks[:2]]
    assert partial_spearman(w, y, z, n_resamples=10)[0] == pytest.approx(np.corrcoef(*residuals)[0, 1])
    assert np.isnan(partial_spearman(z, y, z, n_resamples=10)[0])


def test_the_interval_of_unrelated_numbers_holds_zero():
    x, y = np.random.default_rng(2).normal(size=(2, 200))
    _, low, high = spearman(x, y)
    assert low < 0 < high


def test_perfect_scores_of_either_polarity_give_one_and_a_constant_baseline_nothing():
    frame, observed = made_scores()
    table = predictive_validity(frame, observed, []).set_index("predictor")
    assert table.loc[["CUD", "MRD"], "spearman"].tolist() == pytest.approx([1, 1])
    assert np.isnan(table.loc["Base NLL (baseline)", "spearman"])
    assert abs(table.loc["Answer length (baseline)", "spearman"]) < 0.5


def test_samples_of_the_anchor_pool_do_not_count():
    frame, observed = made_scores()
    pool = frame["sample_id"].tolist()[:20]
    spoilt = frame.assign(cud=np.where(frame["sample_id"].isin(pool), -1e6 * frame["cud"], frame["cud"]))
    table = predictive_validity(spoilt, observed, pool).set_index("predictor")
    assert table.loc["CUD", ["n", "spearman"]].tolist() == [20, pytest.approx(1)]
    assert predictive_validity(spoilt, observed, []).loc[0, "spearman"] < 0.9


def test_disagreement_is_sorted_by_the_size_of_the_gap():
    frame = pd.DataFrame({"sample_id": list("abc"), "question": "?", "rank_cud": [1, 2, 3], "rank_mrd": [2, 2, 1]})
    assert disagreement(frame)["sample_id"].tolist() == ["c", "a", "b"]
