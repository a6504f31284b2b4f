"""What happens to jobs, within one transaction of their table: started, stopped, ended, lost, forgotten."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from analysis import job_logs, job_table, place, processes, progress

KEPT = 200  # jobs that have ended; older ones are forgotten, what they made stays
LOST = "the worker process is gone without a word: it was killed"
RESTARTED = "the machine was restarted while it ran"


def needs_care(rows: list[sqlite3.Row]) -> bool:
    """Whether a worker is gone, or a device is free for a job that waits for it."""
    running = [row for row in rows if row["state"] == "running"]
    waiting = {row["device"] for row in rows if row["state"] == "queued"} - {row["device"] for row in running}
    return bool(waiting) or not all(processes.alive(row["process"]) for row in running)


def recover(db: sqlite3.Connection) -> None:
    """End the jobs whose worker is gone, and what they left running."""
    for row in job_table.rows(db):
        if row["state"] == "running" and not processes.alive(row["process"]):
            processes.kill_marked(progress.TAG, row["id"])
            cause = LOST if processes.of_this_boot(row["process"]) else RESTARTED
            _end(db, row, *(("cancelled", None) if row["cancel"] else ("interrupted", cause)))


def start_next(db: sqlite3.Connection, program: Sequence[str]) -> None:
    """Give each free device the oldest job that waits for it. One that cannot be started stays in the queue and says why.

    `program` is what runs a job's arguments; it never comes from the table.
    """
    rows = job_table.rows(db)
    busy = {row["device"] for row in rows if row["state"] == "running"}
    for row in rows:
        if row["state"] != "queued" or row["device"] in busy:
            continue
        busy.add(row["device"])
        try:
            process = processes.identity(_worker(row["id"], program))
        except OSError as error:  # the disk is full, or the folder of logs cannot be written
            db.execute("UPDATE jobs SET cause = ? WHERE id = ?", (f"it cannot be started: {error}", row["id"]))
        else:
            started = (process, time.monotonic(), row["id"])
            db.execute("UPDATE jobs SET state = 'running', cause = NULL, process = ?, clock = ? WHERE id = ?", started)


def stop(db: sqlite3.Connection, job_id: str) -> None:
    """End a queued job; ask the worker of a running one to end it."""
    for row in job_table.rows(db):
        if row["id"] == job_id and row["state"] == "queued":
            _end(db, row, "cancelled", None)
        elif row["id"] == job_id and row["state"] == "running":
            db.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", (job_id,))
            if processes.alive(row["process"]):
                with suppress(ProcessLookupError):  # it ended this very moment
                    os.killpg(processes.pid_of(row["process"]), signal.SIGTERM)


def claimed(job_id: str, pid: int) -> list[str] | None:
    """For the worker: the arguments to run, None if the process `pid` was not given this job."""
    with job_table.transaction() as db:  # waits for the one who started it
        row = _running(db, job_id)
    return None if row is None or row["process"] != processes.identity(pid) else json.loads(row["arguments"])


def finish(job_id: str, code: int, stopped: bool, program: Sequence[str]) -> None:
    """For the worker: record how the command ended, and start the next job. `stopped`: the worker was told to stop."""
    with job_table.transaction() as db:
        row = _running(db, job_id)
        if row is not None:  # else the table was lost meanwhile, or this worker was taken for dead
            output = place.workspace() / row["output"]
            if code == 0 and output.exists():  # even if it was cancelled at the last moment
                _end(db, row, "done", None)
            elif row["cancel"]:
                _end(db, row, "cancelled", None)
            elif stopped:
                _end(db, row, "interrupted", "the worker was told to stop, as when the machine shuts down")
            else:
                _end(db, row, "failed", _cause(job_id, code, output))
        start_next(db, program)
        forget_old(db)


def _cause(job_id: str, code: int, output: Path) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}; often the machine is short of memory"
    if code == 0:
        return f"it ended without an error but did not write {output.name!r}"
    errors = job_logs.lines(job_id, "err", 1)
    return errors[-1].removeprefix("error: ").removeprefix("Error: ") if errors else f"exit code {code}, nothing on stderr"


def seconds(row: sqlite3.Row) -> float | None:
    """How long a job has run; not known of one that a restart of the machine ended."""
    if row["seconds"] is not None or row["clock"] is None:
        return row["seconds"]
    return max(0.0, time.monotonic() - row["clock"]) if processes.of_this_boot(row["process"]) else None


def forget_old(db: sqlite3.Connection) -> None:
    """Keep the newest KEPT jobs that have ended, and the logs within their limit."""
    rows = job_table.rows(db)
    gone = [row["id"] for row in rows if row["state"] in job_table.ENDS][:-KEPT]
    db.executemany("DELETE FROM jobs WHERE id = ?", [(name,) for name in gone])
    job_logs.prune(gone, [row["id"] for row in rows if row["state"] not in job_table.ENDS])


def _running(db: sqlite3.Connection, job_id: str) -> sqlite3.Row | None:
    return next((row for row in job_table.rows(db) if row["id"] == job_id and row["state"] == "running"), None)


def _worker(job_id: str, program: Sequence[str]) -> int:
    """The pid of a new worker, which waits for the present transaction to end."""
    progress.folder().mkdir(exist_ok=True)
    with open(job_logs.path(job_id, "out"), "ab") as out, open(job_logs.path(job_id, "err"), "ab") as err:
        worker = subprocess.Popen(
            [sys.executable, "-m", "analysis.worker", job_id, *program], cwd=place.PROJECT, env={**os.environ, progress.TAG: job_id},
            stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True,
        )
    threading.Thread(target=worker.wait, daemon=True).start()  # else it stays a zombie as long as the server lives
    return worker.pid


def _end(db: sqlite3.Connection, row: sqlite3.Row, state: str, cause: str | None) -> None:
    db.execute("UPDATE jobs SET state = ?, cause = ?, seconds = ? WHERE id = ?", (state, cause, seconds(row), row["id"]))
