"""Outcomes: the evaluation of runs beside each other, generations, and the comparison of samplings, filled, empty and broken."""

import pytest

from analysis import jobs
from analysis.dataset import load_samples
from components import evaluation_panel
from tests.pages.runs_fixture import (  # noqa: F401
    made_up_study,
    open_page,
    own_folder,
    texts,
    write_curricula,
    write_evaluation,
    write_run,
)


@pytest.fixture(name="mine")
def evaluated_run(study):
    """The folder of a finished, evaluated run of one's own."""
    folder = own_folder(study, "mine")
    write_run(folder, study, "NPO")
    write_evaluation(folder, study)
    return folder


def frame(at, column: str):
    return next(d.value for d in at.dataframe if column in d.value)


def test_figures_stand_beside_the_model_before_with_their_direction(study, mine):
    at = open_page("outcomes", view="Evaluation")
    rows = frame(at, "Direction").set_index("Metric")
    assert not at.exception and len(rows) == 5
    probability = rows.loc["Forget: answer probability"]
    assert (probability["Group"], probability["Before"], probability["mine"]) == ("Memorisation", "1.000", "0.250")
    assert probability["Direction"] == "lower = more forgotten"
    assert rows.loc["Membership: loss (AUROC)", "Direction"] == "0.5 = not told apart"
    assert rows.loc["Retain: answer probability", "Direction"] == "higher = more kept"


def test_what_was_not_computed_says_what_it_needs_and_is_no_row(study, mine):
    at = open_page("outcomes", view="Evaluation")
    assert "needs columns paraphrased\\_answer and perturbed\\_answer" in texts(at)
    assert "Model utility (harmonic mean)" not in set(frame(at, "Direction")["Metric"])


def test_another_evaluated_run_can_stand_beside(study, mine):
    other = own_folder(study, "other")
    write_run(other, study, "RMU")
    write_evaluation(other, study, {"forget_Q_A_Prob": 0.125})
    write_run(own_folder(study, "third"), study, "RMU")
    at = open_page("outcomes", view="Evaluation", run="mine")
    assert at.multiselect(key="evaluation_runs").options == ["other"]
    at.multiselect(key="evaluation_runs").set_value(["other"]).run()
    rows = frame(at, "Direction").set_index("Metric")
    assert list(rows.loc["Forget: answer probability", ["mine", "other"]]) == ["0.250", "0.125"]
    assert rows.loc["Membership: loss (AUROC)", "other"] == "not computed"


def test_no_more_than_four_runs_stand_side_by_side(study, mine):
    for name in "abcd":
        write_run(own_folder(study, name), study, "RMU")
        write_evaluation(own_folder(study, name), study)
    assert open_page("outcomes", view="Evaluation", run="mine").multiselect(key="evaluation_runs").proto.max_selections == 3


def test_generations_stand_beside_the_answers_as_text(study, mine):
    chosen = load_samples(study.forget)[3]
    at = open_page("outcomes", view="One run", sample=chosen.id)
    assert chosen.answer == "Ana 3" and r"~~Ana 3~~ **=Ana 9 \<b\>**" in texts(at)
    assert set(frame(at, "says")["says"]) == {"=Ana 9 <b>"} and "<b>" not in "".join(m.value for m in at.markdown)


@pytest.mark.slow
@pytest.mark.parametrize("content", ["{", "[1]", ""])
def test_a_broken_evaluation_is_an_error_not_a_traceback(study, mine, content):
    (mine / "evaluation" / "LETHE_SUMMARY.json").write_text(content)
    at = open_page("outcomes", view="Evaluation")
    assert not at.exception and at.error[0].value == "An evaluation cannot be read."
    at = open_page("outcomes", view="One run")
    assert not at.exception and "says" not in frame(at, "probability_after")


def test_missing_columns_leave_the_figures(study, mine):
    (mine / "evaluation" / "evaluation.csv").write_text("sample_id\na\n")
    at = open_page("outcomes", view="Evaluation")
    assert not at.exception and len(frame(at, "Direction")) == 5
    at = open_page("outcomes", view="One run")
    assert not at.exception and "says" not in frame(at, "probability_after")


