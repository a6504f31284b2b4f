"""Long work in worker processes: one job at a time, the others in a queue, all of it in one SQLite file of the workspace.

A job is a command line `python -m analysis ...`. A detached worker (`analysis.worker`) runs it, so it survives the page, the
browser and the server, and starts the next job when it ends. Every look at the table first checks that the running job's
worker is alive; a process is known by its pid and its start time, because pids are used again.
"""

import json
import os
import secrets
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from analysis import read_only, store

COMMAND = [sys.executable, "-m", "analysis"]
TAG = "LETHE_JOB"  # environment variable that marks every process of a job, so that those left behind are found
LOST = "the worker process is gone without a word: it was killed, or the machine restarted"
TABLE = """CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE, kind TEXT, arguments TEXT, command TEXT, output TEXT, state TEXT, cause TEXT,
    created REAL, started REAL, ended REAL, pid INTEGER, pid_started REAL, cancel INTEGER DEFAULT 0)"""


@dataclass(frozen=True)
class Job:
    """`state` is queued, running, done, cancelled, failed or interrupted; `cause` says why for the last two.

    Times are seconds since 1970. `position` counts the queue from 1 = next, None unless queued.
    """

    id: str
    kind: str
    arguments: tuple[str, ...]
    output: Path
    state: str
    cause: str | None
    created: float
    started: float | None
    ended: float | None
    position: int | None

    @property
    def active(self) -> bool:
        return self.state in ("queued", "running")

    @property
    def command(self) -> str:
        return command_line(self.arguments)

    @property
    def resumable(self) -> bool:
        """An unlearning run that ended early and left a checkpoint, from which `--resume` goes on."""
        checkpoint = self.output.with_name(f"{self.output.name}.partial") / "checkpoint" / "state.safetensors"
        ended_early = self.state in ("cancelled", "failed", "interrupted")
        return self.kind == "unlearn" and ended_early and checkpoint.exists() and not self.output.exists()


def command_line(arguments: list[str] | tuple[str, ...]) -> str:
    """What a person types to run the same work without the page."""
    return shlex.join([".venv/bin/python", "-m", "analysis", *arguments])


def submit(kind: str, arguments: list[str], output: Path) -> str:
    """Queue `python -m analysis <arguments>`, which writes the folder `output`; returns the job's id.

    Raises ValueError if `output` lies outside the workspace, an unfinished job writes it already, or in read-only mode.
    """
    read_only.refuse("starting a job")
    output = Path(output).resolve()
    if not output.is_relative_to(store.workspace()):
        raise ValueError(f"expected an output folder inside the workspace {store.workspace()}, got {output}")
    job_id = f"{store.check_slug(kind)}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"
    with _transaction() as db:
        _recover(db)
        if db.execute("SELECT 1 FROM jobs WHERE output = ? AND state IN ('queued', 'running')", (str(output),)).fetchone():
            raise ValueError(f"expected a new name, got {output.name!r}, which a job that has not ended writes already")
        db.execute(
            "INSERT INTO jobs (id, kind, arguments, command, output, state, created) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
            (job_id, kind, json.dumps(arguments), json.dumps([*COMMAND, *arguments]), str(output), time.time()),
        )
        _start_next(db)
    return job_id


def jobs() -> list[Job]:
    """Every job, the newest first."""
    with _transaction() as db:
        _recover(db)
        rows = db.execute("SELECT * FROM jobs ORDER BY number").fetchall()
    queued = [row["id"] for row in rows if row["state"] == "queued"]
    return [_job(row, queued) for row in reversed(rows)]


def status(job_id: str) -> Job:
    """Raises ValueError if there is no such job."""
    for job in jobs():
        if job.id == job_id:
            return job
    raise ValueError(f"there is no job {job_id[:80]!r} in this workspace")


def cancel(job_id: str) -> None:
    """End a job: at once if queued, within two seconds if running. Nothing happens to a job that has ended.

    Raises ValueError if there is no such job, or in read-only mode.
    """
    read_only.refuse("stopping a job")
    job = status(job_id)
    with _transaction() as db:
        row = db.execute("SELECT * FROM jobs WHERE id = ?", (job.id,)).fetchone()
        if row["state"] == "queued":
            _end(db, job_id, "cancelled", None)
        elif row["state"] == "running":
            db.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", (job_id,))
            if _alive(row):
                with suppress(ProcessLookupError):  # it ended this very moment
                    os.killpg(row["pid"], signal.SIGTERM)


def tail(job_id: str, n_lines: int = 12) -> str:
    """The last lines that the job printed, errors last; empty if it printed nothing."""
    return "\n".join([*_lines(job_id, "out", n_lines), *_lines(job_id, "err", n_lines)][-n_lines:])


