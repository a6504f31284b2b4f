"""Several runs beside each other: settings that differ, the Pareto front, means over seeds, every memory in every run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import run_comparison as comparison
from analysis import studies
from analysis.outcomes import by_id, reference
from analysis.runs import Run, RunRecord

NAN = float("nan")


def record(name: str = "a", *, shipped: bool = True) -> RunRecord:
    return RunRecord(name, Path(name), shipped, "NPO", 1e-4, 10, 0, 2, 1, 0.9, 0.35, 0.9, 0.9, 12.0)


def run(after: dict[str, float], config: dict | None = None) -> Run:
    samples = pd.DataFrame({"sample_id": list(after), "probability_after": list(after.values())})
    return Run(record(), samples, pd.DataFrame(), pd.DataFrame(), config or {}, {})


def frame(rows: list[tuple]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["id", "setup", "method", "mask", "forget", "retain"]).set_index("id")
    return table.assign(sampling="uniform", learning_rate=1e-4, n_epochs=2, n_forgotten=5, n_samples=8, seconds=1.0)


def test_columns_in_which_all_agree_are_hidden():
    table = pd.DataFrame({"run": ["a", "b"], "same": [1, 1], "missing": [None, None], "some": [1.0, None], "other": [1, 2]})
    assert list(comparison.differing(table)) == ["run", "some", "other"]
    assert list(comparison.differing(table.assign(run="x"), ("run",))) == ["run", "some", "other"]
    assert list(comparison.differing(table.head(1))) == list(table)


def test_the_front_by_hand():
    """a keeps most, c forgets most, b lies between; d is beaten by b, e by c in one figure with the other equal; f was not measured."""
    forget = pd.Series({"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.4, "e": 0.1, "f": 0.0})
    retain = pd.Series({"a": 0.9, "b": 0.8, "c": 0.5, "d": 0.7, "e": 0.4, "f": NAN})
    found = comparison.front(forget, retain)
    assert list(found[found].index) == ["a", "b", "c"]


def test_runs_alike_are_both_on_the_front_and_no_run_gives_none():
    same = pd.Series({"a": 0.5, "b": 0.5})
    assert comparison.front(same, same).all() and comparison.front(same[:0], same[:0]).empty


def test_the_front_is_that_of_every_pair():
    """Few different values, so that ties abound."""
    rng = np.random.default_rng(0)
    for n_runs in (2, 3, 5, 8) * 5:
        forget, retain = (pd.Series(rng.integers(0, 4, n_runs) / 4) for _ in range(2))
        pairs = list(zip(forget, retain, strict=True))
        best = [not any(f <= left and r >= kept and (f, r) != (left, kept) for f, r in pairs) for left, kept in pairs]
        assert comparison.front(forget, retain).tolist() == best


def test_means_and_spread_over_seeds():
    rows = [("a0", "a", "NPO", "none", 0.1, 0.9), ("a1", "a", "NPO", "none", 0.3, 0.9), ("b0", "b", "RMU", "none", 0.4, NAN)]
    means = comparison.over_seeds(frame(rows))
    assert means.n_runs.tolist() == [2, 1] and means.ids.tolist() == [["a0", "a1"], ["b0"]]
    assert means.forget.tolist() == pytest.approx([0.2, 0.4]) and means.forget_sd[0] == pytest.approx(0.02**0.5)
    assert means.forget_sd.isna().tolist() == [False, True] and pd.isna(means.retain[1])


def test_the_best_keeps_the_rest_trains_all_weights_and_is_no_control():
    rows = [("c", "c", "GradAscent", "none", 0.0, 0.9), ("m", "m", "NPO", "clue", 0.01, 0.9), ("d", "d", "NPO", "none", 0.02, 0.79),
            ("k", "k", "NPO", "none", 0.1, 0.8), ("w", "w", "RMU", "none", 0.2, 0.95)]
    best = comparison.best_setup(comparison.over_seeds(frame(rows)))
    assert best is not None and best["ids"] == ["k"]
    assert comparison.best_setup(comparison.over_seeds(frame(rows[:3]))) is None


def test_the_matrix_is_ordered_by_rank_or_by_what_is_left():
    table = comparison.matrix({"a": run({"s0": 0.1, "s1": 0.5, "s2": 0.9}), "b": run({"s0": 0.3, "s1": 0.8})})
    known = pd.DataFrame({"rank_cud": [2.0, 1.0]}, index=["s0", "s1"])
    assert table.loc["s2"].isna().tolist() == [False, True]
    assert list(comparison.in_order(table, known, "CUD rank").index) == ["s1", "s0", "s2"]
    assert list(comparison.in_order(table, known, "Outcome").index) == ["s2", "s1", "s0"]


def test_what_stays_and_what_goes_in_every_run_that_had_it():
    table = pd.DataFrame({"a": [0.3, 0.29, 0.9, 0.1], "b": [0.9, 0.1, 0.1, NAN]})
    stay, go = comparison.resisting(table)
    assert stay.tolist() == [True, False, False, False] and go.tolist() == [False, True, False, True]


def test_settings_are_text_and_nested_ones_are_named():
    table = comparison.settings({"a": run({}, {"seed": 0, "method_args": {"beta": 0.1}}), "b": run({}, {"seed": 1, "lora_rank": None})})
    assert table.loc["method_args.beta"].tolist() == ["0.1", ""] and table.loc["lora_rank"].tolist() == ["", "none"]
    assert list(comparison.differing(table.T)) == ["seed", "method_args.beta", "lora_rank"]


def test_durability_leaves_out_what_was_not_measured():
    summary = {"forget_Q_A_Prob": 0.1, "relearn_5_Q_A_Prob": 0.4, "relearn_5_Q_A_Prob_retain_model": 0.2, "int4_Q_A_Prob": 0.3,
               "int8_Q_A_Prob": "not computed: left out", "relearn_10_Q_A_Prob": True, "retain_Q_A_Prob": 0.9, "privleak": NAN}
    table = comparison.durability({"a": summary})
    assert set(table.itertuples(index=False, name=None)) == {
        ("a", "relearn", 0, 0.1), ("a", "int", 32, 0.1), ("a", "relearn", 5, 0.4), ("a", "control", 5, 0.2), ("a", "int", 4, 0.3),
    }
    assert comparison.durability({}).empty


def test_a_run_of_ones_own_keeps_an_address_beside_a_shipped_one_of_its_name():
    found = by_id([record("a"), record("a", shipped=False), record("b", shipped=False)])
    assert list(found) == ["a", "a@yours", "b"]


def test_only_the_shipped_study_has_a_model_that_never_knew():
    shipped = studies.embedded()
    assert 0 < reference(shipped) < 0.5 and reference(replace(shipped, slug="mine")) is None
