"""The table of jobs: of an earlier version, of a newer one, damaged, changed by hand, on a full disk."""

import json
import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from analysis import job_queue, job_table, jobs, processes

OLD = """CREATE TABLE jobs (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, arguments TEXT, command TEXT, output TEXT, state TEXT, cause TEXT,
    created REAL, started REAL, ended REAL, pid INTEGER, pid_started REAL, cancel INTEGER DEFAULT 0)"""
INSERT = "INSERT INTO jobs (id, kind, arguments, output, device, state, created) VALUES (?, 'test', '[\"x\"]', ?, 'cpu', ?, 1.0)"


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(job_queue, "start_next", lambda db, program: None)
    return tmp_path


def add(*names: str, state: str = "done") -> None:
    with job_table.transaction() as db:
        db.executemany(INSERT, [(name, f"runs/x/{name}", state) for name in names])


def test_looking_makes_nothing(workspace):
    assert jobs.look() == jobs.Queue([], None) and not any(workspace.iterdir())


def test_a_table_of_the_first_version_keeps_its_jobs(workspace):
    with closing(sqlite3.connect(workspace / "jobs.sqlite")) as db, db:
        db.execute(OLD)
        rows = [
            (1, "a", "done", str(workspace / "runs" / "x" / "a"), 100.0, 160.0, 0), (2, "b", "done", "/elsewhere/b", 100.0, 50.0, 0),
            (3, "c", "running", str(workspace / "runs" / "x" / "c"), 100.0, None, os.getpid()),
        ]
        values = "INSERT INTO jobs (number, id, kind, arguments, state, output, created, started, ended, pid) VALUES"
        db.executemany(f"{values} (?, ?, 'test', '[]', ?, ?, 1.0, ?, ?, ?)", rows)
    running, done = jobs.jobs()  # not the one outside the workspace
    assert (done.id, done.output, done.seconds, done.device) == ("a", workspace / "runs" / "x" / "a", 60.0, "cpu")
    assert (running.id, running.state) == ("c", "running") and running.seconds > 60
    with closing(sqlite3.connect(workspace / "jobs.sqlite")) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == 1
        assert db.execute("SELECT count(*), min(seconds) FROM jobs").fetchone() == (3, 0.0), "no duration is below 0"


def test_a_newer_table_is_left_alone_and_said(workspace):
    add("a")
    with closing(sqlite3.connect(workspace / "jobs.sqlite")) as db:
        db.execute("PRAGMA user_version = 2")
    assert jobs.jobs() == [] and "of a newer Lethe (its version is 2" in jobs.look().problem
    with pytest.raises(ValueError, match="newer Lethe"):
        jobs.submit("test", [], workspace / "x")
    assert not job_table.damaged()


@pytest.mark.parametrize("damage", ["text", "empty table", "half", "a page"])
def test_a_damaged_table_is_set_aside_and_a_new_one_begun(workspace, damage):
    add(*(f"job-{number}-{'x' * 40}" for number in range(60)))
    file = workspace / "jobs.sqlite"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if damage == "empty table":
            db.execute("ALTER TABLE jobs RENAME TO others")
    if damage != "empty table":
        content = file.read_bytes()
        half = len(content) // 2
        damaged = {"text": b"not a database" * 999, "half": content[:half], "a page": content[:half] + b"\xff" * (len(content) - half)}
        file.write_bytes(damaged[damage])
    assert "was damaged. It was set aside in" in jobs.look().problem and "jobs.sqlite.damaged-1" in jobs.look().problem
    kept = len(jobs.jobs())
    assert kept == 0 if damage in ("text", "empty table") else kept < 60
    jobs.submit("test", [], workspace / "new")
    assert jobs.jobs()[0].state == "queued" and len(jobs.jobs()) == kept + 1
    (workspace / "jobs.sqlite.damaged-1").unlink()
    assert jobs.look().problem is None


def test_what_was_logged_for_a_damaged_table_goes_with_it(workspace):
    """Else SQLite would take it for a part of the new one."""
    add("a")
    with closing(sqlite3.connect(workspace / "jobs.sqlite")) as db:  # as long as somebody has it open, what is new is in the log alone
        db.execute("ALTER TABLE jobs RENAME TO others")
        assert jobs.jobs() == [] and "jobs.sqlite.damaged-1" in jobs.look().problem
    jobs.submit("test", [], workspace / "new")
    assert len(jobs.jobs()) == 1 and len(job_table.damaged()) == 1


