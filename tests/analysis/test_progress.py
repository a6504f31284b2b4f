"""Progress: what is written for a job, its measured rate, and what is no progress."""

import json
import time

import pytest

from analysis import progress


@pytest.fixture(autouse=True)
def job(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    monkeypatch.setenv(progress.TAG, "job-1")
    (tmp_path / "jobs").mkdir()
    return tmp_path / "jobs" / "job-1.json"


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that passes; the wall clock runs backwards meanwhile."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "time", lambda: 1e9 - now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def test_time_left_is_measured_from_the_first_word_of_a_phase(clock):
    progress.write("circuits", 40, 100)  # 40 were kept from before: they took no time
    assert progress.read("job-1").remaining() is None
    clock(10)
    progress.write("circuits", 60, 100)
    assert progress.read("job-1").remaining() == pytest.approx(20)
    clock(5)
    assert progress.read("job-1").remaining() == pytest.approx(15)
    clock(100)
    assert progress.read("job-1").remaining() == 0


def test_another_phase_begins_a_new_measurement_and_another_epoch_does_not(clock):
    progress.write("epoch 1, step", 1, 40)
    clock(10)
    progress.write("epoch 2, step", 11, 40)
    assert progress.read("job-1").remaining() == pytest.approx(29)
    clock(1)
    progress.write("saving", 1, 4)
    assert progress.read("job-1").remaining() is None
    clock(1)
    progress.write("saving", 4, 4), clock(1), progress.write("measuring", 4, 4)
    assert (progress.read("job-1").phase, progress.read("job-1").began) == ("measuring", 113.0)


def test_words_that_follow_at_once_are_left_out_but_not_the_last(clock):
    progress.write("circuits", 1, 3)
    clock(0.01)
    progress.write("circuits", 2, 3)
    assert progress.read("job-1").done == 1
    progress.write("circuits", 3, 3)
    assert progress.read("job-1").done == 3


def test_only_a_job_writes_and_it_never_fails(job, monkeypatch):
    monkeypatch.setenv(progress.TAG, "../up")
    progress.write("circuits", 1, 3)
    monkeypatch.delenv(progress.TAG)
    progress.write("circuits", 1, 3)
    assert not any(job.parent.iterdir()) and not any(job.parent.parent.glob("*.json"))
    monkeypatch.setenv(progress.TAG, "job-1")
    job.parent.rmdir()
    progress.write("circuits", 1, 3)
    assert progress.read("job-1") is None


def test_a_word_is_seen_whole_or_not_at_all(job, monkeypatch):
    def killed(*_):
        raise OSError

    progress.write("circuits", 1, 3)
    monkeypatch.setattr(type(job), "replace", killed)
    progress.write("MRD", 0, 9)
    assert progress.read("job-1").phase == "circuits"


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"phase": 1}'])
def test_what_is_no_progress_is_none(job, content):
    job.write_text(content)
    assert progress.read("job-1") is None


@pytest.mark.parametrize(("name", "value"), [("done", -1), ("total", 1e3), ("first", True), ("at", float("nan")), ("phase", None)])
def test_a_value_that_cannot_be_is_none(job, name, value):
    good = {"phase": "x", "done": 1, "total": 2, "first": 0, "began": 1.0, "at": 2.0}
    job.write_text(json.dumps(good))
    assert progress.read("job-1") is not None
    job.write_text(json.dumps(good | {name: value}))
    assert progress.read("job-1") is None


def test_phases_are_numbered_where_they_are_known():
    said = progress.Progress("anchor run with NPO on half 0", 0, 10, 0, 0.0, 0.0)
    assert said.phase_number("score") == (2, 3) and said.phase_number("circuits") is None
