"""Frequencies and tests of edges by hand and against scipy; few discoveries where there is nothing to discover."""

import numpy as np
import pytest
from scipy import stats

from analysis import edge_frequency
from tests.made_circuits import made_circuit


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(2 * n) < n, np.arange(2 * n) >= n


def test_membership_has_a_column_per_real_edge():
    circuits = [made_circuit({"input->a0.h0<q>": 1.0, "a0.h0->logits": -1.0}), made_circuit({"input->m0": 2.0})]
    inside = edge_frequency.membership(circuits)
    index = circuits[0].index
    names = [index.edge_name(int(u), int(v)) for u, v in np.argwhere(index.real_edges)]
    assert inside.shape == (2, len(names))
    assert [{name for name, there in zip(names, row, strict=True) if there} for row in inside] == [
        {"input->a0.h0<q>", "a0.h0->logits"}, {"input->m0"},
    ]


def test_differences_by_hand():
    inside = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [1, 1, 0, 1], [0, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 0]], dtype=bool)
    table = edge_frequency.differences(inside, *halves(3))
    assert table["first"].tolist() == pytest.approx([1, 1, 0, 2 / 3]) and table["second"].tolist() == pytest.approx([0, 1, 0, 1 / 3])
    assert table["difference"].tolist() == pytest.approx([1, 0, 0, 1 / 3])
    assert table["p_value"][0] == pytest.approx(2 / 20)  # of the 20 ways of choosing 3 of 6, two are as far apart
    assert table["p_value"][3] == pytest.approx(1) and table["p_value"][[1, 2]].isna().all()  # all or none have it
    assert table["q_value"][0] == pytest.approx(2 * 2 / 20) and not table["passes"].any()


@pytest.mark.parametrize("sizes", [(1, 1), (5, 5), (4, 9), (12, 7)])
def test_fisher_is_that_of_scipy_for_every_table(sizes):
    n_first, n_second = sizes
    ours = edge_frequency.fisher(n_first, n_second)
    for have in range(n_first + 1):
        for other in range(n_second + 1):
            theirs = stats.fisher_exact([[have, other], [n_first - have, n_second - other]]).pvalue
            assert ours[have, have + other] == pytest.approx(theirs, rel=1e-9)
    assert np.isnan(ours).sum() == ours.size - (n_first + 1) * (n_second + 1)


def test_false_discovery_is_that_of_scipy_and_leaves_out_what_was_not_tested():
    p_values = np.random.default_rng(0).random(40) ** 3
    assert edge_frequency.false_discovery(p_values) == pytest.approx(stats.false_discovery_control(p_values))
    with_gaps = np.insert(p_values, [3, 17], np.nan)
    kept = ~np.isnan(with_gaps)
    found = edge_frequency.false_discovery(with_gaps)
    assert found[kept] == pytest.approx(stats.false_discovery_control(p_values)) and np.isnan(found[~kept]).all()


def test_swapping_the_cohorts_turns_the_difference_round_and_keeps_p():
    inside = np.random.default_rng(1).random((24, 50)) < 0.4
    first, second = halves(12)
    there, back = edge_frequency.differences(inside, first, second), edge_frequency.differences(inside, second, first)
    assert there["difference"].tolist() == pytest.approx((-back["difference"]).tolist())
    assert there["p_value"].tolist() == pytest.approx(back["p_value"].tolist(), nan_ok=True)


def test_planted_edges_are_found_and_the_control_finds_none():
    inside = np.random.default_rng(2).random((80, 300)) < 0.3
    first = np.arange(80) < 20
    second = (np.arange(80) >= 20) & (np.arange(80) < 40)
    inside[first, :5], inside[second, :5] = True, False
    table = edge_frequency.differences(inside, first, second)
    assert table["passes"][:5].all() and table["passes"][5:].sum() <= 1
    assert np.median(edge_frequency.by_chance(inside, 20, 20)) == 0


def test_the_control_is_the_same_for_the_same_seed_only():
    inside = np.random.default_rng(3).random((30, 40)) < np.linspace(0, 1, 30)[:, None]  # circuits of very different sizes
    draws = [edge_frequency.by_chance(inside, 15, 15, seed=seed).tolist() for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


def test_cohorts_that_are_empty_or_overlap_are_refused():
    inside, some = np.ones((4, 3), dtype=bool), np.array([True, True, False, False])
    for second in (np.zeros(4, dtype=bool), np.array([False, True, True, False])):
        with pytest.raises(ValueError, match="no circuit in both"):
            edge_frequency.differences(inside, some, second)


@pytest.mark.slow
def test_false_discoveries_stay_as_rare_as_promised():
    """With nothing to find, a discovery is made in at most q of the worlds; with 20 true edges of 200, at most q of what is found is
    false. Edges come in dependent blocks of 10, as edges into one node do."""
    rng, first, second = np.random.default_rng(0), *halves(30)
    any_found, false_share, power = [], [], []
    for _ in range(300):
        rate = np.repeat(rng.uniform(0.05, 0.95, 20), 10)
        common = np.repeat(rng.random((60, 20)) < 0.5, 10, axis=1)
        noise = rng.random((60, 200))
        inside = np.where(common, np.repeat(noise[:, ::10], 10, axis=1), noise) < rate
        any_found.append(edge_frequency.differences(inside, first, second)["passes"].any())
        inside[:, :20] = rng.random((60, 20)) < np.where(first, 0.9, 0.2)[:, None]
        passes = edge_frequency.differences(inside, first, second)["passes"].to_numpy()
        false_share.append(passes[20:].sum() / max(1, passes.sum()))
        power.append(passes[:20].mean())
    assert np.mean(any_found) <= 0.05 + 2.5 * (0.05 * 0.95 / 300) ** 0.5
    assert np.mean(false_share) <= 0.05 and np.mean(power) > 0.95
