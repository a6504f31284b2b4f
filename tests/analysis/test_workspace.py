"""A workspace keeps what it holds: brought to a new version, checked and repaired, it loses nothing."""

import json
import shutil

import pytest

from analysis import anchor_runs, index, jobs, objects, workspace, workspace_check, workspace_items
from tests.workspace_fixture import contents, copied, empty_root, made_whole, run  # noqa: F401


def test_a_workspace_of_the_first_version_opens_and_keeps_everything(root):
    facts = {"fingerprint": "c" * 16, "config": {"method": "NPO"}}
    old = root / "anchor-runs"
    old.mkdir(parents=True)
    (old / f"{objects.key(facts)}.json").write_text(json.dumps({"key": facts, "forget_nll": [1.5, 0.25]}))
    (old / "changed-by-hand.json").write_text("{")
    (old / ("0" * 24 + ".json")).write_text(json.dumps({"key": {"fingerprint": "../../../x"}, "forget_nll": [1.0]}))
    for name in ("studies/s/study.json", "runs/s/r/manifest.json", "jobs/a.out"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    others = {name: content for name, content in contents(root).items() if not name.startswith("anchor-runs")}
    assert workspace.version(root) == 1
    assert workspace.prepared() == root and workspace.version(root) == workspace.VERSION
    kept = objects.get(root, anchor_runs.KIND, facts)
    assert objects.table(kept[anchor_runs.FILE])["forget_nll"].tolist() == [1.5, 0.25]
    assert {name: contents(root)[name] for name in others} == others
    assert not old.exists() and len(list((root / "damaged" / "anchor-runs").iterdir())) == 2
    before = contents(root)
    assert workspace.prepared() == root and contents(root) == before


def test_a_migration_that_was_killed_goes_on(root, monkeypatch):
    some = [{"fingerprint": "c" * 16, "seed": seed} for seed in range(3)]
    for facts in some:
        (root / "anchor-runs").mkdir(parents=True, exist_ok=True)
        (root / "anchor-runs" / f"{objects.key(facts)}.json").write_text(json.dumps({"key": facts, "forget_nll": [1.0]}))
    real, done = objects.put, []

    def killed(*args):
        if done:
            raise KeyboardInterrupt
        done.append(real(*args))

    monkeypatch.setattr(objects, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        workspace.prepared()
    assert workspace.version(root) == 1
    monkeypatch.setattr(objects, "put", real)
    workspace.prepared()
    assert all(objects.get(root, anchor_runs.KIND, facts) for facts in some)


def test_a_newer_workspace_is_refused_by_every_command_and_not_touched(root):
    root.mkdir()
    (root / workspace.FILE).write_text('{"version": 99}')
    before = contents(root)
    for command in (["show"], ["check"], ["repair"]):
        result = run(*command)
        assert result.exit_code == 2 and "of a newer Lethe" in result.stderr and len(result.stderr.splitlines()) == 1
    assert contents(root) == before


@pytest.mark.parametrize("content", ["", "[]", '{"version": "two"}', "{}", '{"version": 1e999}', "[" * 100_000])
def test_a_version_that_cannot_be_read_is_said_and_repaired(root, content):
    root.mkdir()
    (root / workspace.FILE).write_text(content)
    result = run("show")
    assert result.exit_code == 2 and "workspace repair" in result.stderr
    assert run("repair").exit_code == 0 and workspace.version(root) == workspace.VERSION
    assert (root / "damaged" / f"{workspace.FILE}-1").read_text() == content


def test_a_place_that_cannot_be_written_is_said_in_a_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "file"))
    with pytest.raises(ValueError, match="must be a folder that can be written: name another in LETHE_WORKSPACE"):
        workspace.prepared()
    assert run("show").exit_code == 2


