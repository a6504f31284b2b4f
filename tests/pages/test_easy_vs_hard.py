"""Easy vs hard on a made-up study whose hard samples do run later, in its three modes."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st

from analysis import atomic, jobs, runs, store, studies
from components import cached, cached_pairs, demo_mode
from tests.made_circuits import edge_names

COHORTS, RUN = {"compare": "Two cohorts"}, {"compare": "Before and after a run"}


def texts(page) -> str:
    kinds = ("markdown", "caption", "info", "warning", "error", "code", "text")
    return "\n".join(str(element.value).replace("\n", " ") for kind in kinds for element in page.get(kind))


def sides(page) -> tuple[str, str]:
    return page.selectbox(key="left_choice").value, page.selectbox(key="right_choice").value


def test_without_results_it_says_what_to_run(made_up_study, open_page):
    page = open_page("easy_vs_hard")
    assert not page.exception and "Not computed yet" in page.info[0].value


def test_it_opens_on_the_easiest_and_the_hardest_and_says_what_they_differ_in(scored_study, open_page):
    page = open_page("easy_vs_hard")
    assert not page.exception and sides(page) == ("sample00", "sample23")
    assert "The circuit on the right runs later" in texts(page)
    table = page.dataframe[0].value
    left, right = (edge_names(store.read_circuits(scored_study.results / "circuits")[0][name]) for name in sides(page))
    words = {"only left": left - right, "only right": right - left, "both": left & right}
    assert {name: set(rows["edge"]) for name, rows in table.groupby("where")} == {name: edges for name, edges in words.items() if edges}
    assert f"They share {len(left & right)} of {len(left | right)} edges, which carry" in texts(page)
    only = open_page("easy_vs_hard", pair_groups="right").dataframe[0].value
    assert set(only["edge"]) == right - left


@pytest.mark.slow
def test_swap(scored_study, open_page):
    page = open_page("easy_vs_hard")
    next(button for button in page.button if button.label == "Swap").click().run()
    assert sides(page) == ("sample23", "sample00")


@pytest.mark.slow
@pytest.mark.parametrize("query, expected", [
    ({"sample": "sample05"}, ("sample05", "sample23")), ({"sample": "sample20"}, ("sample00", "sample20")),
    ({"sample": "sample05", "left": "sample01"}, ("sample01", "sample23")),
    ({"left": "sample07", "right": "sample03"}, ("sample07", "sample03")),
])
def test_a_sample_picked_elsewhere_takes_its_side_unless_sides_are_named(scored_study, open_page, query, expected):
    page = open_page("easy_vs_hard", **query)
    assert not page.exception and sides(page) == expected


@pytest.mark.slow
def test_the_card_of_a_side_leaves_both_sides_as_they_are(scored_study, open_page):
    page = open_page("easy_vs_hard", sample="sample05")
    page.button(key="card_right").click().run()
    assert not page.exception and sides(page) == ("sample05", "sample23") and "sample23" in page.query_params["sample"]
    page.selectbox(key="left_choice").set_value("sample20").run()  # picked on all pages, though it is one of the hard
    assert not page.exception and sides(page) == ("sample20", "sample23") and "sample20" in page.query_params["sample"]


@pytest.mark.slow
def test_the_same_sample_twice_is_said(scored_study, open_page):
    page = open_page("easy_vs_hard", left="sample07", right="sample07")
    assert not page.exception and "The same sample is on both sides" in page.info[0].value


def test_cohorts_are_compared_with_n_intervals_and_the_edges_that_differ(scored_study, open_page):
    page = open_page("easy_vs_hard", **COHORTS)
    assert not page.exception
    table = page.dataframe[-1].value.set_index("Read-out")
    assert re.fullmatch(r"0\.\d\d \(0\.\d\d to 0\.\d\d\)", table.loc["Mean layer", "Easy"])
    assert table.loc["Mean layer", "Cliff's delta"] == "+1.00"
    said = texts(page)
    assert "n = 6 easy and 6 hard" in said and "mean layer is larger" in said and "edges tested" in said
    assert "Random cohorts of the same sizes" in said and "about one in twenty is expected to be a false alarm" in said


@pytest.mark.slow
def test_any_two_cohorts_from_the_address(scored_study, open_page):
    page = open_page("easy_vs_hard", **COHORTS, cohort_a="Random", cohort_b="Middle")
    assert not page.exception and "n = 6 random and 12 middle samples" in texts(page)
    next(button for button in page.button if button.label == "Swap").click().run()
    assert not page.exception and "n = 12 middle and 6 random samples" in texts(page)
    page.segmented_control(key="cohort_a").set_value("random").run()
    assert "The same cohort is on both sides" in texts(page)


@pytest.mark.slow
def test_samples_pinned_by_hand_are_cohorts_of_their_own(scored_study, open_page):
    page = open_page("easy_vs_hard", **COHORTS, pinned_easy="sample01,sample02,sample20", cohort_a="Pinned easy", cohort_b="Easy")
    assert not page.exception and "n = 3 pinned easy and 4 easy samples" in texts(page)
    page = open_page("easy_vs_hard", **COHORTS, cohort_a="Pinned easy")
    assert not page.exception and "n = 6 easy and 6 hard samples" in texts(page)


@pytest.mark.slow
def test_a_cohort_of_one_is_too_small(scored_study, open_page):
    page = open_page("easy_vs_hard", **COHORTS, cohort_by="CUD", cohort_limits="0.03,0.95")
    assert not page.exception and "The cohort easy has 1 sample: to compare takes 2 or more" in texts(page)


@pytest.mark.slow
def test_cohorts_by_cud_carry_a_warning_that_those_by_mrd_do_not_need(scored_study, open_page):
    assert "by construction: compare with MRD" in texts(open_page("easy_vs_hard", **COHORTS))
    assert "by construction: compare with MRD" not in texts(open_page("easy_vs_hard", **COHORTS, cohort_by="MRD"))


@pytest.mark.slow
def test_larger_cohorts_take_more_samples(scored_study, open_page):
    assert "n = 12 easy and 12 hard" in texts(open_page("easy_vs_hard", **COHORTS, cohort_percent="50"))


@pytest.mark.slow
def test_with_runs_cohorts_go_by_the_outcome_first(scored_study, open_page, monkeypatch):
    observed = pd.Series(range(1, 25), index=[f"sample{row:02}" for row in range(24)], dtype=float)  # against CUD and MRD
    monkeypatch.setattr(cached, "observed", lambda of: observed)
    page = open_page("easy_vs_hard", **COHORTS)
    assert not page.exception and "quarters by outcome rank" in texts(page) and "mean layer is smaller" in texts(page)


@pytest.fixture
def run(scored_study, monkeypatch) -> Path:
    """A finished run of the made-up study, without weights and circuits."""
    monkeypatch.setattr(cached, "observed", lambda of: None)
    folder = runs.runs_folder(scored_study) / "npo"
    ids = [f"sample{row:02}" for row in range(24)]
    frame = pd.DataFrame({"sample_id": ids, "nll_after": 3.0, "probability_before": 1.0, "probability_after": 0.05})
    atomic.write_csv(folder / "samples.csv", frame.assign(forgotten_epoch=1))
    atomic.write_bytes(folder / "config.yaml", b"method: NPO\nseed: 4\nn_epochs: 2\n")
    atomic.write_json(folder / "manifest.json", {"summary": {"retain_probability": 0.9}})
    return folder


def write_after(study: studies.Study, run: Path, **other: str) -> None:
    """After the run every sample has the circuit of the sample in the row before it, that of the model's other weights."""
    before, config = store.read_circuits(study.results / "circuits")
    names = list(before)
    moved = [replace(before[source], sample_id=name, fingerprint="a" * 64) for name, source in zip(names[1:], names, strict=False)]
    store.write_circuits(run / "circuits", moved, config | other)


