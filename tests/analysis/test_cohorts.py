"""Cohorts: by rank, by the score's own value, pinned by hand; what would overlap, and ranks that tell nobody apart."""

import numpy as np
import pandas as pd
import pytest

from analysis import store
from analysis.cohorts import CohortRule, assign, cohorts

TABLE = pd.DataFrame({
    "sample_id": list("abcdef"), "cud": [0.9, 0.7, 0.5, 0.5, 0.3, np.nan], "mrd": [5.0, 1.0, 2.0, 3.0, 4.0, 6.0],
    "rank_cud": [1, 2, 3.5, 3.5, 5, np.nan], "rank_mrd": [5, 1, 2, 3, 4, 6], "rank_outcome": [6, 5, 4, 3, 2, 1],
})


def by_name(rule: CohortRule) -> dict[str, list[str]]:
    found = assign(TABLE, rule)
    return {name: list(found.index[found == name]) for name in ("hard", "middle", "easy", "unscored")}


def test_the_first_ranks_are_hard_the_last_easy_and_missing_ones_unscored():
    ranks = pd.Series([8.0, 1, 2, 3, 4, 5, 6, 7, np.nan])
    assert cohorts(ranks, 0.25).tolist() == ["easy", "hard", "hard", *["middle"] * 4, "easy", "unscored"]
    assert cohorts(ranks, 0.5).value_counts().to_dict() == {"hard": 4, "easy": 4, "unscored": 1}
    assert (cohorts(pd.Series(range(180)), 0.35) == "hard").sum() == 63  # 0.35 * 180 is 62.99... to a computer


def test_equal_ranks_make_no_cohorts():
    assert set(cohorts(pd.Series([30.5] * 60))) == {"middle"}


@pytest.mark.parametrize("share", [0.0, 0.6, -1.0])
def test_a_share_that_would_overlap_is_refused(share):
    for refused in (lambda: cohorts(pd.Series([1.0, 2]), share), lambda: CohortRule(share=share)):
        with pytest.raises(ValueError, match="above 0 and at most 0.5"):
            refused()


def test_rules_by_hand():
    assert by_name(CohortRule("MRD", 0.34)) == {"hard": ["b", "c"], "middle": ["d", "e"], "easy": ["a", "f"], "unscored": []}
    assert by_name(CohortRule("Outcome", 0.17)) == {"hard": ["f"], "middle": list("bcde"), "easy": ["a"], "unscored": []}
    high_is_hard = CohortRule("CUD", limits=(0.5, 0.7))
    assert by_name(high_is_hard) == {"hard": ["a", "b"], "middle": [], "easy": ["c", "d", "e"], "unscored": ["f"]}
    low_is_hard = CohortRule("MRD", limits=(5.0, 2.0))
    assert by_name(low_is_hard) == {"hard": ["b", "c"], "middle": ["d", "e"], "easy": ["a", "f"], "unscored": []}
    by_outcome = CohortRule("Outcome", limits=(5.0, 1.0))
    assert by_name(by_outcome) == {"hard": ["f"], "middle": list("cde"), "easy": ["a", "b"], "unscored": []}


def test_pins_win_over_rank_limits_and_a_missing_score():
    for rule in (CohortRule(easy=("a", "f", "of another set"), hard=("e",)),
                 CohortRule(limits=(0.3, 0.9), easy=("a", "f"), hard=("e",))):
        found = by_name(rule)
        assert {"a", "f"} <= set(found["easy"]) and "e" in found["hard"] and found["unscored"] == []
        assert sorted(sum(found.values(), [])) == list("abcdef")


@pytest.mark.parametrize(("by", "limits"), [
    ("CUD", (0.7, 0.5)), ("CUD", (0.5, 0.5)), ("MRD", (2.0, 5.0)), ("Outcome", (1.0, 5.0)), ("CUD", (float("nan"), 0.5)),
])
def test_limits_that_would_overlap_are_refused(by, limits):
    with pytest.raises(ValueError, match="easy and hard would overlap: expected the limit of easy"):
        CohortRule(by, limits=limits)


def test_a_sample_cannot_be_pinned_to_both_nor_ranked_by_another_score():
    with pytest.raises(ValueError, match="got b pinned to both"):
        CohortRule(easy=("a", "b"), hard=("b",))
    with pytest.raises(ValueError, match="expected one of CUD, MRD, Outcome, got 'luck'"):
        CohortRule("luck")


def test_without_its_score_a_rule_says_what_it_needs():
    with pytest.raises(ValueError, match="cohorts by Outcome need an unlearning run that forgot"):
        assign(TABLE.drop(columns="rank_outcome"), CohortRule("Outcome"))


def test_the_default_rule_is_the_quarters_by_cud_of_the_shipped_scores():
    scores = store.read_scores(store.DATA / "results" / "scores")[0]
    found = assign(scores, CohortRule())
    assert found.tolist() == cohorts(scores["rank_cud"]).tolist() and found.index.tolist() == scores["sample_id"].tolist()
    assert found.value_counts().to_dict() == {"middle": 108, "hard": 54, "easy": 54}
