"""Every command that a page offers for copying is one that the program takes, and names the model as the study has it."""

import shlex
from dataclasses import replace

import pytest
import typer

from analysis import cross_fitting, eval_import, jobs, outcomes, report_rerun
from analysis.__main__ import app
from components import (
    conflict_form,
    curricula_panel,
    evaluation_panel,
    imported_panel,
    masks_panel,
    report_panel,
    run_form,
    score_form,
    validity_panel,
)

START = [".venv/bin/python", "-m", "analysis"]
GROUP = typer.main.get_command(app)
PAGES = [  # page, its query, the commands that it must offer at least
    ("forget_set", {}, set()), ("difficulty", {}, {"score"}), ("circuits", {"format": "GraphML"}, {"circuits"}),
    ("easy_vs_hard", {}, {"circuits", "score"}), ("conflicts", {}, {"conflicts"}), ("unlearn", {}, {"unlearn"}),
    ("outcomes", {}, {"unlearn"}), ("report", {}, {"report"}), ("../app", {}, set()),
]


def parsed(line: str) -> str:
    """The name of the command in a line; a line that the program does not take is an error."""
    words = shlex.split(line)
    assert words[:3] == START, line
    name, command, rest = GROUP.resolve_command(GROUP.make_context("analysis", words[3:]), words[3:])
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(command.make_context(name, list(rest)), rest)
    command.make_context(name, list(rest))
    return name


def offered(page) -> list[str]:
    assert not page.exception
    return [parsed(line) for code in page.code for line in code.value.splitlines() if line.startswith(START[0])]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "query", "least"), PAGES)
def test_what_a_page_offers_is_taken(scored_study, open_page, name, query, least):
    assert least <= set(offered(open_page(name, **query)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("difficulty", {"score", "circuits"}), ("conflicts", {"conflicts"})])
def test_what_an_empty_page_offers_is_taken(made_up_study, open_page, name, least):
    assert least <= set(offered(open_page(name)))


def test_every_command_of_a_study_names_its_model_as_the_study_has_it(made_up_study, monkeypatch):
    study = replace(made_up_study, dtype="bfloat16", chat=False)
    monkeypatch.setattr(validity_panel.cached, "counted", lambda study: [])
    monkeypatch.setattr(validity_panel.cached, "run_records", lambda study: [])
    made = [
        *score_form.commands(study).values(), conflict_form.command(study, "greedy", "zero", 0.5, 8), masks_panel.command(study),
        run_form.build(study, "NPO", "npo", 0, False, {"sampling": "hard-first"}).arguments,
        evaluation_panel.command(study, "somewhere", study.results), curricula_panel.command(study),
        validity_panel.alone_command(study), report_rerun.of_scores(study, {"seed": 3}),
        report_rerun.of_circuits(study, {"n_edges": 9}),
        report_rerun.of_conflicts(study, {"target": 0.5}),
    ]
    for arguments in made:
        assert parsed(jobs.command_line(arguments)) == arguments[0]
        assert "--no-chat-template" in arguments and arguments[arguments.index("--dtype") + 1] == "bfloat16"
    plain = score_form.commands(made_up_study)["scores"]  # the control: what is as by default is not said
    assert not {"--dtype", "--no-chat-template"} & set(plain)
    for arguments in (imported_panel.command(study, "theirs", ["TOFU_EVAL.json"]), report_panel.command(study)):
        assert parsed(jobs.command_line(arguments)) == arguments[0]


@pytest.mark.parametrize(("n_samples", "said"), [(47, ["11"]), (48, [])])
def test_a_small_forget_set_is_scored_with_as_many_anchors_as_it_has_samples_for(monkeypatch, made_up_study, n_samples, said):
    sample = score_form.cached.forget_samples(made_up_study)[0]
    monkeypatch.setattr(score_form.cached, "forget_samples", lambda study: [sample] * n_samples)
    command = score_form.commands(made_up_study)["scores"]
    assert [command[i + 1] for i, word in enumerate(command) if word == "--n-anchors"] == said
    default = next(o.default for o in GROUP.commands["score"].params if o.name == "n_anchors")
    assert default == cross_fitting.N_ANCHORS
    rated = score_form.commands(made_up_study, 3e-4)["scores"]
    assert rated[rated.index("--learning-rate") + 1] == "0.0003" and "--learning-rate" not in command
    assert "--learning-rate" in report_rerun.of_scores(made_up_study, {"learning_rate": 3e-4})


def test_a_command_that_the_program_does_not_take_would_be_seen():
    with pytest.raises(typer.TyperException, match="forget"):
        parsed(".venv/bin/python -m analysis score --model m --retain r --output o")
    with pytest.raises(typer.TyperException, match="No such option"):
        parsed(".venv/bin/python -m analysis report --output o --styude x")


def test_imported_evaluations_are_labelled_and_the_form_shows_its_command(made_up_study):
    eval_import.bring_in(made_up_study, "theirs", {"S.json": b'{"forget_quality": 0.5, "ra_Q_A_Prob": 0.25, "privleak": null}'})
    folders = imported_panel.labelled(made_up_study)
    found = {name: outcomes.read_evaluation(path / "evaluation").summary for name, path in folders.items()}
    assert list(found) == ["theirs (imported)"]
    rows = evaluation_panel.table({}, found).set_index("Metric")["theirs (imported)"].to_dict()
    assert rows == {"Forget quality (log10 p)": "-0.301", "ra_Q_A_Prob": "0.250"}
    assert evaluation_panel.gaps(found) == [f"theirs (imported): PrivLeak (%): {eval_import.NULL}"]
