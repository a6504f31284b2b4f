"""The cohort rule on its way through the address: the editor writes it, every page follows it, and what cannot be is said."""

import pytest
import streamlit as st

from analysis.cohorts import CohortRule
from components import cached, cohort_rule, difficulty_words, state
from tests.planted_study import planted_study


@pytest.mark.parametrize(("rule", "said"), [
    (CohortRule(), "quarters by CUD rank"),
    (CohortRule("Outcome", 0.5), "halves by outcome rank"),
    (CohortRule("MRD", 0.1, hard=("a",)), "hardest and easiest 10% by MRD rank, 1 sample pinned by hand"),
    (CohortRule("CUD", limits=(0.25, 0.75), easy=("a", "b")), "easy up to 0.25 and hard from 0.75 by CUD, 2 samples pinned by hand"),
    (CohortRule("MRD", limits=(0.09, 0.04)), "hard up to 0.04 and easy from 0.09 by MRD"),
])
def test_a_rule_survives_the_address_and_has_words(rule, said, monkeypatch):
    address = {}
    monkeypatch.setattr(state, "keep", lambda name, value: address.update({name: value}))
    monkeypatch.setattr(state, "parameter", lambda name: address.get(name))
    cohort_rule.write(rule)
    assert cohort_rule.current() == rule and cohort_rule.words(rule) == said


def cohorts_of(page) -> dict[str, int]:
    assert not page.exception
    return page.dataframe[0].value["cohort"].value_counts().to_dict()


def address(page) -> dict[str, str]:
    return {name: "".join(value) for name, value in page.query_params.items() if name in state.COHORTS}


@pytest.mark.slow
def test_what_the_editor_makes_is_in_the_address_and_opens_the_same_again(scored_study, open_page):
    page = open_page("difficulty", sample="sample05")
    assert address(page) == {} and cohorts_of(page) == {"middle": 12, "hard": 6, "easy": 6}
    page.segmented_control(key="cohort_by").set_value("MRD").run()
    page.segmented_control(key="cohort_cut").set_value("Score value").run()
    low, high = address(page)["cohort_limits"].split(",")[::-1]
    assert 0 < float(low) < float(high) < 1, "as MRD is hard where it is low, the limit of easy is the higher one"
    page.segmented_control(key="cohort_pin").set_value("hard").run()
    assert address(page)["pinned_hard"] == "sample05"
    seen = page.dataframe[0].value[["question", "cohort"]]
    assert seen.set_index("question")["cohort"]["Question 5?"] == "hard *"
    again = open_page("difficulty", sample="sample05", **address(page))
    assert again.dataframe[0].value[["question", "cohort"]].equals(seen) and address(again) == address(page)
    again.button(key="cohort_unpin").click().run()
    assert "pinned_hard" not in address(again) and "cohort_limits" in address(again)


@pytest.mark.slow
def test_a_limit_moved_over_the_other_pushes_it_on(scored_study, open_page):
    page = open_page("difficulty", cohort_limits="0.3,0.6")
    page.number_input(key="cohort_low").set_value(0.75).run()
    easy, hard = map(float, address(page)["cohort_limits"].split(","))
    assert not page.exception and not page.error and easy == 0.75 < hard < 0.8
    page = open_page("difficulty", cohort_by="MRD", cohort_limits="0.6,0.3")  # low is hard: the lower limit is that of hard
    page.number_input(key="cohort_high").set_value(0.25).run()
    easy, hard = map(float, address(page)["cohort_limits"].split(","))
    assert not page.exception and not page.error and easy == 0.25 > hard > 0.2


