"""The queue on every page that starts jobs: whose jobs it shows, what it says of each, who may end them, what is wrong with it."""

import json
import time
from pathlib import Path

import pytest

from analysis import job_queue, jobs, place, progress
from components import job_words
from components.formats import escape
from tests.pages.runs_fixture import made_up_study, open_page, texts  # noqa: F401


@pytest.fixture(autouse=True)
def none_starts(monkeypatch):
    monkeypatch.setattr(job_queue, "start_next", lambda db, program: None)


def queued(kind: str, folder: str) -> str:
    return jobs.submit(kind, [kind], place.workspace() / folder)


def labels(at) -> list[str]:
    return [button.label for button in at.button]


def made(state: str = "running", seconds: float | None = 5.0, cause: str | None = None, kind: str = "score") -> jobs.Job:
    position = 2 if state == "queued" else None
    output = place.workspace() / "runs" / "made" / "x"
    return jobs.Job(1, "job-1", kind, (kind,), output, "cuda:0", state, cause, 0.0, seconds, position)


def test_jobs_of_all_studies_are_shown_and_can_be_ended_from_any_page(study):
    ours, theirs = queued("unlearn", "runs/embedded/npo"), queued("scores", "studies/other/results/scores")
    at = open_page("unlearn")
    assert not at.exception and {"npo of embedded", "Scores of other"} <= set(labels(at))
    assert "0 running, 2 waiting" in texts(at) and "Waiting for cpu, position 2" in texts(at)
    at.button(key=f"unlearn_cancel_{theirs}").click().run()
    assert not at.exception and {job.id: job.state for job in jobs.jobs()} == {ours: "queued", theirs: "cancelled"}
    assert "Earlier jobs" in [header.value for header in at.header]


def test_a_demo_ends_nobodys_job(study, monkeypatch):
    job_id = queued("unlearn", "runs/embedded/npo")
    monkeypatch.setenv("LETHE_DEMO", "1")
    at = open_page("unlearn")
    monkeypatch.delenv("LETHE_DEMO")
    assert "npo of embedded" in labels(at) and not any(button.key == f"unlearn_cancel_{job_id}" for button in at.button)


def test_a_queue_is_one_step_away_from_every_other_page(study):
    def links(at) -> list[str]:
        return [link.proto.label for link in at.get("page_link")]

    assert not any("Queue:" in label for label in links(open_page("outcomes")))
    queued("unlearn", "runs/embedded/npo")
    assert "Queue: 0 running, 1 waiting" in links(open_page("outcomes"))
    assert not any("Queue:" in label for label in links(open_page("unlearn")))


def test_a_damaged_table_is_said_on_the_page(study):
    place.workspace().mkdir()
    (place.workspace() / "jobs.sqlite").write_bytes(b"not a database" * 99)
    at = open_page("unlearn")
    assert not at.exception and "Something is wrong with the table of jobs." in [error.value for error in at.error]
    assert any("set aside" in text.value and "jobs.sqlite.damaged-1" in text.value for text in at.text)


def test_names_from_the_table_are_text(study):
    queued("unlearn", "runs/embedded/![x](http:__a.png)")
    at = open_page("unlearn")
    assert not at.exception and escape("![x](http:__a.png) of embedded") in labels(at)


@pytest.fixture
def said(tmp_path, monkeypatch):
    """Writes what a job said last."""
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    progress.folder().mkdir()

    def write(phase: str, done: int, total: int, seconds: float = 10.0) -> Path:
        now = time.monotonic()
        content = {"phase": phase, "done": done, "total": total, "first": 0, "began": now - seconds, "at": now}
        return (progress.folder() / "job-1.json").write_text(json.dumps(content))

    return write


def test_before_its_first_word_a_job_is_starting(said):
    assert job_words.how_far(made()) == (0.0, "Starting · 5 s so far")
    assert job_words.how_far(made("queued", cause="no <b> left")) == (0.0, "Waiting for cuda\\:0, position 2: no \\<b\\> left")


def test_a_running_job_says_phase_share_and_time_left(said):
    said("circuits", 50, 100)
    share, text = job_words.how_far(made())
    assert share == 0.5 and text == "Phase 1 of 3: circuits 50 of 100 · 5 s so far · about 10 s left in this phase"
    said("MRD", 1, 3)
    assert job_words.how_far(made())[1].endswith("Phase 3 of 3: MRD 1 of 3 · 5 s so far · about 20 s left")
    said("MRD", 999, 1000)
    assert job_words.how_far(made())[1].endswith("about 1 s left"), "not 0 s, while it still goes"


def test_a_job_that_is_nearly_done_says_so_and_no_time(said):
    said("epoch 2, step", 4, 4)
    assert job_words.how_far(made(kind="unlearn")) == (1.0, "Epoch 2, step 4 of 4 · 5 s so far · measuring and saving")
    assert job_words.reached(made("cancelled")) == " after epoch 2, step 4 of 4"
    said("anchor run with NPO on half 0", 0, 0)
    assert job_words.how_far(made())[0] == 0.0 and "half 0\\: 0 of 0" in job_words.how_far(made())[1]


def test_a_job_belongs_to_the_study_whose_results_it_makes(said):
    def belongs(folder: str) -> str | None:
        return job_words.study(jobs.Job(1, "x", "x", (), place.workspace() / folder, "cpu", "done", None, 0.0, None, None))

    assert [belongs(f) for f in ("runs/a/npo", "studies/b/results/scores", "conflicts/embedded", "runs/c/npo/evaluation", "x")] == [
        "a", "b", "embedded", "c", None
    ]
