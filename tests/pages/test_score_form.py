"""The form that computes what is missing: what it offers, when it waits, and what it says of a failure."""

import sys
import time

import pandas as pd
import pytest

from analysis import atomic, jobs, store
from tests.pages.test_own_pages import words

STAND_IN = "import sys, time; sys.exit('error: no model ![x](http://a/b.png)') if 'circuits' in sys.argv else time.sleep(60)"


@pytest.fixture(autouse=True)
def stand_in(made_up_study, monkeypatch):
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, "-c", STAND_IN])
    yield
    for job in jobs.jobs():
        if job.active:
            jobs.cancel(job.id)


def wait_for_end() -> None:
    end = time.monotonic() + 20
    while any(job.active for job in jobs.jobs()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_pressed_once_it_waits_for_both(open_page):
    page = open_page("difficulty")
    assert page.button(key="compute").label == "Compute scores and circuits"
    page.button(key="compute").click().run()
    assert not page.exception and page.button(key="compute").disabled
    assert {job.kind: job.state for job in jobs.jobs()} == {"scores": "running", "circuits": "queued"}
    assert {"Scores of made", "Circuits of made"} <= {button.label for button in page.button}
    assert "Waiting for cpu, position 1" in words(page) and "1 running, 1 waiting" in words(page)


def test_a_demo_computes_no_scores(open_page, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    page = open_page("difficulty")
    assert not page.exception and "computing scores is switched off" in words(page)
    assert not any(button.key == "compute" for button in page.button)


def test_pressed_in_two_tabs_the_second_is_told_so(open_page):
    first, second = open_page("difficulty"), open_page("circuits")
    first.button(key="compute").click().run()
    second.button(key="compute").click().run()
    assert not second.exception and len(jobs.jobs()) == 2


def test_a_refused_job_is_a_problem_not_a_crash(open_page, monkeypatch):
    def refuse(*args):
        raise ValueError("a job writes ![x](http://a/b.png) already")

    page = open_page("difficulty")
    monkeypatch.setattr(jobs, "submit", refuse)
    page.button(key="compute").click().run()
    assert not page.exception and page.error[0].value == "The computation was not started."
    assert "a job writes ![x](http://a/b.png) already" in [text.value for text in page.text]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["circuits", "easy_vs_hard"])
def test_failed_circuits_say_why_and_can_be_started_again(scored_study, open_page, name):
    (scored_study.results / "circuits" / "circuits.json").unlink()
    page = open_page(name)
    assert "circuits of this study" in page.info[0].value and "analysis score" not in page.code[0].value
    page.button(key="compute").click().run()
    wait_for_end()
    page = open_page(name)
    assert not page.exception and page.error[0].value == "Circuits: failed. Cause:"
    assert "no model ![x](http://a/b.png)" in [text.value for text in page.text]
    assert page.button(key="compute").label == "Compute circuits" and not page.button(key="compute").disabled
    page.button(key="compute").click().run()
    assert not page.exception and [job.kind for job in jobs.jobs()] == ["circuits"] * 2


def test_scores_of_an_earlier_version_are_to_be_recomputed(scored_study, open_page):
    file = scored_study.results / "scores" / "scores.csv"
    atomic.write_bytes(file, pd.read_csv(file).drop(columns="fold").to_csv(index=False).encode())
    for name in ("difficulty", "easy_vs_hard"):
        page = open_page(name)
        assert not page.exception and "earlier version" in page.warning[0].value
        assert page.button(key="compute").label == "Compute scores" and "analysis score" in page.code[0].value
    page.button(key="compute").click().run()
    assert not page.exception and [job.kind for job in jobs.jobs()] == ["scores"]


def test_the_embedded_study_is_computed_on_the_command_line(open_page, monkeypatch, tmp_path):
    monkeypatch.setattr(store, "DATA", tmp_path / "data")
    page = open_page("difficulty", study="embedded")
    assert not page.exception and page.code[0].value == ".venv/bin/python -m analysis demo results" and not page.button
