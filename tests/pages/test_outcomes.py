"""The Outcomes page: the empty state, the numbers of a run, and the selected memory."""

import pandas as pd
import pytest
import streamlit as st

from analysis import atomic
from analysis.dataset import load_samples
from components import run_tables, state
from tests.pages.runs_fixture import made_up_study, open_page, own_folder, texts, write_evaluation, write_run  # noqa: F401


def test_without_runs_it_says_how_to_get_one(study):
    at = open_page("outcomes")
    assert "an unlearning run of this study" in at.info[0].value and "python -m analysis unlearn" in at.code[0].value
    assert not at.exception


def test_runs_are_listed_and_the_one_in_the_address_is_shown(study):
    write_run(study.results / "runs" / "graddiff", study, "GradDiff")
    write_run(own_folder(study, "mine"), study, "NPO")
    at = open_page("outcomes", run="mine")
    assert not at.exception
    assert list(at.dataframe[0].value["Run"]) == ["graddiff", "mine"]
    assert list(at.dataframe[0].value["Origin"]) == ["shipped", "yours"]
    at = open_page("outcomes", run="mine", view="One run")
    assert not at.exception
    assert {m.label: m.value for m in at.metric} == {
        "Memories forgotten": "5 of 8", "Forget probability": "0.31", "Retain probability": "0.90", "Time": "30 s",
    }
    assert "mine: every memory before and after" in texts(at)


def test_runs_are_filtered_by_method(study):
    write_run(study.results / "runs" / "graddiff", study, "GradDiff")
    write_run(own_folder(study, "mine"), study, "NPO")
    at = open_page("outcomes", run="mine")
    at.multiselect(key="runs_method").set_value(["NPO"]).run()
    assert list(at.dataframe[0].value["Run"]) == ["mine"]


def test_memories_carry_cohort_outcome_and_rank(study):
    write_run(own_folder(study, "mine"), study, "NPO")
    at = open_page("outcomes", view="One run")
    table = at.dataframe[0].value
    assert list(table.cohort) == ["hard"] * 2 + ["middle"] * 4 + ["easy"] * 2
    assert list(table.observed_rank) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert table.forgotten_epoch.isna().tolist() == [True] * 3 + [False] * 5
    at.segmented_control(key="outcomes_cohort").set_value("easy").run()
    assert list(at.dataframe[0].value.cohort) == ["easy"] * 2


def test_the_selected_memory_is_shown_with_a_way_to_its_circuit(study, monkeypatch):
    links = []
    monkeypatch.setattr(st, "page_link", lambda page, label, query_params: links.append((page, query_params)))
    write_run(own_folder(study, "mine"), study, "NPO")
    chosen = load_samples(study.forget)[3]
    at = open_page("outcomes", view="One run", sample=chosen.id)
    before_and_after = {"sample": chosen.id, "compare": "Before and after a run", "after_run": "mine"}
    assert ("pages/easy_vs_hard.py", before_and_after) in links
    said = [text.value for text in at.text]
    assert chosen.question in said and chosen.answer in said and "not computed: needs an evaluation of this run" in said
    assert not at.exception


def test_unscored_study_still_shows_its_outcomes(study):
    (study.results / "scores" / "scores.csv").unlink()
    write_run(own_folder(study, "mine"), study, "NPO")
    at = open_page("outcomes", view="One run")
    assert set(at.dataframe[0].value.cohort) == {"unscored"} and "rank_cud" not in at.dataframe[0].value
    assert not at.exception


def test_an_unknown_run_is_said_to_be_unknown(study):
    write_run(own_folder(study, "mine"), study, "NPO")
    at = open_page("outcomes", run="gone", view="One run")
    assert "not in this workspace" in at.warning[0].value and at.metric[0].value == "5 of 8"