def test_several_who_find_it_damaged_set_it_aside_once(workspace):
    (workspace / "jobs.sqlite").write_bytes(b"not a database" * 99)
    together = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: (together.wait(), jobs.look().jobs)[1], range(8))) == [[]] * 8
    assert [file.name for file in job_table.damaged()] == ["jobs.sqlite.damaged-1"]


def test_two_damages_are_two_files(workspace):
    for _ in range(2):
        (workspace / "jobs.sqlite").write_bytes(b"not a database" * 99)
        assert jobs.jobs() == []
    assert [file.name for file in job_table.damaged()] == ["jobs.sqlite.damaged-1", "jobs.sqlite.damaged-2"]


@pytest.mark.parametrize(("column", "value"), [
    ("id", "../up"), ("id", b"\xff"), ("arguments", "{"), ("arguments", "[1]"), ("arguments", "[" * 100_000), ("arguments", None),
    ("output", "../../etc"), ("output", "a\0b"), ("output", None), ("state", "<b>"), ("created", "yesterday"),
    ("created", float("inf")), ("device", None), ("process", b"1:2:3"), ("clock", "x"), ("kind", "A B"),
])
def test_a_row_that_no_job_can_have_is_left_out_and_holds_nothing_up(workspace, column, value):
    add("good"), add("bad", state="running")
    with job_table.transaction() as db:
        db.execute(f"UPDATE jobs SET {column} = ? WHERE id = 'bad'", (value,))
    assert [job.id for job in jobs.look().jobs] == ["good"] and jobs.look().problem is None
    jobs.submit("test", [], workspace / "new")
    assert len(jobs.jobs()) == 2


def test_a_full_disk_is_said_and_nothing_is_queued(workspace, monkeypatch):
    add("a")
    opened = job_table._open

    def small():
        db = opened()
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        return db

    monkeypatch.setattr(job_table, "_open", small)
    with pytest.raises(ValueError, match="the disk is full: make room and try again"):
        jobs.submit("test", ["x" * 100_000], workspace / "new")
    assert [job.id for job in jobs.jobs()] == ["a"]
    monkeypatch.setattr(job_table, "_open", opened)
    jobs.submit("test", ["x" * 100_000], workspace / "new")


def test_a_table_that_cannot_be_opened_is_said_not_raised(workspace):
    (workspace / "jobs.sqlite").mkdir()
    assert jobs.jobs() == [] and "expected a file that can be read and written" in jobs.look().problem


def test_only_the_newest_jobs_and_logs_are_kept_and_never_a_result(workspace, monkeypatch):
    monkeypatch.setattr(job_queue, "KEPT", 3)
    (workspace / "jobs").mkdir()
    for number in range(6):
        add(f"job-{number}")
        (workspace / "jobs" / f"job-{number}.out").write_bytes(b"x" * 1000)
        (workspace / "runs" / "x" / f"job-{number}").mkdir(parents=True)
        os.utime(workspace / "jobs" / f"job-{number}.out", (number, number))
    add("waiting", state="queued")
    (workspace / "jobs" / "waiting.out").write_bytes(b"x" * 1000)
    os.utime(workspace / "jobs" / "waiting.out", (0, 0))
    with job_table.transaction() as db:
        job_queue.forget_old(db)
    assert [job.id for job in jobs.jobs()] == ["waiting", "job-5", "job-4", "job-3"]
    assert {file.stem for file in (workspace / "jobs").iterdir()} == {"waiting", "job-5", "job-4", "job-3"}
    monkeypatch.setattr(job_queue.job_logs, "KEPT_BYTES", 1500)
    with job_table.transaction() as db:
        job_queue.forget_old(db)
    assert {file.stem for file in (workspace / "jobs").iterdir()} == {"waiting", "job-5"}
    assert len(list((workspace / "runs" / "x").iterdir())) == 6


def test_the_program_is_never_read_from_the_table(workspace):
    """The table holds arguments of our own commands; whoever changes it cannot choose what is run."""
    add("a")
    assert "command" not in job_table.COLUMNS and json.loads(job_table.rows()[0]["arguments"]) == ["x"]


def test_a_process_is_known_by_its_start_and_by_the_run_of_the_machine(monkeypatch):
    me = processes.identity(os.getpid())
    assert processes.alive(me) and processes.of_this_boot(me) and processes.pid_of(me) == os.getpid()
    pid, start, boot = me.split(":")
    for other in (f"{pid}:{start}1:{boot}", f"{pid}:{start}:another", "", None, "x", "0:1:2", f"{2**40}:1:2"):
        assert not processes.alive(other)
    monkeypatch.setattr("time.time", lambda: 0.0)  # the clock is set back
    assert processes.identity(os.getpid()) == me
