"""Effects that are there are found, effects that are not there are not, and every statistic agrees with an independent one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import comparison
from tests.made_circuits import made_circuit

EARLY = {"input->a0.h0<q>": 1.0, "a0.h0->logits": 1.0}
LATE = {"input->m0": 1.0, "m0->a1.h0<v>": 3.0, "a1.h0->m1": -3.0, "m1->logits": 1.0}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def labels(n: int) -> pd.Series:
    return pd.Series(["easy"] * n + ["hard"] * n, index=[f"s{i}" for i in range(2 * n)])


def test_layer_shares_by_hand():
    shares = comparison.layer_shares([made_circuit(EARLY, sample_id="a"), made_circuit(LATE, sample_id="b")])
    assert shares.loc["a"].tolist() == [0.5, 0.0, 0.5]  # layer 0, layer 1, logits
    assert shares.loc["b"].tolist() == pytest.approx([1 / 8, 6 / 8, 1 / 8])


def test_readouts_and_kinds_have_a_row_per_sample():
    circuits = [made_circuit(EARLY, sample_id="a"), made_circuit(LATE, sample_id="b")]
    readouts = comparison.readouts_frame(circuits, boundary=1)
    assert readouts.loc["a", "mean_path"] == 2 and readouts.loc["b", "mean_path"] == 4
    kinds = comparison.kind_shares(circuits)
    assert kinds.loc["a", "attn->mlp"] == 0 and kinds.loc["b", "attn->mlp"] == pytest.approx(3 / 8)
    assert kinds.sum(axis=1).tolist() == pytest.approx([1, 1])


def test_an_empty_circuit_has_no_shares():
    circuits = [made_circuit(EARLY, sample_id="a"), made_circuit({}, sample_id="b")]
    for shares in (comparison.kind_shares(circuits), comparison.layer_shares(circuits)):
        assert shares.loc["b"].isna().all() and shares.loc["a"].sum() == pytest.approx(1)


def test_cliffs_delta_by_hand_and_against_mann_whitney(rng):
    assert comparison.cliffs_delta(np.array([1.0, 2.0]), np.array([2.0, 3.0])) == pytest.approx(3 / 4)  # 3 above, 1 tie
    easy, hard = rng.integers(0, 9, 15).astype(float), rng.integers(2, 12, 20).astype(float)
    u = stats.mannwhitneyu(hard, easy).statistic
    assert comparison.cliffs_delta(easy, hard) == pytest.approx(2 * u / (15 * 20) - 1)
    assert comparison.cliffs_delta(hard, easy) == pytest.approx(-comparison.cliffs_delta(easy, hard))


def test_permutation_p_agrees_with_scipy(rng):
    easy, hard = rng.normal(0, 1, 20), rng.normal(0.6, 1, 20)
    ours = comparison.permutation_p(easy, hard, rng)
    difference = lambda a, b, axis: a.mean(axis) - b.mean(axis)  # noqa: E731
    theirs = stats.permutation_test((hard, easy), difference, n_resamples=5000, rng=1)
    assert ours == pytest.approx(theirs.pvalue, abs=0.02)


def test_permutation_p_is_one_when_all_values_are_equal(rng):
    assert comparison.permutation_p(np.full(8, 0.3), np.full(8, 0.3), rng) == 1.0


def test_bootstrap_interval_is_that_of_the_mean(rng):
    values = rng.normal(5, 2, 60)
    low, high = comparison.bootstrap_interval(values, rng)
    half = 1.96 * values.std() / np.sqrt(60)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.12)
    assert np.isnan(comparison.bootstrap_interval(np.array([1.0]), rng)).all()


def test_holm_by_hand():
    corrected = comparison.holm(np.array([0.01, np.nan, 0.04, 0.03]))
    assert corrected[[0, 2, 3]].tolist() == pytest.approx([0.03, 0.06, 0.06]) and np.isnan(corrected[1])


def test_compare_finds_an_effect_and_the_control_does_not(rng):
    cohort = labels(30)
    shifted = [*rng.normal(0, 1, 30), *rng.normal(1.5, 1, 30)]
    values = pd.DataFrame({"shifted": shifted, "same": rng.normal(0, 1, 60)}, index=cohort.index)
    table = comparison.compare(values, cohort)
    row, control = table.loc["shifted"], table.loc["same"]
    assert row["p_holm"] < 0.01 and row["cliffs_delta"] > row["chance_delta"]
    assert control["p_value"] > 0.05 and abs(control["cliffs_delta"]) < control["chance_delta"]
    assert row["difference"] == pytest.approx(row["hard"] - row["easy"]) and row["difference_low"] < 1.5 < row["difference_high"]
    assert (row["n_easy"], row["n_hard"]) == (30, 30)


def test_false_alarms_are_as_rare_as_promised():
    found = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found += comparison.permutation_p(rng.normal(size=10), rng.normal(size=10), rng) <= 0.05
    assert found <= 12  # expected 5; 12 or fewer in 99.9 % of such trials


def test_swapping_the_cohorts_turns_the_effect_round(rng):
    cohort = labels(12)
    values = pd.DataFrame({"x": rng.normal(size=24)}, index=cohort.index)
    swapped = cohort.map({"easy": "hard", "hard": "easy"})
    there, back = (comparison.compare(values, labelled).loc["x"] for labelled in (cohort, swapped))
    for effect in ("difference", "cliffs_delta"):
        assert there[effect] == pytest.approx(-back[effect])


def test_an_empty_cohort_gives_no_numbers():
    cohort = pd.Series(["easy", "easy", "middle"], index=["a", "b", "c"])
    table = comparison.compare(pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=cohort.index), cohort)
    assert table.loc["x", "n_hard"] == 0 and np.isnan(table.loc["x", ["difference", "p_value", "p_holm"]].astype(float)).all()


def test_random_cohorts_enclose_the_mean_of_everyone(rng):
    cohort = labels(20)
    values = pd.DataFrame({"x": [*rng.normal(0, 1, 20), *rng.normal(3, 1, 20)]}, index=cohort.index)
    means = comparison.cohort_means(values, cohort).set_index("cohort")
    assert means.loc["chance", "low"] < values["x"].mean() < means.loc["chance", "high"]
    assert means.loc["easy", "mean"] < means.loc["chance", "low"] and means.loc["hard", "mean"] > means.loc["chance", "high"]
    assert (means["n"] == 20).all()


def test_the_same_seed_gives_the_same_numbers(rng):
    cohort = labels(10)
    values = pd.DataFrame({"x": rng.normal(size=20)}, index=cohort.index)
    pd.testing.assert_frame_equal(comparison.compare(values, cohort), comparison.compare(values, cohort))


def test_two_cohorts_are_disjoint_and_the_rest_is_there_to_draw_from():
    cohort = pd.Series(["easy"] * 4 + ["middle"] * 9 + ["hard"] * 5 + ["unscored"] * 2, index=[f"s{i}" for i in range(20)])
    found = comparison.two_cohorts(cohort, ("easy", "hard"))
    assert found.value_counts().to_dict() == {"easy": 4, "hard": 5, "rest": 9, "unscored": 2}
    others = comparison.two_cohorts(cohort, ("others", "middle"))
    assert others.value_counts().to_dict() == {"others": 9, "middle": 9, "unscored": 2} and (others[cohort == "hard"] == "others").all()
    drawn = comparison.two_cohorts(cohort, ("hard", "random"))
    assert drawn.value_counts().to_dict() == {"hard": 5, "random": 5, "rest": 8, "unscored": 2}
    assert (drawn[cohort == "hard"] == "hard").all()
    assert comparison.two_cohorts(cohort, ("random", "others")).value_counts()["random"] == 5
    assert not drawn.equals(comparison.two_cohorts(cohort, ("hard", "random"), seed=1))
    assert comparison.two_cohorts(cohort, ("middle", "random")).value_counts()["random"] == 4  # half of the 9 outside


@pytest.mark.slow
def test_random_cohorts_are_drawn_evenly_from_those_outside_the_other():
    cohort = pd.Series(["easy"] * 3 + ["middle"] * 6 + ["hard"] * 3, index=range(12))
    times = sum((comparison.two_cohorts(cohort, ("hard", "random"), seed) == "random").astype(int) for seed in range(600))
    assert times[9:].sum() == 0 and times[:9].between(140, 260).all()  # 200 expected, standard deviation 12


@pytest.mark.parametrize("names", [("easy", "easy"), ("easy", "best")])
def test_the_same_cohort_twice_and_unknown_ones_are_refused(names):
    with pytest.raises(ValueError, match="two different cohorts"):
        comparison.two_cohorts(labels(3), names)


def test_any_two_cohorts_are_compared_under_their_names(rng):
    values = pd.DataFrame({"x": rng.normal(size=20)}, index=[f"s{i}" for i in range(20)])
    asked = labels(10).map({"easy": "middle", "hard": "random"})
    table, usual = comparison.compare(values, asked, ("middle", "random")), comparison.compare(values, labels(10))
    named = table.loc["x", ["n_middle", "n_random", "middle_low", "random"]].tolist()
    assert named == usual.loc["x", ["n_easy", "n_hard", "easy_low", "hard"]].tolist()
    means = comparison.cohort_means(values, asked, ("middle", "random"))
    assert means["cohort"].tolist() == ["middle", "random", "chance"]
