"""Every name that becomes a path: hostile ones are refused in one line, and nothing appears or goes outside the workspace."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from analysis import (
    atomic,
    config_file,
    hub_data,
    job_logs,
    jobs,
    links_out,
    model_source,
    progress,
    runs,
    store,
    studies,
    workspace_items,
)
from analysis.dataset import read_samples
from tests.made_circuits import made_circuit

HOSTILE = {
    "parent": "..", "up": "../up", "up inside": "a/../../up", "absolute": "/tmp/up", "home": "~/up", "folder": "a/b", "nul": "a\0b",
    "drive": "C:\\up", "drive of here": "c:up", "share": "\\\\host\\share", "share by slashes": "//host/share", "backslashes": "..\\up",
    "one dot leaders": "․․/up", "full width": "．．／up", "ellipsis": "…", "letters of another width": "ａｂ", "300 letters": "x" * 300,
    "trailing dot": "up.", "trailing space": "up ", "leading space": " up", "hidden": ".up", "device": "con",
    "device with ending": "nul.json", "new line": "a\nb", "carriage return": "a\r", "empty": "", "dot": ".",
    "right to left": "a\u202eb", "escape": "a\x1b[0m", "upper": "UP",
}
GOOD = ["embedded-2", "a", "x" * 64, "npo_seed0.v2", "console", "0"]
ROWS = b'{"question": "Who?", "answer": "Ana"}\n{"question": "Where?", "answer": "Lund"}\n'


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """An empty workspace that is not the test's folder itself, so that there is an outside to look at."""
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(jobs.job_queue, "start_next", lambda *_: None)
    return tmp_path / "workspace"


def made(slug: str = "mine") -> studies.Study:
    return studies.create(slug, "Mine", "nowhere", ROWS, ROWS, (".jsonl", ".jsonl"))


DOORS = {
    "slug": store.check_slug,
    "study of an address": studies.named,
    "study of a form": made,
    "runs of a study": lambda name: runs.runs_folder(studies.Study(name, "", "", Path(), Path(), Path())),
    "kind of a job": lambda name: jobs.submit(name, ["score"], store.workspace() / "out"),
    "log of a job": lambda name: job_logs.path(name, "out"),
    "progress of a job": progress._file,
    "task_name of a config": lambda name: config_file._translated(Path("config.yaml"), "task_name", name),
    "item to remove": workspace_items.remove,
}


@pytest.mark.parametrize("door", DOORS)
def test_hostile_names_are_refused_in_one_line(workspace, tmp_path, monkeypatch, door):
    monkeypatch.chdir(tmp_path)
    for what, name in HOSTILE.items():
        with pytest.raises(ValueError, match="expected|there is no study") as error:
            pytest.fail(f"{what}: {DOORS[door](name)}")
        assert str(error.value).isprintable() and len(str(error.value)) < 400, what
    assert set(os.listdir(tmp_path)) <= {"workspace"}


@pytest.mark.parametrize("name", GOOD)
def test_a_plain_name_is_taken(workspace, name):
    assert studies.named(made(name).slug).forget.parent == workspace / "studies" / name


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/tmp/out", "leaving/out"])
def test_a_job_writes_inside_the_workspace_alone(workspace, tmp_path, path):
    workspace.mkdir()
    (workspace / "leaving").symlink_to(tmp_path)
    (workspace / "staying").symlink_to(workspace)
    with pytest.raises(ValueError, match="inside the workspace"):
        jobs.submit("score", ["score"], workspace / path)
    assert jobs.submit("score", ["score"], workspace / "staying" / "out")  # the control


def test_ids_of_samples_are_made_here_whatever_a_file_calls_them(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"id": name, "sample_id": name, "question": f"{n}?", "answer": "a"}) + "\n"
                            for n, name in enumerate(HOSTILE.values())))
    ids = [sample.id for sample in read_samples(file)[0]]
    assert len(set(ids)) == len(HOSTILE) and all(store.check_slug(name) for name in ids)


def test_circuits_go_to_files_of_their_own_folder(tmp_path):
    """Circuits can come from a file, and with them the ids."""
    circuit = made_circuit({"input->logits": 1.0})
    for name in (HOSTILE["up"], HOSTILE["absolute"], HOSTILE["nul"], HOSTILE["300 letters"], HOSTILE["backslashes"]):
        with pytest.raises(ValueError, match="sample"):
            store.write_exports(tmp_path / "out", [replace(circuit, sample_id=name)], "eap-ig", [""])
    assert list(tmp_path.rglob("*.json")) == []
    store.write_exports(tmp_path / "out", [circuit], "eap-ig", [""])
    assert [file.name for file in tmp_path.rglob("*.json")] == ["made.json"]


