"""The tour says what the tables say, and what is missing where they are missing; nothing is said that an interval does not hold."""

import pandas as pd
import pytest

from analysis import studies
from components import cached, tour

SHIPPED = studies.embedded()


def row(spearman: float, low: float, high: float) -> pd.Series:
    return pd.Series({"spearman": spearman, "low": low, "high": high, "n": 30})


@pytest.mark.parametrize(("figures", "words"), [
    ((0.4, 0.1, 0.6), "later, 0.40 (0.10 to 0.60),"), ((-0.4, -0.6, -0.1), "earlier, -0.40 (-0.60 to -0.10),"),
    ((0.1, -0.2, 0.4), "neither later nor earlier, 0.10 (-0.20 to 0.40),"),
    ((float("nan"),) * 3, "neither later nor earlier, not defined, as one of the two does not vary,"),
])
def test_a_direction_is_named_only_where_the_interval_leaves_out_zero(figures, words):
    assert tour._way(row(*figures), "later", "earlier") == words


def test_the_longest_relearning_is_said_beside_its_control():
    summary = {"relearn_5_Q_A_Prob": 0.1, "relearn_20_Q_A_Prob": 0.5, "relearn_20_Q_A_Prob_retain_model": 0.2}
    assert tour._relearned(summary) == (20, 0.5, 0.2)
    assert tour._relearned({"relearn_20_Q_A_Prob": "needs weights", "relearn_10_Q_A_Prob": 0.3}) == (10, 0.3, None)
    assert tour._relearned({}) is None


def test_the_two_memories_are_those_that_runs_removed_last_and_first():
    ends = tour.ends_of(SHIPPED)
    observed, left = cached.observed(SHIPPED), cached.left_after_runs(SHIPPED)
    assert observed[ends.hard] == observed.min() and observed[ends.easy] == observed.max()
    assert ends.left[ends.hard] == left[ends.hard] > ends.left[ends.easy]
    folders = [folder for folder in (SHIPPED.results / "runs").iterdir() if folder.name in cached.counted(SHIPPED)]
    by_hand = [pd.read_csv(f / "samples.csv").set_index("sample_id").loc[ends.hard, "probability_after"] for f in folders]
    assert left[ends.hard] == pytest.approx(sum(by_hand) / len(by_hand)) and len(by_hand) == ends.n_runs


def test_the_shipped_study_has_all_five_stops_and_each_opens_its_view():
    found = tour.stops(SHIPPED)
    assert [stop.page for stop in found] == ["Forget set", "Difficulty", "Circuit explorer", "Easy vs hard", "Outcomes"]
    assert all(stop.takeaway for stop in found)
    assert found[4].query["view"] == "Durability" and found[4].query["run"].startswith("rmu")
    assert tour.address(found[3], 4, SHIPPED) == {"study": "embedded", "tour": "4"} | found[3].query


def test_a_study_without_results_says_what_each_stop_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    rows = b'{"question": "Q?", "answer": "A"}\n{"question": "R?", "answer": "B"}\n'
    empty = studies.create("empty", "Empty", "nowhere", rows, rows, (".jsonl", ".jsonl"))
    assert [tour.said(stop) for stop in tour.stops(empty)] == [
        "Not computed: needs an unlearning run.", "Not computed: needs scores and a run.", "Not computed: needs circuits and a run.",
        "Not computed: needs scores, circuits and a run.", "Not computed: needs an evaluated run.",
    ]
