"""The Difficulty page on planted studies: what it says of the scores with and without validity.csv, and what it says is missing."""

import pandas as pd
import pytest

from analysis import atomic, runs, store, validity
from analysis.observed import read_alone
from analysis.protocols import protocol_part
from components import palette
from tests.planted_study import planted_study


@pytest.fixture
def planted(made_up_study):
    planted_study(made_up_study.results)
    return made_up_study


PREDICTION = {"show": "Prediction of the outcome"}


def said(page) -> str:
    assert not page.exception
    return "\n".join(str(e.value) for kind in ("markdown", "caption", "info", "error", "text", "code") for e in page.get(kind))


def test_without_validity_csv_the_main_part_is_computed_and_the_command_for_the_rest_is_offered(planted, open_page):
    page = open_page("difficulty", stable="true", **PREDICTION)
    text = said(page)
    assert "**CUD foretells which memories resist**" in text
    assert "**CUD does better than every baseline**" in text
    assert "harder samples are deeper by mean depth" in text
    assert "**MRD cannot be told from chance**" in text
    assert "**CUD told beforehand which memories resist.** After" in text
    assert "other methods, similarities, circuit sizes" in text
    assert f"analysis validity --scores {planted.results}/scores" in text
    assert str(planted.results / "runs" / "npo") in text
    assert page.dataframe[0].value["predictor"].tolist()[:3] == ["CUD", "MRD", "Mean depth of |score|"]


@pytest.mark.slow
def test_with_validity_csv_of_these_scores_and_runs_stability_is_shown(planted, open_page):
    results = planted.results
    found = [runs.read_run(folder) for folder in sorted((results / "runs").iterdir())]
    main = validity.main_part(store.read_scores(results / "scores")[0], store.read_circuits(results / "circuits")[0], found)
    kinds = ["method", "similarity", "seed", "seed", "control", "control"]
    rest = main.iloc[[0] * len(kinds)].assign(analysis=kinds, setting=[f"setting {i}" for i in range(6)], target="<b>NPO")
    table = pd.concat([main, rest]).assign(inputs=validity.inputs_digest(results / "scores", results / "circuits", found))
    atomic.write_csv(results / "validity.csv", table)
    page = open_page("difficulty", stable="true", **PREDICTION)
    text = said(page)
    assert "other methods, similarities, circuit sizes" not in text and "updates until forgotten" not in text
    assert "analysis alone" in text and "--method NPO --method RMU --preset default" in text
    figure = page.get("plotly_chart")[-1].proto.spec
    method = palette.plain("outcome of <b>NPO alone")
    for label in (method, "setting 1", "2 random splits*", "2 draws of random anchors (control)", "(best baseline)"):
        assert label in figure


@pytest.mark.slow
def test_the_protocols_are_shown_and_count_only_with_the_present_table_of_samples_alone(planted, open_page):
    results = planted.results
    found = [runs.read_run(folder) for folder in sorted((results / "runs").iterdir())]
    scores, circuits = store.read_scores(results / "scores")[0], store.read_circuits(results / "circuits")[0]
    taken = pd.DataFrame({"sample_id": scores["sample_id"], "method": "NPO", "updates": scores["row"] + 1, "forgotten": True})
    atomic.write_csv(results / "alone" / "alone.csv", taken.assign(crossing=scores["row"] + 0.5))
    parts = [validity.main_part(scores, circuits, found), protocol_part(scores, found, [read_alone(results / "alone")])]
    digest = validity.inputs_digest(results / "scores", results / "circuits", found, [results / "alone"])
    atomic.write_csv(results / "validity.csv", pd.concat(parts).assign(inputs=digest))
    page = open_page("difficulty", stable="true", **PREDICTION)
    assert "updates until forgotten, unlearned alone: " in said(page) and "analysis alone" not in said(page)
    figure = page.get("plotly_chart")[-1].proto.spec
    assert "CUD and alone updates" in figure and "MRD and joint updates" in figure and "Token frequency and" not in figure
    assert "Base NLL and alone updates" in figure  # what a skeptic would hold against them
    atomic.write_csv(results / "alone" / "alone.csv", taken.assign(crossing=scores["row"] + 0.25))
    text = said(open_page("difficulty", stable="true", **PREDICTION))
    assert "updates until forgotten" not in text and f"--alone {results}/alone" in text


@pytest.mark.slow
def test_a_validity_csv_of_other_runs_is_not_shown(planted, open_page):
    rows = pd.DataFrame(0.5, index=range(2), columns=validity.COLUMNS)
    rows = rows.assign(analysis=["main", "size"], predictor="CUD", setting="s", target="t", inputs="0" * 16)
    atomic.write_csv(planted.results / "validity.csv", rows)
    assert "analysis validity --scores" in said(open_page("difficulty", stable="true", **PREDICTION))


@pytest.mark.slow
def test_answers_of_one_length_are_said_to_predict_nothing(planted, open_page):
    folder = planted.results / "scores"
    atomic.write_csv(folder / "scores.csv", store.read_scores(folder)[0].assign(n_answer_tokens=5))
    page = open_page("difficulty", **PREDICTION)
    assert "**CUD does better than every baseline**" in said(page)
    assert page.dataframe[0].value.set_index("predictor").loc["Answer length", "Spearman"] == "does not vary"
    assert "Answer length (does not vary)" in page.get("plotly_chart")[-1].proto.spec


def test_without_runs_it_says_what_is_needed(planted, open_page):
    atomic.remove(planted.results / "runs")
    text = said(open_page("difficulty", **PREDICTION))
    assert "needs at least one unlearning run of this study that forgot" in text and "**Not put to the test yet.**" in text
    assert "foretells" not in text


@pytest.mark.slow
def test_runs_on_other_samples_say_so(planted, open_page):
    file = planted.results / "scores"
    atomic.write_csv(file / "scores.csv", store.read_scores(file)[0].iloc[:6])
    assert "at least 8 of them; 6 are in both" in said(open_page("difficulty", **PREDICTION))
