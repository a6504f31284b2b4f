"""Is everything in a workspace whole? And what can be put right by itself is: nothing is deleted but what can be made again."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml

from analysis import atomic, conflict_map, index, jobs, links_out, objects, outcomes, read_only, runs, store, studies, workspace

Cure = Literal["set aside", "rebuilt", "removed", "by hand"]
BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be: where (below the workspace), what, and what `repair` does about it."""

    path: str
    what: str
    cure: Cure


def check(root: Path) -> list[Finding]:
    """Everything that is wrong, nothing changed. Raises ValueError if a newer Lethe wrote the workspace."""
    found = [*_files_of_the_whole(root), *_left_over(root), *_objects(root), *_studies(root)]
    broken = {}
    for folder, what in _results(root):
        broken.setdefault(_inside(root, folder), what)  # one finding for each thing that is set aside
    found += [Finding(path, what, "set aside") for path, what in broken.items()]
    return [finding for finding in found if not links_out.leads_out(root / finding.path)]  # that is not the workspace's to repair


def repair(root: Path) -> list[Finding]:
    """Put right what `check` finds, as far as its cure says so; returns what was found.

    Raises ValueError if a newer Lethe wrote the workspace, it cannot be written, or in read-only mode.
    """
    read_only.refuse("repairing the workspace")
    found = check(root)
    atomic.recover(root)
    for finding in found:
        if finding.cure == "set aside" and (root / finding.path).exists():
            objects.set_aside(root, root / finding.path)
        elif finding.cure == "removed":
            atomic.remove(root / finding.path)
    workspace.prepared()
    jobs.jobs()  # a damaged table is set aside, and jobs whose process is gone are ended
    index.rebuild(root)
    return found


def _files_of_the_whole(root: Path) -> Iterator[Finding]:
    if (why := workspace.too_new()) is not None:
        raise ValueError(why)
    try:
        workspace.version(root)
    except workspace.Unreadable as error:
        yield Finding(workspace.FILE, str(error), "set aside")
    if (problem := index.problem(root)) is not None:
        yield Finding(index.FILE, problem, "rebuilt")
    if (root / "jobs.sqlite").exists():
        try:
            with closing(sqlite3.connect(f"{(root / 'jobs.sqlite').as_uri()}?mode=ro", uri=True, timeout=20)) as db:
                said = " ".join(db.execute("PRAGMA quick_check").fetchone()[0].split())
        except sqlite3.Error as error:
            said = str(error)
        if said != "ok":
            yield Finding("jobs.sqlite", said, "rebuilt")


def _left_over(root: Path) -> Iterator[Finding]:
    for path in atomic.leftovers(root):
        yield Finding(_inside(root, path), "left by a process that was killed while it wrote", "removed")
    for path in sorted(path for name in ("checkpoint", "progress.json") for path in (root / "runs").glob(f"*/*/{name}")):
        if path.parent.suffix != ".partial" and (path.parent / "manifest.json").is_file():
            yield Finding(_inside(root, path), "of a run that is whole and does not go on from here", "removed")


def _objects(root: Path) -> Iterator[Finding]:
    for folder in sorted((root / "objects").glob("*/*/*")):
        if not folder.name.startswith("."):
            try:
                objects.read(folder)
            except ValueError as error:
                yield Finding(_inside(root, folder), str(error).removeprefix(f"{folder}: "), "set aside")


def _studies(root: Path) -> Iterator[Finding]:
    known = {"embedded", *(study.slug for study in studies.known())}
    for folder in sorted(p for p in (root / "studies").glob("*") if p.is_dir() and not p.name.startswith(".")):
        try:
            study = studies.named(folder.name)
        except ValueError as error:
            yield Finding(_inside(root, folder), f"{error}; correct it, or make the study again", "by hand")
            continue
        for file in (study.forget, study.retain):
            if not file.is_file():
                yield Finding(_inside(root, file), "is not there; put the file back, or make the study again", "by hand")
    for folder in sorted(folder for kind in ("runs", "imported") for folder in (root / kind).glob("*")):
        if folder.is_dir() and folder.name not in known:
            yield Finding(_inside(root, folder), f"{folder.parent.name} of a study that is not there; make it again, or remove them",
                          "by hand")


def _results(root: Path) -> Iterator[tuple[Path, str]]:
    """The folder (for a file that stands alone: the file) to be set aside, and why."""
    parents = [*(root / "studies").glob("*/results"), *(root / "runs").glob("*/*"), *(root / "conflicts").glob("*"),
               *(root / "imported").glob("*/*")]
    for parent in sorted(p for p in parents if p.is_dir() and p.suffix != ".partial" and not p.name.startswith(".")):
        if parent.parent.parent == root / "runs" and (why := _why_not(runs.read_run, parent)):
            yield parent, why
            continue
        whole = [p for p in (parent, *sorted(parent.rglob("*"))) if not any(part[0] == "." for part in p.relative_to(parent).parts)]
        for file in (p for p in whole if p.is_file()):
            if why := _why_not(CONTENT.get(file.suffix, Path.stat), file):
                yield (file if file.parent.name == "results" else file.parent), f"{file.name}: {why}"
        for folder in (p for p in whole if p.name in READERS and p.is_dir()):
            if why := _why_not(READERS[folder.name], folder):
                yield folder, why


def _why_not(read: Callable[[Path], Any], path: Path) -> str | None:
    from safetensors import SafetensorError

    try:
        read(path)
    except (*BROKEN, yaml.YAMLError, SafetensorError) as error:
        return (str(error) or type(error).__name__).splitlines()[0]
    return None


def _header(file: Path) -> None:
    from safetensors import safe_open

    with safe_open(file, "numpy"):  # refuses a header that does not fit the file's length
        pass


def _inside(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _table(file: Path) -> None:
    pd.read_csv(file)
    if not file.read_bytes().endswith(b"\n"):
        raise ValueError("its last line is cut")


def _lines(file: Path) -> None:
    for line in file.read_text().splitlines():
        json.loads(line or "null")


CONTENT: dict[str, Callable[[Path], Any]] = {
    ".json": lambda file: json.loads(file.read_text()), ".jsonl": _lines, ".yaml": lambda file: yaml.safe_load(file.read_text()),
    ".csv": _table, ".parquet": pd.read_parquet, ".safetensors": _header,
}
READERS: dict[str, Callable[[Path], Any]] = {
    "scores": store.read_scores, "circuits": store.read_circuits, "conflicts": conflict_map.read,
    "evaluation": outcomes.read_evaluation,
}
