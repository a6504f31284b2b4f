"""Sentences about circuits after a run say what the numbers say, and say plainly when nothing can be told."""

import numpy as np
import pandas as pd
import pytest

from analysis import circuits_after, comparison
from components import after_words

READOUTS = {"mean_layer": "Mean layer", "late_share": "Late share"}
COHORT = pd.Series(["easy"] * 8 + ["hard"] * 8, index=range(16))
NOISE = np.tile([0.2, -0.2, 0.1, -0.1], 4)


def change(easy: float, hard: float) -> pd.DataFrame:
    moved = NOISE + np.where(COHORT == "easy", easy, hard)
    return pd.DataFrame({"mean_layer": moved, "late_share": NOISE})


@pytest.mark.parametrize("own, said", [(0.6, "more like its old self"), (0.4, "cannot be told"), (0.2, "further than")])
def test_likeness_is_set_against_other_samples(own, said):
    table = pd.DataFrame({"own": own + NOISE / 10, "other_after": 0.3, "other_before": 0.4 + NOISE[::-1] / 10})
    words = after_words.alike(table)
    assert said in words and f"{own:.0%} of their edges" in words and "40% in common" in words
    gap = f"{100 * (own - 0.3):+.1f} ("
    words = after_words.between(table)
    assert f"two runs have {own:.0%}" in words and "one after each run, 30%" in words and gap in words and ") points, p = " in words


def test_a_change_is_named_with_its_interval_and_its_absence_too():
    words = after_words.changed(circuits_after.summary(change(-1, -1), COHORT), READOUTS)
    assert "mean layer -1.00 (-1." in words and "For the other read-outs no change can be told" in words and "late share" not in words
    assert "No depth read-out changes" in after_words.changed(circuits_after.summary(change(0, 0), COHORT), READOUTS)


def test_easy_and_hard_are_told_apart_only_where_they_differ():
    words = after_words.apart(comparison.compare(change(0, -1), COHORT), READOUTS)
    assert "change differently" in words and "mean layer by -1.00 in hard and +0.00 in easy" in words and "8 easy and 8 hard" in words
    assert "no difference in how they change can be told" in after_words.apart(comparison.compare(change(-1, -1), COHORT), READOUTS)
    assert "Too few" in after_words.apart(comparison.compare(change(0, 0), COHORT.replace("hard", "middle")), READOUTS)


def test_samples_to_be_kept_are_the_control():
    forgotten = change(-1, -1).assign(own=0.4 + NOISE / 10)
    same = forgotten.drop(columns="late_share").set_axis([f"k{i}" for i in range(16)])
    words = after_words.control(forgotten, same, READOUTS)
    assert "no sign that it is special" in words and "(no difference can be told)" in words
    assert "circuits of 16 samples to be kept have 40%" in words
    words = after_words.control(forgotten, same.assign(own=same["own"] + 0.3, mean_layer=same["mean_layer"] + 1), READOUTS)
    assert "mean layer change otherwise" in words and "have 70%" in words and "forgotten 40% (a difference" in words
    assert "not computed: needs" in after_words.control(forgotten, None, READOUTS)


def test_the_table_has_a_row_per_readout_and_a_column_per_cohort():
    table = after_words.table(circuits_after.summary(change(0, -1), COHORT), READOUTS)
    assert table["Read-out"].tolist() == ["Mean layer", "Late share"]
    assert table["Hard (n = 8)"][0].startswith("-1.00 (-1.") and table["Easy (n = 8)"][0].startswith("+0.00")


def test_a_cohort_too_small_for_an_interval_shows_none():
    cohort = pd.Series(["hard"] + ["middle"] * 15, index=range(16))
    row = after_words.table(circuits_after.summary(change(-1, -1), cohort), READOUTS).loc[0]
    assert row["Easy (n = 0)"] == "no sample" and row["Hard (n = 1)"] == "-0.80" and row["p, hard"] == "too few samples"
    assert not row.str.contains("nan").any()
