"""How far a job is: a small file beside its logs, written by the command's own progress and read by the pages.

Times are time.monotonic(), which all processes share until the machine restarts and which no change of the clock moves.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis import place

TAG = "LETHE_JOB"  # environment variable that marks every process of a job
SHORTEST = 0.2  # seconds between two writings
PHASES = {  # of the commands that have several: how what they say begins
    "score": ("circuits", "anchor run", "MRD"),
    "conflicts": ("forget set", "retain", "conflicts"),
}


@dataclass(frozen=True)
class Progress:
    """`done` of `total` in a phase. The phase's rate is measured from `first`, what was done at its first word, at `began`."""

    phase: str
    done: int
    total: int
    first: int
    began: float
    at: float

    def remaining(self) -> float | None:
        """Seconds that this phase will still take at its measured rate; None before there is one."""
        if self.done <= self.first or self.at <= self.began or self.done >= self.total:
            return None
        per_unit = (self.at - self.began) / (self.done - self.first)
        return max(0.0, per_unit * (self.total - self.done) - (time.monotonic() - self.at))

    def phase_number(self, command: str) -> tuple[int, int] | None:
        """Which phase of the command this is, from 1, and of how many; None where it is not known."""
        known = PHASES.get(command, ())
        found = (i for i, beginning in enumerate(known, 1) if self.phase.startswith(beginning))
        return next(((i, len(known)) for i in found), None)


def folder() -> Path:
    """Where the jobs' logs and their progress lie."""
    return place.workspace() / "jobs"


def write(phase: str, done: int, total: int) -> None:
    """Note it if this process is a job's; several times a second only what begins or ends. Never fails: it is only shown."""
    if TAG not in os.environ:
        return
    with suppress(OSError, ValueError):
        file, now = _file(os.environ[TAG]), time.monotonic()
        last = read(os.environ[TAG])
        same = last is not None and _goes_on(last, phase, done, total)
        if same and done < total and now - last.at < SHORTEST:
            return
        said = Progress(phase, done, total, last.first, last.began, now) if same else Progress(phase, done, total, done, now, now)
        temporary = file.with_suffix(".tmp")  # renamed into place without fsync: worth nothing after the job
        temporary.write_text(json.dumps(asdict(said)))
        temporary.replace(file)


def read(job_id: str) -> Progress | None:
    """What the job said last; None before its first word."""
    try:
        said = json.loads(_file(job_id).read_text())
        texts, counts, times = [said["phase"]], [said[n] for n in ("done", "total", "first")], [said[n] for n in ("began", "at")]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return None
    fits = [isinstance(v, str) for v in texts] + [type(v) is int and 0 <= v < 2**53 for v in counts]
    fits += [type(v) in (int, float) and 0 <= v < 2**53 for v in times]
    return Progress(*texts, *counts, *map(float, times)) if all(fits) else None


def _goes_on(last: Progress, phase: str, done: int, total: int) -> bool:
    """Whether this counts on from the last word: steps go on over the epochs that the words name."""
    return done >= last.done and (phase == last.phase or (total == last.total and last.done < last.total))


def _file(job_id: str) -> Path:
    return folder() / f"{place.check_slug(job_id)}.json"
