"""The Unlearn page: the form, its refusals, a job that is shown, cancelled and found again."""

import time

from typer.testing import CliRunner

from analysis import jobs
from analysis.__main__ import app
from components import run_form
from tests.pages.runs_fixture import made_up_study, open_page, own_folder, texts, write_run  # noqa: F401


def press(at, label: str):
    return next(button for button in at.button if button.label == label).click().run()


def wait_for_state(job_id: str, state: str) -> None:
    end = time.monotonic() + 10
    while jobs.status(job_id).state != state:
        assert time.monotonic() < end, jobs.status(job_id)
        time.sleep(0.05)


def wait_for_start(job_id: str) -> None:
    end = time.monotonic() + 10
    while "started" not in jobs.tail(job_id):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_empty_page_offers_a_start_and_the_command_line(study):
    at = open_page("unlearn")
    assert not at.exception and "No run is going" in texts(at) and "not known yet" in texts(at)
    command = next(code.value for code in at.code)
    assert command.startswith(".venv/bin/python -m analysis unlearn --model ") and "--method NPO --preset embedded --seed 0" in command
    assert command.endswith("/npo-seed0")


def test_settings_reach_the_command(study):
    at = open_page("unlearn")
    at.number_input(key="unlearn_rate").set_value(5e-5)
    at.number_input(key="unlearn_epochs").set_value(4)
    at.text_input(key="unlearn_name").set_value("mine").run()
    assert "--learning-rate 5e-05 --n-epochs 4 --output" in at.code[0].value and at.code[0].value.endswith("/mine")


def test_the_command_line_understands_what_the_form_asks(study):
    """The files are gone, so a command that is understood ends with that, and not with a usage error."""
    request = run_form.build(study, "NPO", "mine", 1, True, 5e-5, 4)
    study.forget.unlink()
    result = CliRunner().invoke(app, request.arguments)
    assert result.exit_code == 2 and "no such file" in result.output


def test_time_is_estimated_from_earlier_runs(study):
    write_run(own_folder(study, "old"), study, "NPO")
    at = open_page("unlearn")
    at.number_input(key="unlearn_epochs").set_value(4).run()
    assert "about 1 min 00 s of training, as measured on 1 earlier run" in texts(at)


def test_bad_and_taken_names_are_refused(study):
    write_run(own_folder(study, "old"), study, "NPO")
    at = open_page("unlearn")
    for name, said in (("../up", "expected a name of 1-64 characters"), ("old", "already a run 'old'"), ("a.partial", "marks")):
        at.text_input(key="unlearn_name").set_value(name).run()
        assert said in texts(at) and "cannot have this name" in at.error[0].value and not at.exception
        assert next(b for b in at.button if b.label == "Start").disabled


def test_a_started_job_is_in_the_address_and_another_tab_can_cancel_it(study):
    at = press(open_page("unlearn"), "Start")
    assert not at.exception
    job_id = at.query_params["job"]
    wait_for_start(job_id)
    other = open_page("unlearn", job=job_id)
    assert "**npo-seed0**  ·  running" in texts(other)
    press(other, "Cancel")
    wait_for_state(job_id, "cancelled")
    ended = open_page("unlearn", job=job_id)
    assert "Cancelled after step 1 of 4" in texts(ended) and not ended.exception


def test_a_second_job_is_queued_and_a_failure_says_why(study):
    first = press(open_page("unlearn"), "Start").query_params["job"]
    at = open_page("unlearn")
    at.segmented_control(key="unlearn_method").set_value("RMU").run()
    second = press(at, "Start").query_params["job"]
    assert "position 1" in str([p.proto for p in open_page("unlearn", job=second).get("progress")])
    jobs.cancel(first)
    wait_for_state(second, "failed")
    failed = open_page("unlearn", job=second)
    assert "Cause:" in failed.error[0].value and "RMU: layer must be 0 to 3 for this model, got 7" in texts(failed)


def test_an_unknown_job_is_said_to_be_unknown(study):
    at = open_page("unlearn", job="![x](http://a/b.png)")
    assert "cannot be shown" in at.error[0].value and not at.exception
    assert "there is no job '![x](http://a/b.png)'" in "\n".join(text.value for text in at.text)
    assert not any("b.png" in e.value for e in [*at.error, *at.markdown, *at.caption])


def test_an_unreadable_forget_set_is_an_error_not_a_traceback(study):
    study.forget.write_text("{")
    at = open_page("unlearn")
    assert "forget set cannot be read" in at.error[0].value and not at.exception