@pytest.mark.parametrize(("query", "cause"), [
    ({"cohort_limits": "0.6,0.3"}, "easy and hard would overlap"),
    ({"cohort_limits": "low"}, "expected cohort_percent=25"),
    ({"cohort_percent": "80"}, "at most 0.5"),
    ({"cohort_by": "![x](http://a/b.png)"}, "expected one of CUD, MRD, Outcome"),
    ({"pinned_easy": "sample01", "pinned_hard": "sample01"}, "pinned to both"),
])
def test_an_address_with_no_possible_rule_says_so_and_shows_the_quarters(scored_study, open_page, query, cause):
    page = open_page("difficulty", **query)
    assert cohorts_of(page) == {"middle": 12, "hard": 6, "easy": 6} and address(page) == {}
    assert page.error[0].value == "The cohorts in this address cannot be used. Showing quarters by CUD."
    assert any(cause in text.value for text in page.text)


def test_a_rule_by_outcome_without_runs_falls_back_with_a_notice(scored_study, open_page):
    page = open_page("difficulty", cohort_by="Outcome")
    assert cohorts_of(page) == {"middle": 12, "hard": 6, "easy": 6}
    assert "need an unlearning run" in page.info[0].value and page.segmented_control(key="cohort_by").value == "CUD"
    assert address(page) == {"cohort_by": "CUD"}  # what other captions say of cohorts is read there


def test_outcomes_cohorts_follow_the_rule(made_up_study, monkeypatch):
    planted_study(made_up_study.results)
    monkeypatch.setattr(st, "info", lambda text: pytest.fail(text))
    scores, observed = cached.scores(made_up_study)[0], cached.observed(made_up_study)
    samples = [sample_of(row) for row in scores.itertuples()]
    monkeypatch.setattr(cached, "forget_samples", lambda of: samples)
    rules = {"default": CohortRule(), "outcome": CohortRule("Outcome", 0.1), "pinned": CohortRule(easy=(scores["sample_id"][0],))}
    found = {}
    for name, rule in rules.items():
        monkeypatch.setattr(cohort_rule, "current", lambda rule=rule: rule)
        found[name] = cached.described(made_up_study)["cohort"]
    assert found["default"].value_counts().to_dict() == {"middle": 40, "hard": 20, "easy": 20}
    hardest = observed.rank(method="first").nsmallest(8).index
    assert set(found["outcome"].index[found["outcome"] == "hard"]) == set(hardest)
    differs = found["pinned"] != found["default"]
    assert found["pinned"].iloc[0] == "easy" and differs.sum() <= 1


def sample_of(row):
    from analysis.dataset import Sample

    return Sample(row.sample_id, row.question, row.answer, "forget", int(row.row))


def test_the_takeaway_follows_the_interval_and_the_means():
    import pandas as pd

    cohort = pd.Series({"a": "hard", "b": "hard", "c": "easy", "d": "middle"})
    left = pd.Series({"a": 0.5, "b": 0.3, "c": 0.1, "d": 0.9})

    def said(low, high, rule=None, **changed):
        main = pd.DataFrame([{"predictor": "CUD", "spearman": (low + high) / 2, "low": low, "high": high, "n": 4}])
        given = {"cohort": cohort, "left": left, "main": main, "n_runs": 2} | changed
        return difficulty_words.takeaway(rule or CohortRule(), **given)

    text = said(0.2, 0.6)
    assert text.startswith("**CUD told beforehand which memories resist.** After 2 unlearning runs, the 2 memories called hard keep")
    assert "of 0.40, the 1 called easy 0.10 (rank correlation with the outcome 0.40, 95% interval 0.20 to 0.60, n=4)" in text
    assert "has not told beforehand" in said(-0.2, 0.6) and "points the wrong way" in said(-0.6, -0.2)
    assert "test no score" in said(0.2, 0.6, CohortRule("Outcome"))
    assert "nan" not in said(float("nan"), float("nan")) and "has not told" in said(float("nan"), float("nan"))
    assert "no memory is called easy" in said(0.2, 0.6, cohort=cohort.replace("easy", "middle"))
    assert said(0.2, 0.6, left=None) == difficulty_words.UNTESTED