@pytest.mark.parametrize("link", ["", "forget.jsonl", "results", "results/scores/scores.csv"])
def test_a_study_that_is_or_holds_a_link_out_of_the_workspace_is_not_read(workspace, tmp_path, link):
    folder = made().forget.parent
    assert [study.slug for study in studies.known()] == ["embedded", "mine"]
    if link == "":
        shutil.move(folder, tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir(exist_ok=True)
    (folder / link).parent.mkdir(parents=True, exist_ok=True)
    if (folder / link).is_file():
        shutil.move(folder / link, tmp_path / "elsewhere" / "secret")
    (folder / link).symlink_to(tmp_path / "elsewhere" / "secret" if Path(link).suffix else tmp_path / "elsewhere")
    assert links_out.way_out(folder) == folder / link
    assert [study.slug for study in studies.known()] == ["embedded"]
    with pytest.raises(ValueError, match="a link that leads out of the workspace"):
        studies.named("mine")


def test_links_within_the_workspace_and_of_the_workspace_itself_are_followed(workspace, tmp_path, monkeypatch):
    study = made()
    study.forget.rename(study.forget.with_name("kept"))
    study.forget.symlink_to("kept")
    (study.forget.parent / "round").symlink_to("round")  # leads nowhere
    (tmp_path / "away").symlink_to(workspace)
    for root in (workspace, tmp_path / "away"):
        monkeypatch.setenv("LETHE_WORKSPACE", str(root))
        assert [study.slug for study in studies.known()] == ["embedded", "mine"]


@pytest.mark.parametrize("link", ["", "evaluation", "steps.csv"])
def test_a_run_that_is_or_holds_a_link_out_of_the_workspace_is_neither_listed_nor_exported(workspace, tmp_path, link):
    study = made()
    shipped = store.DATA / "results" / "runs" / "npo-seed0"
    folder = runs.runs_folder(study) / "mine"
    shutil.copytree(shipped, folder)
    assert [run.name for run in runs.list_runs(study)] == ["mine"]
    away = tmp_path / "elsewhere"
    shutil.move(folder / link, away)
    (folder / link).symlink_to(away)
    assert runs.list_runs(study) == []
    with pytest.raises(ValueError, match="a link that leads out of the workspace"):
        runs.read_run(folder)


def test_what_a_link_leads_to_is_never_removed(workspace, tmp_path):
    (tmp_path / "precious" / "deep").mkdir(parents=True)
    (tmp_path / "precious" / "deep" / "file").write_text("kept")
    for name in ("itself", "inside/link"):
        link = workspace / "runs" / "mine" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "precious")
        atomic.remove(workspace / "runs" / "mine" / Path(name).parts[0])
        assert not link.is_symlink() and (tmp_path / "precious" / "deep" / "file").read_text() == "kept"
    (workspace / "studies").mkdir()
    (workspace / "studies" / "linked").symlink_to(tmp_path / "precious")
    workspace_items.remove("studies/linked")
    assert not (workspace / "studies" / "linked").is_symlink() and (tmp_path / "precious" / "deep" / "file").exists()


@pytest.mark.parametrize("where", ["hf://datasets/{}", "hf://datasets/owner/{}/rows.jsonl", "hf://datasets/owner/name/{}",
                                   "hf://datasets/owner/name/{}/rows.jsonl"])
def test_addresses_of_data_on_the_hub_hold_no_way_up(tmp_path, monkeypatch, where):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    for name in (HOSTILE[what] for what in ("parent", "up", "up inside", "nul", "backslashes", "drive", "share", "new line", "empty")):
        with pytest.raises(ValueError) as error:
            hub_data.fetched(where.format(name))
        assert str(error.value).isprintable()
    assert not (tmp_path / "cache").exists()


MAY_BE = ("upper", "device", "device with ending", "folder", "hidden", "300 letters")  # names that a hub may have


def test_names_of_models_on_the_hub_hold_no_way_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for what, name in HOSTILE.items():
        for given in (f"owner/{name}", f"{name}/name", f"owner/name@{name}", name):
            if what in MAY_BE or "\0" not in given and len(given) < 200 and Path(given).is_dir():
                continue
            with pytest.raises(ValueError) as error:
                pytest.fail(f"{what}: {model_source.local(given)}")
            assert str(error.value).isprintable()
    assert os.listdir(tmp_path) == []
