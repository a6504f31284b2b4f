"""Easy vs hard on a made-up study whose hard samples do run later."""

import pandas as pd

from components import cached


def test_without_results_it_says_what_to_run(made_up_study, open_page):
    page = open_page("easy_vs_hard")
    assert not page.exception and "Not computed yet" in page.info[0].value


def test_it_opens_on_the_easiest_and_the_hardest(scored_study, open_page):
    page = open_page("easy_vs_hard")
    assert not page.exception
    assert (page.selectbox(key="left_choice").value, page.selectbox(key="right_choice").value) == ("sample00", "sample23")


def test_swap(scored_study, open_page):
    page = open_page("easy_vs_hard")
    page.button[0].click().run()
    assert (page.selectbox(key="left_choice").value, page.selectbox(key="right_choice").value) == ("sample23", "sample00")


def test_cohorts_are_compared_with_n_and_intervals(scored_study, open_page):
    page = open_page("easy_vs_hard")
    table = page.dataframe[-1].value.set_index("Read-out")
    assert "[" in table.loc["Mean layer", "Easy"] and table.loc["Mean layer", "Cliff's delta"] == "+1.00"
    assert any("n = 6 easy and 6 hard" in caption.value for caption in page.caption)
    assert any("mean layer is larger" in element.value for element in page.markdown)


def test_cohorts_by_cud_carry_a_warning_that_those_by_mrd_do_not_need(scored_study, open_page):
    page = open_page("easy_vs_hard")
    assert any("by construction" in caption.value.replace("\n", " ") for caption in page.caption)
    page.segmented_control(key="rank_by").set_value("MRD").run()
    assert not page.exception and not any("in part by construction" in caption.value for caption in page.caption)


def test_larger_cohorts_take_more_samples(scored_study, open_page):
    page = open_page("easy_vs_hard")
    page.slider(key="cohort_share").set_value(50).run()
    assert any("n = 12 easy and 12 hard" in caption.value for caption in page.caption)


def test_with_runs_cohorts_go_by_the_outcome_first(scored_study, open_page, monkeypatch):
    observed = pd.Series(range(1, 25), index=[f"sample{row:02}" for row in range(24)], dtype=float)  # against CUD and MRD
    monkeypatch.setattr(cached, "observed", lambda of: observed)
    page = open_page("easy_vs_hard")
    assert not page.exception and page.segmented_control(key="rank_by").value == "Outcome"
    assert any("Outcome: hardest 1 of 24" in caption.value for caption in page.caption)
    assert any("mean layer is smaller" in element.value for element in page.markdown)