def test_a_demo_writes_no_workspace(root, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    assert workspace.prepared() == root and not root.exists()
    changes = (lambda: workspace_items.remove("studies/mine"), lambda: workspace_items.prune(0), lambda: workspace_check.repair(root))
    for change in changes:
        with pytest.raises(ValueError, match="read-only demo"):
            change()


def test_a_whole_workspace_has_no_findings_and_its_sizes_add_up(copy):
    assert workspace_check.check(copy) == []
    found = {item.path: item for item in workspace_items.items(copy)}
    assert set(found) == {"studies/mine", "runs/mine/npo", "runs/mine/rmu", "objects/edge-scores/" + "f" * 16}
    assert (found["runs/mine/npo"].kind, found["runs/mine/npo"].title) == ("run of NPO", "mine")
    assert not any(item.problem for item in found.values())
    for path, item in found.items():
        assert item.n_bytes == sum(file.stat().st_size for file in (copy / path).rglob("*") if file.is_file())
    assert "in all" in run("show").stdout and run("check").exit_code == 0


DAMAGE = {  # what is cut or changed, and what is set aside for it
    "studies/mine/results/circuits/circuits.safetensors": "studies/mine/results/circuits",
    "studies/mine/results/circuits/circuits.json": "studies/mine/results/circuits",
    "studies/mine/results/scores/scores.json": "studies/mine/results/scores",
    "runs/mine/npo/samples.csv": "runs/mine/npo",
    "runs/mine/npo/manifest.json": "runs/mine/npo",
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_is_damaged_is_found_set_aside_and_nothing_else_changes(copy, name):
    half = (copy / name).read_bytes()[: (copy / name).stat().st_size // 3]
    (copy / name).write_bytes(half)
    before = contents(copy)
    finding, = workspace_check.check(copy)
    assert (finding.path, finding.cure) == (DAMAGE[name], "set aside") and contents(copy) == before
    assert workspace_check.repair(copy) == [finding]
    assert workspace_check.check(copy) == []
    aside = f"damaged/{DAMAGE[name]}-1"
    moved = {n.replace(DAMAGE[name], aside) if n.startswith(f"{DAMAGE[name]}/") else n: c for n, c in before.items()}
    assert contents(copy) == moved


def test_a_half_written_table_and_a_half_written_parquet_file_are_found(copy):
    results = copy / "studies" / "mine" / "results"
    for name, content in (("alone/alone.csv", b'a,b\n"1'), ("alone/x.parquet", b"PAR1..PAR1"), ("validity.csv", b"")):
        (results / name).parent.mkdir(exist_ok=True)
        (results / name).write_bytes(content)
    paths = {finding.path for finding in workspace_check.check(copy)}
    assert paths == {"studies/mine/results/alone", "studies/mine/results/validity.csv"}


def test_objects_databases_and_leftovers_are_put_right(copy):
    first = sorted((copy / "objects").glob("*/*/*"))[0]
    (first / "a.safetensors").write_bytes(b"y" * 1000)
    for name in (index.FILE, "jobs.sqlite"):
        for suffix in ("-wal", "-shm"):
            (copy / f"{name}{suffix}").unlink(missing_ok=True)
        (copy / name).write_bytes(b"garbage " * 200)
    (copy / "runs" / "mine" / ".half.lethe~new").mkdir()
    shutil.copytree(copy / "runs" / "mine" / "npo", copy / "runs" / "gone" / "npo")
    cures = {finding.path: finding.cure for finding in workspace_check.check(copy)}
    assert cures == {
        first.relative_to(copy).as_posix(): "set aside", index.FILE: "rebuilt", "jobs.sqlite": "rebuilt",
        "runs/mine/.half.lethe~new": "removed", "runs/gone": "by hand",
    }
    workspace_check.repair(copy)
    assert [finding.path for finding in workspace_check.check(copy)] == ["runs/gone"]
    assert len(index.entries(copy)) == 2 and jobs.jobs() == []
    assert len(list(copy.glob("*.damaged-*"))) == 2


def test_a_study_that_cannot_be_read_is_named_and_left_where_it_is(copy):
    (copy / "studies" / "mine" / "study.json").write_text("{")
    before = contents(copy)
    assert "CANNOT BE READ" in run("show").stdout
    assert [(f.path, f.cure) for f in workspace_check.repair(copy)][0] == ("studies/mine", "by hand")
    assert contents(copy) == before


def test_a_map_in_a_workspace_called_runs_is_no_run(copy, monkeypatch):
    moved = copy.rename(copy.with_name("runs"))
    monkeypatch.setenv("LETHE_WORKSPACE", str(moved))
    (moved / "conflicts" / "embedded").mkdir(parents=True)
    assert workspace_check.check(moved) == []
