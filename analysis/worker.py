"""The process of one job: `python -m analysis.worker <job id> <program> ...`. Runs the program with the job's arguments, records the
end, starts the next job."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

from analysis import job_queue, place

GRACE = 1.0  # seconds between asking the command to stop and killing it
N_TRIES, PAUSE = 60, 5.0  # to record the end, if the disk is full; seconds between them


def main(job_id: str, *program: str) -> None:
    """The command inherits this process's stdout and stderr, which are the job's log files."""
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    arguments = job_queue.claimed(job_id, os.getpid())
    if arguments is None:  # the one who started this process died before it wrote so
        return
    child = subprocess.Popen([*program, *arguments], cwd=place.PROJECT, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    while child.poll() is None and not told_to_stop.wait(0.1):
        pass
    if child.poll() is None:
        _stop(child)
    for _ in range(N_TRIES):
        try:
            job_queue.finish(job_id, child.returncode, told_to_stop.is_set(), program)
            break
        except ValueError:  # a full disk: the log cannot be written either
            time.sleep(PAUSE)


def _stop(child: subprocess.Popen) -> None:
    """End the command, and all that it started, within GRACE seconds."""
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        for process in family:
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile; another one of its pid is left alone
                process.kill()
        child.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
