"""Commands that are killed, run out of disk or meet another writer: a sample of what `tests/benchmarks/faults.py` tries."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save
from typer.testing import CliRunner

from analysis import atomic, workspace_check
from analysis.__main__ import app
from tests.fault_commands import COMMANDS
from tests.planted_study import write_run

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


def test_repair_removes_what_a_whole_run_no_longer_needs_and_keeps_what_resumes(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    for name in ("whole", "killed.partial"):
        write_run(tmp_path / "runs" / "embedded" / name, ["a", "b"], np.array([1.0, 2.0]), "NPO")
        atomic.write_bytes(tmp_path / "runs" / "embedded" / name / "checkpoint" / "state.safetensors", save({"x": np.zeros(1)}))
        atomic.write_json(tmp_path / "runs" / "embedded" / name / "progress.json", {})
    assert [f.path for f in workspace_check.repair(tmp_path)] == ["runs/embedded/whole/checkpoint", "runs/embedded/whole/progress.json"]
    assert workspace_check.check(tmp_path) == []
    assert len(list(tmp_path.glob("runs/*/*/progress.json"))) == 1 and len(list(tmp_path.glob("runs/*/*/samples.csv"))) == 2