def claimed_command(job_id: str, pid: int) -> list[str] | None:
    """For the worker: the command to run, None if the process `pid` was not given this job."""
    with _transaction() as db:
        row = db.execute("SELECT command FROM jobs WHERE id = ? AND pid = ? AND state = 'running'", (job_id, pid)).fetchone()
    return None if row is None else json.loads(row["command"])


def finish(job_id: str, code: int, stopped: bool) -> None:
    """For the worker: record how the command ended, and start the next job. `stopped`: the worker was told to stop."""
    errors = [line.removeprefix("error: ").removeprefix("Error: ") for line in _lines(job_id, "err", 1)]
    with _transaction() as db:
        row = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if code == 0 and Path(row["output"]).exists():  # even if it was cancelled at the last moment
            _end(db, job_id, "done", None)
        elif row["cancel"]:
            _end(db, job_id, "cancelled", None)
        elif stopped:
            _end(db, job_id, "interrupted", "the worker was told to stop, as when the machine shuts down")
        elif code < 0:
            _end(db, job_id, "failed", f"killed by {signal.Signals(-code).name}; often the machine is short of memory")
        elif code > 0:
            _end(db, job_id, "failed", errors[-1] if errors else f"exit code {code}, nothing on stderr")
        else:
            _end(db, job_id, "failed", f"it ended without an error but did not write {Path(row['output']).name!r}")
        _start_next(db)


@contextmanager
def _transaction() -> Iterator[sqlite3.Connection]:
    """The job table, locked for writing until the block ends."""
    store.workspace().mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(store.workspace() / "jobs.sqlite", timeout=20, isolation_level=None)
    db.row_factory = sqlite3.Row
    try:
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("BEGIN IMMEDIATE")
        db.execute(TABLE)
        yield db
        db.execute("COMMIT")
    finally:
        db.close()  # rolls back what was not committed


def _start_next(db: sqlite3.Connection) -> None:
    """Give the oldest queued job to a new worker, unless one is running. The worker waits for this transaction to end."""
    row = db.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number").fetchone()
    if row is None or db.execute("SELECT 1 FROM jobs WHERE state = 'running'").fetchone():
        return
    _log(row["id"], "out").parent.mkdir(exist_ok=True)
    with open(_log(row["id"], "out"), "ab") as out, open(_log(row["id"], "err"), "ab") as err:
        worker = subprocess.Popen(
            [sys.executable, "-m", "analysis.worker", row["id"]], cwd=store.PROJECT, env={**os.environ, TAG: row["id"]},
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )
    threading.Thread(target=worker.wait, daemon=True).start()  # else it stays a zombie as long as the server lives
    db.execute(
        "UPDATE jobs SET state = 'running', started = ?, pid = ?, pid_started = ? WHERE id = ?",
        (time.time(), worker.pid, psutil.Process(worker.pid).create_time(), row["id"]),
    )


def _recover(db: sqlite3.Connection) -> None:
    for row in db.execute("SELECT * FROM jobs WHERE state = 'running'").fetchall():
        if _alive(row):
            continue
        for process in psutil.process_iter():
            try:
                if process.environ().get(TAG) == row["id"]:
                    process.kill()
            except psutil.Error:  # gone meanwhile, or another user's
                continue
        _end(db, row["id"], "cancelled", None) if row["cancel"] else _end(db, row["id"], "interrupted", LOST)
    _start_next(db)


def _alive(row: sqlite3.Row) -> bool:
    try:
        process = psutil.Process(row["pid"])
        return abs(process.create_time() - row["pid_started"]) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _end(db: sqlite3.Connection, job_id: str, state: str, cause: str | None) -> None:
    db.execute("UPDATE jobs SET state = ?, cause = ?, ended = ? WHERE id = ?", (state, cause, time.time(), job_id))


def _job(row: sqlite3.Row, queued: list[str]) -> Job:
    return Job(
        row["id"], row["kind"], tuple(json.loads(row["arguments"])), Path(row["output"]), row["state"], row["cause"],
        row["created"], row["started"], row["ended"], queued.index(row["id"]) + 1 if row["id"] in queued else None,
    )


def _log(job_id: str, stream: str) -> Path:
    return store.workspace() / "jobs" / f"{store.check_slug(job_id)}.{stream}"


def _lines(job_id: str, stream: str, n_lines: int) -> list[str]:
    file = _log(job_id, stream)
    if not file.is_file():
        return []
    with open(file, "rb") as content:
        content.seek(max(0, file.stat().st_size - 16_384))
        text = content.read().decode(errors="replace")
    return [line.rstrip() for line in text.splitlines() if line.strip()][-n_lines:]
