"""The server is killed with all that it started but the workers: what runs goes on, what waits has its turn, a new server sees both."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from analysis import jobs, place

WORK = """
import pathlib, sys, time
folder, gate = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
print("working", flush=True)
end = time.monotonic() + 300
while not gate.exists() and time.monotonic() < end:
    time.sleep(0.05)
folder.mkdir()
"""
SERVER = """
import sys, time
from analysis import jobs, place
jobs.COMMAND = [sys.executable, "-c", sys.argv[1]]
gate = str(place.workspace() / "gate")
for name in "ab":
    print(jobs.submit("test", [str(place.workspace() / name), gate], place.workspace() / name), flush=True)
while True:
    jobs.jobs()
"""


def until(holds) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_jobs_go_on_when_the_server_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    server = subprocess.Popen([sys.executable, "-c", SERVER, WORK], cwd=place.PROJECT, stdout=subprocess.PIPE, text=True,
                              start_new_session=True)
    first, second = (server.stdout.readline().strip() for _ in range(2))
    until(lambda: "working" in jobs.tail(first))
    os.killpg(server.pid, signal.SIGKILL)  # as it looks at the table, again and again
    server.wait()
    assert [jobs.status(name).state for name in (first, second)] == ["running", "queued"]
    (tmp_path / "gate").touch()
    until(lambda: jobs.status(second).state == "done")
    assert jobs.status(first).state == "done" and (tmp_path / "a").is_dir() and (tmp_path / "b").is_dir()
    with sqlite3.connect(tmp_path / "jobs.sqlite") as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
