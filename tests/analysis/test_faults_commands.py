"""Commands that are killed, run out of disk or meet another writer: a sample of what `tests/benchmarks/faults.py` tries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis import atomic
from analysis.__main__ import app
from tests.fault_commands import COMMANDS

ROOT = Path(__file__).parents[2]
FOLDERS = [c for c in COMMANDS if c.output == "out" and c.name != "report"]


@pytest.mark.slow
def test_nothing_is_lost_when_commands_are_killed_or_the_disk_is_full():
    full = ["--full"] if os.geteuid() == 0 else []
    done = subprocess.run([sys.executable, "-m", "tests.benchmarks.faults", "--every", "40", *full, "corrupt", "unlearn"], cwd=ROOT,
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert [row["command"] for row in rows] == ["unlearn", "corrupt"] and rows[0]["kills"] > 5 and rows[1]["kills"] > 0
    assert not full or all(row["full"] > 0 for row in rows)


@pytest.mark.parametrize("command", FOLDERS, ids=lambda c: c.name)
def test_what_another_process_writes_is_refused_before_anything_is_loaded(command, tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "disk" / "workspace"))
    with atomic.claim(tmp_path / "disk" / "workspace" / "out"):
        said = CliRunner().invoke(app, command.arguments(tmp_path))
    assert said.exit_code == 2 and "another process is writing it" in said.output and said.output.count("\n") == 1
