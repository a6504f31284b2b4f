"""Circuits before and after unlearning: what is read, what is refused, and numbers by hand and against independent ones."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import atomic, circuits_after, store
from analysis.attribution import AttributionConfig
from analysis.demo_command import AFTER, N_ENDS
from analysis.scoring import circuits_of
from analysis.similarity import similarity
from tests.made_circuits import made_circuit

RESULTS = store.DATA / "results"
CONFIG = {"method": "EAP-IG-inputs", "ablation": "zero", "ig_steps": 3, "select": "greedy", "n_edges": 12}
EARLY = {"input->a0.h0<q>": 1.0, "a0.h0->logits": 1.0}
LATE = {"input->m0": 1.0, "m0->a1.h0<v>": 3.0, "a1.h0->m1": -3.0, "m1->logits": 1.0}


def of(edges: dict[str, float], name: str, fingerprint: str = "before"):
    circuit = made_circuit(edges, sample_id=name)
    return circuits_after.replace(circuit, fingerprint=fingerprint)


@pytest.fixture
def before():
    return {"a": of(EARLY, "a"), "b": of(LATE, "b"), "c": of(EARLY | LATE, "c")}


def write(tmp_path, circuits, config=CONFIG):
    store.write_circuits(tmp_path / "circuits", circuits, config)


def test_a_run_without_circuits_has_none(tmp_path, before):
    assert circuits_after.read(tmp_path, before, CONFIG) is None


def test_circuits_of_known_samples_are_read(tmp_path, before):
    write(tmp_path, [of(LATE, "a", "after"), of(EARLY, "unknown", "after")])
    found = circuits_after.read(tmp_path, before, CONFIG)
    assert list(found) == ["a"] and np.array_equal(found["a"].scores, of(LATE, "a").scores)


@pytest.mark.parametrize("config, fingerprint, said", [
    (CONFIG | {"n_edges": 13}, "after", "n_edges 13 in place of 12"),
    (CONFIG, "before", "of the run's model"),
])
def test_circuits_that_cannot_be_compared_are_refused(tmp_path, before, config, fingerprint, said):
    write(tmp_path, [of(LATE, "a", fingerprint)], config)
    with pytest.raises(ValueError, match=said):
        circuits_after.read(tmp_path, before, CONFIG)


def test_a_damaged_file_is_said_to_be_one(tmp_path, before):
    write(tmp_path, [of(LATE, "a", "after")])
    (tmp_path / "circuits" / "circuits.json").write_text("{}")
    with pytest.raises(ValueError, match="expected what the command"):
        circuits_after.read(tmp_path, before, CONFIG)


def test_changes_by_hand(before):
    change = circuits_after.changes(before, {"a": of(LATE, "a"), "b": of(LATE, "b")}, boundary=1)
    assert change.loc["a", "mean_layer"] == pytest.approx((0 * 1 + 1 * 3 + 1 * 3 + 2 * 1) / 8 - 1)  # logits stands at 2
    assert change.loc["a", "longest_path"] == 2 and (change.loc["b"] == 0).all()


def test_likeness_by_hand_and_against_similarity(before):
    after = {"a": of(EARLY | LATE, "a"), "b": of(LATE, "b"), "c": of(EARLY, "c")}
    table = circuits_after.likeness(before, after)
    assert table.loc["a"].tolist() == pytest.approx([2 / 6, (0 + 1) / 2, (0 + 2 / 6) / 2])
    for name in after:
        edges = [circuit.in_circuit[circuit.index.real_edges] for circuit in (before[name], after[name])]
        assert table.loc[name, "own"] == pytest.approx(similarity(*edges, "jaccard"))
    alone = circuits_after.likeness(before, {"a": after["a"]}).loc["a"]
    assert alone["own"] == pytest.approx(2 / 6) and np.isnan(alone[["other_after", "other_before"]]).all()


def test_the_control_is_read_as_it_was_written(tmp_path, before):
    assert circuits_after.read_kept(tmp_path) is None
    made = circuits_after.kept(before, {"a": of(LATE, "a"), "b": of(LATE, "b")})
    atomic.write_csv(tmp_path / "circuits" / circuits_after.KEPT, made.rename_axis("sample_id").reset_index())
    found = circuits_after.read_kept(tmp_path)
    pd.testing.assert_frame_equal(found, made, check_dtype=False)
    assert found.loc["a", ["own", "longest_path"]].tolist() == [0, 2] and found.loc["b", ["own", "longest_path"]].tolist() == [1, 0]


def test_sign_flips_agree_with_scipy():
    rng = np.random.default_rng(0)
    values = rng.normal(0.5, 1, 20)
    theirs = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=9999, rng=1)
    assert circuits_after.sign_flip_p(values, rng) == pytest.approx(theirs.pvalue, abs=0.01)
    assert circuits_after.sign_flip_p(np.zeros(5), rng) == 1 and np.isnan(circuits_after.sign_flip_p(np.ones(1), rng))


def test_a_change_that_is_there_is_found_and_one_that_is_not_is_not():
    cohort = pd.Series(["easy"] * 12 + ["hard"] * 12 + ["middle"] * 6, index=range(30))
    noise = np.tile([0.5, -0.5, 0.3, -0.3, 0.1, -0.1], 5)  # sums to 0 in every cohort
    table = circuits_after.summary(pd.DataFrame({"moved": noise + (cohort == "hard"), "same": noise}), cohort)
    table = table.set_index(["cohort", "value"])
    assert table["mean"].tolist() == pytest.approx([0, 0, 1, 0, 12 / 30, 0]) and table["n"].tolist() == [12] * 4 + [30] * 2
    moved = table.loc[("hard", "moved")]
    assert moved["p_holm"] == pytest.approx(2 * moved["p_value"])  # of two values the smaller p
    assert moved["p_holm"] < 0.01 and 0.7 < moved["low"] < 1 < moved["high"] < 1.3
    assert table.loc[[("easy", "moved"), *((name, "same") for name in ("easy", "hard", "all"))], "p_holm"].min() > 0.5


def test_a_cohort_of_one_has_a_mean_and_no_interval():
    table = circuits_after.summary(pd.DataFrame({"x": [2.0]}, index=["a"]), pd.Series({"a": "hard"})).set_index("cohort")
    assert table.loc["hard", "mean"] == 2 and table.loc["hard", ["low", "high", "p_value", "p_holm"]].isna().all()
    assert table.loc["easy", "n"] == 0 and np.isnan(table.loc["easy", "mean"])


def test_one_sample_is_computed_as_the_command_computes_it(handle, samples):
    attribution = AttributionConfig("EAP-IG-inputs", "zero", 3)
    expected = circuits_of(handle, samples, attribution, 12)[0][2]
    found = circuits_after.compute(handle, samples, samples[2].id, CONFIG)
    assert found.sample_id == samples[2].id and found.fingerprint == handle.fingerprint
    assert np.allclose(found.scores, expected.scores, atol=1e-6) and np.array_equal(found.in_circuit, expected.in_circuit)
    fewer = circuits_after.compute(handle, samples, samples[2].id, CONFIG | {"select": "top_n", "n_edges": 5})
    assert 0 < fewer.n_edges <= 5
    mean = replace(attribution, ablation="mean")  # over the whole forget set, not over the sample alone
    expected = circuits_of(handle, samples[2:3], mean, 12, samples)[0][0]
    found = circuits_after.compute(handle, samples, samples[2].id, CONFIG | {"ablation": "mean"})
    assert np.allclose(found.scores, expected.scores, atol=1e-6)
    with pytest.raises(ValueError, match="no longer in the forget set"):
        circuits_after.compute(handle, samples, "gone", CONFIG)


@pytest.mark.parametrize("method", AFTER)
def test_shipped_circuits_after_are_those_of_both_ends_of_cud(method):
    before, config = store.read_circuits(RESULTS / "circuits")
    scores = store.read_scores(RESULTS / "scores")[0].sort_values("rank_cud", kind="stable")["sample_id"].tolist()
    run = RESULTS / "runs" / f"{method.lower()}-seed0"
    found = circuits_after.read(run, before, config)
    assert list(found) == scores[:N_ENDS] + scores[-N_ENDS:]
    assert sum(file.stat().st_size for file in (run / "circuits").rglob("*")) < 260_000
    assert len(circuits_after.read_kept(run)) == 2 * N_ENDS
    assert json.loads((run / "circuits" / "circuits.json").read_text())["fingerprint"] != next(iter(before.values())).fingerprint