@pytest.mark.slow
def test_a_run_with_weights_is_evaluated_by_a_job_that_the_page_leads_to(study, monkeypatch):
    write_run(own_folder(study, "mine"), study, "NPO")
    assert not any(b.key == "evaluate" for b in open_page("outcomes", view="Evaluation").button)  # no weights
    (own_folder(study, "mine") / "model").mkdir()
    monkeypatch.setenv("LETHE_DEMO", "1")
    demo = open_page("outcomes", view="Evaluation")
    assert "starting evaluations is switched off" in texts(demo) and not any(b.key == "evaluate" for b in demo.button)
    monkeypatch.delenv("LETHE_DEMO")
    at = open_page("outcomes", view="Evaluation")
    at.button(key="evaluate").click().run()
    job = jobs.jobs()[0]
    assert not at.exception and job.kind == "evaluate" and job.arguments[0] == "evaluate"
    given = dict(zip(job.arguments[1::2], job.arguments[2::2], strict=True))
    assert given["--model"].endswith("mine/model") and given["--output"].endswith("mine/evaluation")
    assert set(given) == {"--model", "--original", "--forget", "--retain", "--holdout", "--retain-model", "--output"}
    assert "mine, evaluation" in texts(open_page("unlearn", job=job.id))
    again = open_page("outcomes", view="Evaluation")
    assert "Evaluation: running" in texts(again) and not any(b.key == "evaluate" for b in again.button)


@pytest.mark.slow
def test_a_shipped_run_without_weights_says_what_it_needs(study):
    write_run(study.results / "runs" / "npo", study, "NPO")
    at = open_page("outcomes", view="Evaluation")
    assert "needs the run's weights" in texts(at) and not any(b.key == "evaluate" for b in at.button)


@pytest.mark.parametrize(("value", "said"), [
    (0.12345, "0.123"), (-45.678, "-45.678"), (0, "0.000"), (None, "not computed"), (float("nan"), "not computed"),
    ("not computed: needs x", "not computed"), ({}, "not a number"),
])
def test_a_missing_figure_is_never_zero_or_null(value, said):
    assert evaluation_panel.text(value) == said


def test_without_a_comparison_the_page_says_how_to_get_one(study, mine):
    assert any("compare-curricula" in code.value for code in open_page("outcomes", view="Order of samples").code)


def test_samplings_that_differ_from_uniform_are_named_with_their_interval(study, mine):
    write_curricula(study)
    at = open_page("outcomes", view="Order of samples")
    said = "NPO, against uniform sampling over 5 seeds: **CGA** leaves more of the forget set (+0.050, +0.010 to +0.090)."
    assert not at.exception and said in texts(at)
    rows = frame(at, "Minus uniform")
    assert list(rows["Minus uniform"]) == ["", "+0.050 (+0.010 to +0.090)", "", "+0.000 (-0.020 to +0.020)"]
    assert list(rows["Set"]) == ["forget", "forget", "retain", "retain"] and set(rows["Seeds"]) == {5}


def test_an_interval_with_0_is_no_difference(study, mine):
    write_curricula(study, low=-0.01)
    assert "no sampling differs from uniform by more than chance over 5 seeds" in texts(open_page("outcomes", view="Order of samples"))


@pytest.mark.parametrize("name", ["curricula.csv", "summary.csv"])
def test_a_comparison_without_its_columns_is_an_error_not_a_traceback(study, mine, name):
    write_curricula(study)
    (study.results / "curricula" / name).write_text("method,arm\nNPO,cga\n")
    at = open_page("outcomes", view="Order of samples")
    assert not at.exception and at.error[0].value == "The comparison of samplings cannot be read."


def test_a_metric_has_the_same_digits_in_every_run():
    rows = evaluation_panel.table({"privleak": -99.9123, "mia_loss": 0.5}, {"a": {"privleak": -7.1661, "mia_loss": 0.25}})
    assert rows.set_index("Metric")[["Before", "a"]].to_numpy().tolist() == [["-99.9", "-7.2"], ["0.500", "0.250"]]
