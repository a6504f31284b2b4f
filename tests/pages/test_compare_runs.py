"""Outcomes, runs side by side: what is selected and in the address, filters, each part, and what is missing."""

import pandas as pd
import pytest

from analysis.dataset import load_samples
from analysis.observed import CONTROL
from components import compare_table, outcome_words
from tests.pages.runs_fixture import made_up_study, open_page, own_folder, texts, write_evaluation, write_run  # noqa: F401


@pytest.fixture(name="three")
def three_runs(study):
    """Two shipped runs of NPO, which differ in their seed, and one's own by RMU, evaluated."""
    for seed in (0, 1):
        write_run(study.results / "runs" / f"npo-seed{seed}", study, "NPO")
        file = study.results / "runs" / f"npo-seed{seed}" / "config.yaml"
        file.write_text(file.read_text().replace("seed: 0", f"seed: {seed}"))
    write_run(own_folder(study, "mine"), study, "RMU", retain_probability=0.75)
    write_evaluation(own_folder(study, "mine"), study)
    return study


def table(at):
    return at.dataframe[-1].value


def test_the_takeaway_names_the_best_with_its_runs_and_its_cohorts(three):
    at = open_page("outcomes")
    assert "One point per run (3)" in texts(at) and "2 are compared" in texts(at), "the picture holds those that are not compared, too"
    said = at.markdown[0].value
    assert said.startswith("**NPO** forgets most while it keeps the rest: it leaves a probability of **0.31**")
    assert "(2 runs, 0.31 to 0.31)" in said and "**0.90** on the retain set" in said
    assert "Hard memories keep 0.803 (0.607 to 1.000, n=2), easy" in said and "n=2), easy ones 0.040" in said


def test_no_run_that_keeps_the_rest_is_called_the_best(study):
    write_run(own_folder(study, "mine"), study, "NPO", retain_probability=0.5)
    at = open_page("outcomes")
    assert not at.exception and "none is called the best" in texts(at)


@pytest.mark.slow
def test_one_run_of_each_method_is_compared_until_runs_are_chosen(three):
    at = open_page("outcomes", view="Settings")
    assert list(at.dataframe[0].value.columns) == ["mine", "npo-seed0"] and "2 are compared" in texts(at)
    at = open_page("outcomes", view="Settings", runs="npo-seed0", run="mine")  # the one in focus is among them
    assert list(at.dataframe[0].value.columns) == ["mine", "npo-seed0"]
    at = open_page("outcomes", view="Settings", runs="npo-seed1,npo-seed0", run="npo-seed0")
    assert list(at.dataframe[0].value.columns) == ["npo-seed1", "npo-seed0"]
    assert list(at.dataframe[0].value.index) == ["seed"]  # all else agrees
    at.toggle(key="settings_all").set_value(True).run()
    assert "method" in at.dataframe[0].value.index and not at.exception


def test_runs_that_are_gone_are_said_to_be_gone(three):
    at = open_page("outcomes", runs="gone,npo-seed1,lost")
    assert not at.exception and "2 of the runs named in this address" in at.warning[0].value and "1 is compared" in texts(at)


@pytest.mark.slow
def test_no_more_than_ten_are_compared(study):
    names = [f"run{i:02}" for i in range(12)]
    for name in names:
        write_run(own_folder(study, name), study, "NPO")
    at = open_page("outcomes", runs=",".join(names))
    assert not at.exception and "10 are compared" in texts(at)


@pytest.mark.slow
def test_filters_sorting_and_text_narrow_the_table(three):
    at = open_page("outcomes", runs_find="npo seed1")
    assert list(table(at)["Run"]) == ["npo-seed1"] and "hidden by the filters" in texts(at)
    assert list(table(open_page("outcomes", runs_seed="0"))["Run"]) == ["npo-seed0", "mine"]  # which did not keep the rest
    assert list(table(open_page("outcomes", runs_seed="0", runs_sort="Name"))["Run"]) == ["mine", "npo-seed0"]
    assert list(table(open_page("outcomes", runs_origin="yours"))["Run"]) == ["mine"]
    assert table(open_page("outcomes", runs_sort="Retain probability"))["Run"].iloc[-1] == "mine"
    at = open_page("outcomes", runs_find="nothing like it")
    assert not at.exception and "No run fits these filters" in texts(at)