@pytest.mark.slow
def test_before_and_after_needs_a_run(scored_study, open_page):
    page = open_page("easy_vs_hard", **RUN)
    assert not page.exception and "Not computed yet: an unlearning run" in texts(page) and "python -m analysis unlearn" in texts(page)


@pytest.mark.slow
def test_a_run_without_weights_or_circuits_says_how_to_get_them(run, open_page, monkeypatch):
    links = {}
    monkeypatch.setattr(st, "page_link", lambda page, label, query_params: links.__setitem__(label, query_params))
    page = open_page("easy_vs_hard", **RUN)
    said = texts(page)
    assert not page.exception and "needs the run's weights" in said
    assert "unlearn --model nowhere" in said and "--method NPO --preset default" in said and "--seed 4" in said
    assert "python -m analysis circuits --model" in said and "npo-again/model" in said and "--ablation zero" in said
    assert links["Run it again here: the form, filled with its settings"]["like"] == "npo"


@pytest.mark.slow
def test_a_sample_before_and_after_and_all_of_them(scored_study, run, open_page):
    write_after(scored_study, run)
    assert open_page("easy_vs_hard", **RUN).selectbox(key="sample_choice").value == "sample23"
    page = open_page("easy_vs_hard", **RUN, sample="sample12")
    said = texts(page)
    assert not page.exception and "The circuit after unlearning runs later" in said and "% before. They share" in said
    assert "23 of 24 samples" in said
    assert "of their edges in common" in said and "(12 easy" not in said and "(5 easy and 6 hard)" in said
    assert page.dataframe[-1].value["Read-out"].tolist()[0] == "Mean layer"
    assert "(11 easy and 12 hard)" in texts(open_page("easy_vs_hard", **RUN, cohort_percent="50"))


