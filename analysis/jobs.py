"""Long work in worker processes: one job at a time on each device, the others in a queue, all of it in `job_table`.

A job is a command line `python -m analysis ...`. A detached worker (`analysis.worker`) runs it, so it survives the page, the
browser and the server, and starts the next job of its device when it ends. Every look at the table first checks that the
running jobs' workers are alive.
"""

import json
import secrets
import shlex
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis import job_logs, job_queue, job_table, place, read_only

COMMAND = [sys.executable, "-m", "analysis"]


@dataclass(frozen=True)
class Job:
    """`state` is queued, running, done, cancelled, failed or interrupted; `cause` says why for the last two, or why a queued one
    cannot start.

    `number` is its place in the order of asking; `created` in seconds since 1970, only to be shown; `seconds` how long it has run.
    `position` counts the queue of its device from 1 = next, None unless queued.
    """

    number: int
    id: str
    kind: str
    arguments: tuple[str, ...]
    output: Path
    device: str
    state: str
    cause: str | None
    created: float
    seconds: float | None
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


@dataclass(frozen=True)
class Queue:
    """Every job, the newest first; `problem` says what is wrong with their table, None if nothing is."""

    jobs: list[Job]
    problem: str | None


def command_line(arguments: list[str] | tuple[str, ...]) -> str:
    """What a person types to run the same work without the page."""
    return shlex.join([".venv/bin/python", "-m", "analysis", *arguments])


def device_of(arguments: Sequence[str]) -> str:
    """The device that a command computes on: its `--device`, by default the first GPU of a machine that has one."""
    words = [part for word in arguments for part in word.split("=", 1)]
    given = dict(zip(words, words[1:], strict=False)).get("--device")
    name = given or ("cuda" if shutil.which("nvidia-smi") else "cpu")
    return "cuda:0" if name == "cuda" else name


def submit(kind: str, arguments: list[str], output: Path) -> str:
    """Queue `python -m analysis <arguments>`, which writes the folder `output`; returns the job's id.

    Raises ValueError if `output` lies outside the workspace, an unfinished job writes it already, the table of jobs cannot be
    written, or in read-only mode.
    """
    read_only.refuse("starting a job")
    output = Path(output).resolve()
    if not output.is_relative_to(place.workspace()):
        raise ValueError(f"expected an output folder inside the workspace {place.workspace()}, got {output}")
    job_id = f"{place.check_slug(kind)}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    below = str(output.relative_to(place.workspace()))
    with job_table.transaction() as db:
        job_queue.recover(db)
        if any(row["output"] == below and row["state"] not in job_table.ENDS for row in job_table.rows(db)):
            raise ValueError(f"expected a new name, got {output.name!r}, which a job that has not ended writes already")
        db.execute(
            "INSERT INTO jobs (id, kind, arguments, output, device, state, created) VALUES (?, ?, ?, ?, ?, 'queued', ?)",
            (job_id, kind, json.dumps(arguments), below, device_of(arguments), time.time()),
        )
        job_queue.start_next(db, COMMAND)
        job_queue.forget_old(db)
    return job_id


def look() -> Queue:
    """The jobs as they are now. Ends those whose worker is gone and starts what can start; writes only where there is such a job.

    Never raises: a table that cannot be read or written is said in the answer. In read-only mode nothing is started or ended.
    """
    rows: list[sqlite3.Row] = []
    try:
        rows = job_table.rows()
        if job_queue.needs_care(rows) and not read_only.on():
            with job_table.transaction() as db:
                job_queue.recover(db)
                job_queue.start_next(db, COMMAND)
            rows = job_table.rows()
        away = [file.name for file in job_table.damaged()]
        problem = f"The table of jobs was damaged. It was set aside in {place.workspace()} as {', '.join(away)}, and a new one begun " \
            "with what could be read of it; remove that file when you no longer need it." if away else None
    except ValueError as error:
        problem = str(error)
    return Queue(_jobs(rows), problem)


def jobs() -> list[Job]:
    """Every job, the newest first; none where their table cannot be read (`look` says why)."""
    return look().jobs


def status(job_id: str) -> Job:
    """Raises ValueError if there is no such job."""
    for job in jobs():
        if job.id == job_id:
            return job
    raise ValueError(f"there is no job {job_id[:80]!r} in this workspace")


def cancel(job_id: str) -> None:
    """End a job: at once if queued, within two seconds if running. Nothing happens to a job that has ended.

    Raises ValueError if there is no such job, the table cannot be written, or in read-only mode.
    """
    read_only.refuse("stopping a job")
    job = status(job_id)
    with job_table.transaction() as db:
        job_queue.stop(db, job.id)


def tail(job_id: str, n_lines: int = 12) -> str:
    """The last lines that the job printed, errors last; empty if it printed nothing."""
    return "\n".join([*job_logs.lines(job_id, "out", n_lines), *job_logs.lines(job_id, "err", n_lines)][-n_lines:])


def _jobs(rows: list[sqlite3.Row]) -> list[Job]:
    """The newest first."""
    found, waiting = [], dict.fromkeys((row["device"] for row in rows), 0)
    for row in rows:
        waiting[row["device"]] += row["state"] == "queued"
        found.append(Job(
            row["number"], row["id"], row["kind"], tuple(json.loads(row["arguments"])), place.workspace() / row["output"],
            row["device"], row["state"], row["cause"], row["created"], job_queue.seconds(row),
            waiting[row["device"]] if row["state"] == "queued" else None,
        ))
    return found[::-1]