def test_without_a_run_that_forgot_there_is_no_observed_rank(study):
    write_run(own_folder(study, "mine"), study, "NPO")
    file = own_folder(study, "mine") / "samples.csv"
    atomic.write_csv(file, pd.read_csv(file).assign(probability_after=0.9))
    at = open_page("outcomes", view="One run")
    assert not at.exception and "0 of 1 runs count" in texts(at)
    assert "observed_rank" not in at.dataframe[0].value


@pytest.mark.slow
def test_a_methods_name_is_text_not_markup(study):
    write_run(own_folder(study, "mine"), study, "'![x](http://a/b.png)'")
    write_evaluation(own_folder(study, "mine"), study, {"![x](http://a/b.png)": "not computed: ![x](http://a/b.png)"})
    views = ("Trade-off", "Memories", "Answers", "Durability", "Settings", "One run", "Evaluation")
    for page, query in [*(("outcomes", {"view": view}) for view in views), ("unlearn", {}), ("forget_set", {})]:
        at = open_page(page, **query)
        assert not at.exception and "![x](" not in texts(at).replace("--method '![x](", "")  # a command is shown as code


def test_the_sampling_is_a_column_only_where_any_differs(study):
    write_run(own_folder(study, "mine"), study, "NPO")
    assert "Sampling" not in open_page("outcomes").dataframe[0].value
    write_run(own_folder(study, "other"), study, "NPO", "sampling: CGA\nsampling_args: {refresh: 1}\n")
    assert list(open_page("outcomes").dataframe[0].value["Sampling"]) == ["uniform", "cga"]


@pytest.mark.slow
def test_the_mask_is_a_column_only_where_a_run_had_one_and_is_said_of_that_run(study):
    write_run(own_folder(study, "mine"), study, "NPO", "mask: null\n")
    assert "under the mask" not in texts(open_page("outcomes", view="One run"))
    assert "Mask" not in open_page("outcomes").dataframe[0].value
    write_run(own_folder(study, "other"), study, "NPO", "mask: 0123456789abcdef\nwhat_if: random\nsampling: CGA\n")
    write_run(own_folder(study, "still"), study, "NPO", "mask: 0123456789abcdef\nwhat_if: null\n")
    assert "under the mask random" in texts(open_page("outcomes", run="other", view="One run"))
    page = open_page("outcomes", run="other")
    assert list(page.dataframe[0].value["Mask"]) == ["none", "random", "file"]
    assert list(page.dataframe[0].value.columns)[5:8] == ["Sampling", "Mask", "Seed"]


def test_a_run_that_stopped_early_says_so(study):
    write_run(own_folder(study, "mine"), study, "NPO", "retain_floor: 0.85\n", stopped_early=True, stopped_step=14, kept_step=12)
    said = "Stopped early at step 14: the retain probability fell below the retain floor of 0.85. The run has the weights of step 12"
    assert said in texts(open_page("outcomes", view="One run"))


@pytest.mark.slow
def test_the_control_that_destroys_is_not_the_run_shown_first(study):
    write_run(study.results / "runs" / "gradascent", study, "GradAscent")
    assert "gradascent: every memory before and after" in texts(open_page("outcomes", view="One run"))  # the only one there is
    write_run(study.results / "runs" / "npo", study, "NPO")
    assert "npo: every memory before and after" in texts(open_page("outcomes", view="One run"))


def test_a_row_opens_the_card_of_its_memory(monkeypatch):
    drawn, done = {}, []
    monkeypatch.setattr(st, "dataframe", lambda table, **given: drawn.update(given))
    monkeypatch.setattr(state, "select_sample", done.append)
    monkeypatch.setattr(state, "open_card", lambda: done.append("card"))
    run_tables.choose_sample(pd.DataFrame({"question": ["a", "b"]}, index=["s0", "s1"]), "s0", key="table")
    for row in (None, 1):
        monkeypatch.setattr(state, "selected_row", {"table": row}.get)
        drawn["on_select"]()
    assert done == ["s1", "card"]