@pytest.mark.slow
def test_differences_only_hides_what_all_share(three):
    shown = list(table(open_page("outcomes", runs_differences="true")))
    assert {"Run", "Method", "Seed", "Retain prob.", "Origin"} == set(shown)


@pytest.mark.slow
def test_means_over_seeds_say_how_many_and_how_far(three):
    rows = table(open_page("outcomes", runs_means="true")).set_index("Method")
    assert rows["Runs"].to_dict() == {"RMU": 1, "NPO": 2}
    assert rows.loc["NPO", "Forget prob. "].endswith("± 0.000") and "±" not in rows.loc["RMU", "Forget prob. "]


@pytest.mark.slow
def test_every_memory_in_every_run_as_table_and_in_words(three):
    sample = load_samples(three.forget)[5]
    at = open_page("outcomes", view="Memories", runs="mine,npo-seed0", sample=sample.id)
    said = "**3 of 8** memories stay in all 2 runs selected (2 of 2 hard ones, 0 of 2 easy ones); **5** go in all 2"
    assert not at.exception and said in texts(at)
    matrix = at.dataframe[0].value
    assert list(matrix.columns) == ["Question", "Cohort", "mine", "npo-seed0"] and matrix.mine.is_monotonic_decreasing
    assert at.selectbox(key="outcomes_lines_choice").value == sample.id
    at.segmented_control(key="order").set_value("Outcome").run()
    assert not at.exception and at.dataframe[0].value.mine.is_monotonic_decreasing


@pytest.mark.slow
def test_answers_and_durability_say_what_they_need(three):
    at = open_page("outcomes", view="Answers", runs="mine,npo-seed0")
    said = [text.value for text in at.text]
    assert r"**=Ana 9 \<b\>**" in texts(at) and "not computed: needs an evaluation of this run" in said and not at.exception
    at = open_page("outcomes", view="Durability", runs="mine,npo-seed0")
    assert not at.exception and "needs an evaluation with durability" in texts(at) and "npo-seed0" in texts(at)
    write_evaluation(own_folder(three, "mine"), three, {"forget_Q_A_Prob": 0.1, "relearn_5_Q_A_Prob": 0.4, "int4_Q_A_Prob": 0.2})
    at = open_page("outcomes", view="Durability", runs="mine")
    assert not at.exception and list(at.dataframe[0].value.loc["mine"]) == [0.1, 0.2, 0.1, 0.4]


@pytest.mark.slow
def test_a_run_of_another_forget_set_is_said_to_be_one(three):
    file = own_folder(three, "mine") / "samples.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *(f"other{i}{line[12:]}" for i, line in enumerate(lines[1:]))]) + "\n")
    for query in ({"view": "One run", "run": "mine"}, {"view": "Memories"}, {"view": "Answers", "runs": "mine"}, {}):
        at = open_page("outcomes", **query)
        assert not at.exception
        assert query.get("view") not in ("One run", "Memories") or any("forget set" in w.value for w in at.warning)


def test_the_words_of_a_single_memory_have_no_interval():
    row = outcome_words.pd.Series({"probability": 0.5, "probability_low": float("nan"), "probability_high": float("nan"), "n": 1})
    assert outcome_words._interval(row) == "0.500 (n=1)"


@pytest.mark.slow
def test_a_run_may_be_called_as_a_column_is(study):
    write_run(own_folder(study, "cohort"), study, "NPO")
    for query in ({"view": "Memories"}, {"view": "Settings"}, {"view": "Answers"}, {"view": "One run"}, {"view": "Evaluation"}):
        assert not open_page("outcomes", **query).exception


def test_best_first_puts_the_control_and_runs_that_lost_the_rest_last():
    frame = pd.DataFrame({"name": ["control", "lost", "second", "best"], "method": [CONTROL, "NPO", "NPO", "RMU"],
                          "forget": [0.0, 0.01, 0.3, 0.1], "retain": [0.9, 0.5, 0.9, 0.9]})
    frame = frame.assign(**dict.fromkeys(("sampling", "mask", "seed", "origin"), "x"))
    assert list(compare_table.filtered(frame).name) == ["best", "second", "control", "lost"]
