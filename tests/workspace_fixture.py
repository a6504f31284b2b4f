"""A workspace that has everything, as fixtures: `root` (empty), `copy` (whole, of the test's own)."""

import shutil

import pytest
from typer.testing import CliRunner

from analysis import jobs, objects, studies, workspace
from analysis.__main__ import app
from tests.planted_study import planted_study

FACTS = {"fingerprint": "f" * 16, "seed": 0}


@pytest.fixture(name="root")
def empty_root(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "ws"))
    return tmp_path / "ws"


@pytest.fixture(scope="module", name="whole")
def made_whole(tmp_path_factory):
    """A workspace with a study, its results, a run, kept objects and a job table; nothing is wrong with it."""
    root = tmp_path_factory.mktemp("whole") / "ws"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_WORKSPACE", str(root))
        workspace.prepared()
        study = studies.create("mine", "Mine", "nowhere", b'{"question": "Q?", "answer": "A"}\n' * 2, b"{}", (".jsonl", ".jsonl"))
        planted_study(study.results, n=24)
        shutil.move(study.results / "runs", root / "runs" / "mine")
        for seed in range(3):
            objects.put(root, "edge-scores", FACTS | {"seed": seed}, {"a.safetensors": b"x" * 1000 * (seed + 1)}, "a model")
        jobs.jobs()
    return root


@pytest.fixture(name="copy")
def copied(whole, root):
    shutil.copytree(whole, root)
    return root


def run(*arguments: str):
    return CliRunner().invoke(app, ["workspace", *arguments])


def contents(root) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file() and "sqlite" not in p.name}
