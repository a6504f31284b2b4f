"""What is removed from a workspace is what was listed, whole and alone, and nothing that something else needs."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from analysis import index, job_table, objects, studies, workspace_check, workspace_items
from tests.workspace_fixture import FACTS, contents, copied, empty_root, made_whole, run  # noqa: F401


def test_an_item_is_removed_whole_and_alone(copy):
    before = contents(copy)
    freed = workspace_items.remove("runs/mine/npo")
    gone = {name: content for name, content in before.items() if name.startswith("runs/mine/npo/")}
    assert freed == sum(map(len, gone.values())) > 0
    assert contents(copy) == {name: content for name, content in before.items() if name not in gone}
    workspace_items.remove("objects/edge-scores/" + "f" * 16)
    assert index.entries(copy) == [] and workspace_check.check(copy) == []


def test_only_what_is_listed_can_be_removed(copy):
    before = contents(copy)
    for path in ("", ".", "..", "../ws", "runs", "runs/mine/../mine/npo", "/etc", "studies/mine\0", "jobs.sqlite", "workspace.json",
                 "runs/mine/npo/", "C:\\x", "runs/mine/．．"):
        with pytest.raises(ValueError, match="expected one of the items"):
            workspace_items.remove(path)
        assert contents(copy) == before, path


def test_a_link_goes_and_what_it_leads_to_stays(copy, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "thesis.txt").write_text("five years")
    (copy / "runs" / "mine" / "linked").symlink_to(tmp_path / "outside")
    workspace_items.remove("runs/mine/linked")
    assert not (copy / "runs" / "mine" / "linked").is_symlink()
    assert (tmp_path / "outside" / "thesis.txt").read_text() == "five years"


def test_nothing_behind_a_link_out_is_removed_or_set_aside(copy, tmp_path):
    away = tmp_path / "outside"
    shutil.copytree(copy / "runs" / "mine", away)
    (away / "npo" / "samples.csv").write_text("half")
    (away / "rmu" / "checkpoint").mkdir()
    before = contents(away)
    (copy / "runs" / "linked").symlink_to(away)
    with pytest.raises(ValueError, match="behind a link that leads out"):
        workspace_items.remove("runs/linked/rmu")
    workspace_check.repair(copy)
    assert contents(away) == before and (away / "rmu" / "checkpoint").is_dir()


@pytest.mark.parametrize("column", ["kind = '..', model = '..', key = '../outside'", "n_bytes = 'many'", "used = 'x'", "name = x'ff'"])
def test_a_changed_index_leads_nowhere(copy, tmp_path, column):
    (tmp_path / "outside").mkdir()
    with closing(sqlite3.connect(copy / index.FILE)) as db:
        db.execute(f"UPDATE objects SET {column} WHERE n_bytes = (SELECT max(n_bytes) FROM objects)")
        db.commit()
    with pytest.raises(ValueError, match="expected one of the items"):
        workspace_items.remove("objects/../..")
    assert workspace_items.prune(0)[0] == 2 and (tmp_path / "outside").is_dir()
    assert [(f.path, f.cure) for f in workspace_check.check(copy)] == [(index.FILE, "rebuilt")]


def test_an_imported_evaluation_is_an_item_that_is_checked_and_removed(copy):
    folder = copy / "imported" / "mine" / "theirs" / "evaluation"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("[" * 100_000)
    assert "imported/mine/theirs" in {item.path for item in workspace_items.items(copy)}
    workspace_check.repair(copy)
    assert (copy / "damaged" / "imported" / "mine" / "theirs" / "evaluation-1").is_dir() and workspace_check.check(copy) == []
    workspace_items.remove("imported/mine/theirs")
    assert not folder.parent.exists()


def _job(state: str, *arguments: str, output: str):
    with job_table.transaction() as db:
        db.execute("INSERT INTO jobs (id, kind, arguments, output, state, created, device) VALUES ('j', 'k', ?, ?, ?, 0, 'cpu')",
                   (json.dumps(list(arguments)), output, state))


@pytest.mark.parametrize(("state", "refused"), [("queued", True), ("done", False)])
@pytest.mark.parametrize(("path", "arguments", "output"), [
    ("runs/mine/npo", ["evaluate", "--model", "{root}/runs/mine/npo/model"], "runs/mine/npo/evaluation"),
    ("runs/mine/npo", ["validity", "--run", "{root}/runs/mine/npo"], "x"),
    ("studies/mine", ["unlearn", "--forget", "{root}/studies/mine/forget.jsonl"], "runs/mine/new"),
    ("objects/edge-scores/" + "f" * 16, ["score"], "studies/other/results/scores"),
])
def test_what_an_unfinished_job_needs_is_not_removed(copy, monkeypatch, state, refused, path, arguments, output):
    monkeypatch.setattr("analysis.job_queue.start_next", lambda *_: None)
    _job(state, *(word.format(root=copy) for word in arguments), output=output)
    if refused:
        with pytest.raises(ValueError, match="the job j needs it"):
            workspace_items.remove(path)
    assert (copy / path).exists()
    if not refused:
        workspace_items.remove(path)
        assert not (copy / path).exists()


def test_nothing_is_removed_where_nobody_knows_what_jobs_need(copy):
    for file in copy.glob("jobs.sqlite*"):
        file.unlink()
    (copy / "jobs.sqlite").mkdir()
    for removing in (lambda: workspace_items.remove("runs/mine/npo"), lambda: workspace_items.prune(0)):
        with pytest.raises(ValueError, match="the table of jobs"):
            removing()
    assert (copy / "runs" / "mine" / "npo").is_dir()


def test_a_run_that_is_the_model_of_a_study_is_not_removed(copy):
    studies.create("after", "After", str(copy / "runs" / "mine" / "npo" / "model"), b"{}", b"{}", (".jsonl", ".jsonl"))
    with pytest.raises(ValueError, match="the model of the study after lies in it"):
        workspace_items.remove("runs/mine/npo")
    workspace_items.remove("runs/mine/rmu")


def test_pruning_takes_the_longest_unused_and_no_result(copy):
    objects.touch(copy, "edge-scores", [FACTS])  # the smallest, kept first, is used last
    sizes = {entry.key: entry.n_bytes for entry in index.entries(copy)}
    results = {name: content for name, content in contents(copy).items() if not name.startswith("objects")}
    assert workspace_items.prune(sum(sizes.values())) == (0, 0)
    n, freed = workspace_items.prune(sizes[objects.key(FACTS)])
    assert (n, freed) == (2, sum(sizes.values()) - sizes[objects.key(FACTS)])
    assert [entry.key for entry in index.entries(copy)] == [objects.key(FACTS)]
    assert run("prune", "--keep-gb", "0").stdout.startswith("1 objects removed")
    assert {name: content for name, content in contents(copy).items() if not name.startswith("objects")} == results
    assert workspace_check.check(copy) == []