@pytest.mark.slow
def test_the_run_of_the_address_is_compared_though_another_is_ready(scored_study, run, open_page):
    write_after(scored_study, run)
    shutil.copytree(run, run.with_name("other"), ignore=shutil.ignore_patterns("circuits"))
    assert open_page("easy_vs_hard", **RUN).selectbox(key="after_run_choice").value == "npo"
    page = open_page("easy_vs_hard", **RUN, after_run="other")
    assert not page.exception and page.selectbox(key="after_run_choice").value == "other" and "needs the run's weights" in texts(page)


@pytest.mark.slow
def test_any_two_runs_are_compared(scored_study, run, open_page):
    write_after(scored_study, run)
    shutil.copytree(run, run.with_name("other"))
    page = open_page("easy_vs_hard", **RUN, after_run="npo", after_base="other")
    said = texts(page)
    assert not page.exception and "**Left: after other**" in said and "**Right: after npo**" in said
    assert "They share" in said and "after the two runs have 100% of their edges in common** (mean, n = 23)" in said
    assert [c for c in page.dataframe[0].value if c in ("left", "right", "before")] == ["left", "right"]
    page = open_page("easy_vs_hard", **RUN, after_run="npo", after_base="npo")  # with itself: with the model before
    assert not page.exception and "**Before**" in texts(page)


@pytest.mark.slow
def test_a_sample_without_a_circuit_after_the_run_says_so_and_offers_another(scored_study, run, open_page):
    write_after(scored_study, run)
    page = open_page("easy_vs_hard", **RUN, sample="sample00")
    assert not page.exception and "needs the run's weights" in texts(page)
    next(button for button in page.button if button.label == "Show a sample that has one").click().run()
    assert not page.exception and page.selectbox(key="sample_choice").value == "sample01" and "They share" in texts(page)


@pytest.mark.slow
def test_circuits_of_other_settings_are_refused_in_words(scored_study, run, open_page):
    write_after(scored_study, run, ablation="mean")
    page = open_page("easy_vs_hard", **RUN)
    assert not page.exception and "cannot be compared" in texts(page) and "ablation mean in place of zero" in texts(page)


@pytest.mark.slow
def test_with_weights_the_circuit_is_computed_there_and_then(scored_study, run, open_page, monkeypatch):
    atomic.write_json(run / "model" / "config.json", {})
    before, _ = store.read_circuits(scored_study.results / "circuits")
    asked = []

    def computed(of, folder, sample):
        asked.append((folder, sample))
        return replace(before["sample00"], sample_id=sample, fingerprint="a" * 64)

    monkeypatch.setattr(cached_pairs, "circuit_after", computed)
    page = open_page("easy_vs_hard", **RUN, sample="sample11")
    assert not page.exception and asked == [(run, "sample11")] and "They share" in texts(page)
    submitted = []
    monkeypatch.setattr(jobs, "submit", lambda *job: submitted.append(job))
    page.button(key="after_all").click().run()
    asked.clear()
    ((kind, arguments, output),) = submitted
    assert kind == "circuits" and output == run / "circuits" and arguments[-1] == str(output)
    assert arguments[:3] == ["circuits", "--model", str(run / "model")] and "--ablation" in arguments
    monkeypatch.setenv("LETHE_DEMO", "1")
    open_page("easy_vs_hard", **RUN, sample="sample12")
    assert asked == [(run, "sample12")]  # in a demo as well, as the graph is small
    monkeypatch.setattr(demo_mode, "LIVE_EDGES", 10)
    page = open_page("easy_vs_hard", **RUN, sample="sample13")
    assert not page.exception and len(asked) == 1 and "Read-only demo: not measured here" in texts(page)


@pytest.mark.slow
def test_weights_that_cannot_be_loaded_are_said_to_be_so(run, open_page):
    atomic.write_json(run / "model" / "config.json", {})
    page = open_page("easy_vs_hard", **RUN)
    assert not page.exception and "could not be computed" in texts(page)
