"""What lies in a workspace, item by item with its size, and how to make room: an item is removed whole, never while a job needs it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from analysis import atomic, index, job_table, jobs, links_out, objects, place, read_only, runs, studies

REUSING = ("score", "circuits")  # commands that read and write objects/
UNITS = ("B", "kB", "MB", "GB", "TB")
KINDS = {"edge-scores": "edge scores kept", "anchor-runs": "anchor runs kept", "mrd": "MRD kept"}


@dataclass(frozen=True)
class Item:
    """`path` is below the workspace; `title` names what it belongs to; `n_bytes` with all that is in it. `problem`: why it cannot
    be shown, None if it can. `again`: whether the commands make it again by themselves."""

    path: str
    kind: str
    title: str
    n_bytes: int
    problem: str | None = None
    again: bool = False


def items(root: Path) -> list[Item]:
    """Everything that can be removed, by path: studies, runs, maps, imports, kept objects by kind and model, logs, what was damaged."""
    return [*_studies(root), *_runs(root), *_maps_and_imports(root), *_objects(root), *_rest(root)]


def _studies(root: Path) -> Iterator[Item]:
    for folder in _folders(root / "studies"):
        problem = None
        try:
            title = studies.named(folder.name).title
        except ValueError as error:
            title, problem = "", str(error)
        yield Item(f"studies/{folder.name}", "study with its results", title, size(folder), problem)


def _runs(root: Path) -> Iterator[Item]:
    for folder in (run for study in _folders(root / "runs") for run in _folders(study)):
        problem, title, kind = None, folder.parent.name, "run"
        if folder.suffix == ".partial":
            kind = "run that can be resumed"
        else:
            try:
                kind = f"run of {runs.read_run(folder).record.method}"
            except ValueError as error:
                problem = str(error)
        yield Item(f"runs/{folder.parent.name}/{folder.name}", kind, title, size(folder), problem)


def _maps_and_imports(root: Path) -> Iterator[Item]:
    for folder in _folders(root / "conflicts"):
        yield Item(f"conflicts/{folder.name}", "conflict map", folder.name, size(folder))
    for folder in (each for study in _folders(root / "imported") for each in _folders(study)):
        yield Item(f"imported/{folder.parent.name}/{folder.name}", "imported evaluation", folder.parent.name, size(folder))


def _objects(root: Path) -> Iterator[Item]:
    groups: dict[tuple[str, str], list[index.Entry]] = {}
    for entry in index.entries(root):
        groups.setdefault((entry.kind, entry.model), []).append(entry)
    for (kind, model), found in sorted(groups.items()):
        kept = f"{len(found)} {KINDS.get(kind, kind)}"
        yield Item(f"objects/{kind}/{model}", kept, found[-1].name, sum(entry.n_bytes for entry in found), again=True)


def _rest(root: Path) -> Iterator[Item]:
    names = {objects.DAMAGED: "set aside as damaged"} | {file.name: "set aside as damaged" for file in root.glob("*.damaged-*")}
    for name, kind in names.items():
        if (root / name).exists():
            yield Item(name, kind, "", size(root / name))


def _folders(parent: Path) -> list[Path]:
    return sorted(p for p in parent.glob("*") if p.is_dir() and not p.name.startswith("."))


def size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with suppress(FileNotFoundError):  # gone meanwhile
                total += Path(folder, name).lstat().st_size
    return total


def in_words(n_bytes: int) -> str:
    """1.5 MB, by thousands."""
    size, unit = float(n_bytes), 0
    while size >= 999.5 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{n_bytes} B" if unit == 0 else f"{size:.3g} {UNITS[unit]}"


def used_by(root: Path, path: str) -> str | None:
    """Who needs this item, in words: a job that has not ended and writes or reads it, or a study whose model it holds; else None.
    Raises ValueError if the table of jobs cannot be read."""
    where = (root / path).resolve()
    job_table.rows()  # raises if it cannot be read: nobody knows then what is needed
    for job in jobs.jobs():
        partial = job.output.with_name(f"{job.output.name}.partial")
        named = [job.output, partial, *(place.PROJECT / word for word in job.arguments if "/" in word)]
        reuses = path.startswith("objects/") and job.arguments[:1] and job.arguments[0] in REUSING
        if job.active and (reuses or any(name.resolve().is_relative_to(where) for name in named)):
            return f"the job {job.id} needs it; wait for it to end, or cancel it"
    for study in studies.known():
        if (place.PROJECT / study.model).resolve().is_relative_to(where):
            return f"the model of the study {study.slug} lies in it; remove that study first"
    return None


def remove(path: str) -> int:
    """Remove an item of `items`; returns how many bytes that freed. What is a link goes itself, not what it leads to.

    Raises ValueError if there is no such item, a job or a study needs it, or in read-only mode.
    """
    read_only.refuse("removing anything")
    root = place.workspace()
    known = {item.path: item for item in items(root)}
    if path not in known:
        raise ValueError(f"{path[:200]!r}: expected one of the items that `workspace show` lists, as it is written there")
    if (why := used_by(root, path)) is not None:
        raise ValueError(f"{path}: {why}")
    _gone(root, path)
    index.forget(root, [path])
    return known[path].n_bytes


def prune(keep_bytes: int) -> tuple[int, int]:
    """Remove kept objects, the longest unused first, until the others take at most `keep_bytes`: how many, and how many bytes.
    No result is touched: what is removed is computed again when it is needed. Raises ValueError as `remove`."""
    read_only.refuse("removing anything")
    root = place.workspace()
    if keep_bytes < 0:
        raise ValueError(f"expected a size of at least 0 to keep, got {keep_bytes}")
    found = index.entries(root)
    if (why := used_by(root, "objects/")) is not None:
        raise ValueError(f"objects: {why}")
    left = sum(entry.n_bytes for entry in found)
    gone: list[index.Entry] = []
    for entry in found:
        if left <= keep_bytes:
            break
        _gone(root, entry.path)
        gone.append(entry)
        left -= entry.n_bytes
    index.forget(root, [entry.path for entry in gone])
    return len(gone), sum(entry.n_bytes for entry in gone)


def _gone(root: Path, path: str) -> None:
    if links_out.leads_out(root / path):
        raise ValueError(f"{path}: it lies behind a link that leads out of the workspace; remove the link itself by hand")
    atomic.remove(root / path)
