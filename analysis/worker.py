"""The process of one job: `python -m analysis.worker <job id>`. Runs its command, records the end, starts the next job."""

import os
import signal
import subprocess
import sys
import threading

import psutil

from analysis import jobs, store

GRACE = 1.0  # seconds between asking the command to stop and killing it


def main(job_id: str) -> None:
    """The command inherits this process's stdout and stderr, which are the job's log files."""
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    command = jobs.claimed_command(job_id, os.getpid())
    if command is None:  # the one who started this process died before it wrote so
        return
    child = subprocess.Popen(command, cwd=store.PROJECT, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    while child.poll() is None and not told_to_stop.wait(0.1):
        pass
    if child.poll() is None:
        _stop(child)
    jobs.finish(job_id, child.returncode, told_to_stop.is_set())


def _stop(child: subprocess.Popen) -> None:
    """End the command, and all that it started, within GRACE seconds."""
    family = [psutil.Process(child.pid), *psutil.Process(child.pid).children(recursive=True)]
    child.terminate()
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        for process in family:
            if process.is_running():
                process.kill()
        child.wait()


if __name__ == "__main__":
    main(sys.argv[1])
