"""A workspace's layout has a version, in workspace.json; one of an earlier version is brought to the present one when it is opened.

    workspace.json      {"version": 2}; a workspace without it is of version 1
    studies/<study>/    study.json, its sets, results/ (see `store`)        kept: nobody else has them
    runs/<study>/<run>/ unlearning runs (see `runs`)                        kept
    conflicts/embedded/ the conflict map of the embedded study              kept
    imported/<study>/   evaluations of open-unlearning (see `eval_import`)  kept
    objects/            what spares computing twice (see `objects`)         can be made again
    index.sqlite        what is in objects/ (see `index`)                   can be made again
    jobs.sqlite, jobs/  the queue and the jobs' logs (see `jobs`)
    damaged/            what `workspace repair` moved out of the way

Version 1 had anchor runs as anchor-runs/<key>.json and no objects.
"""

import json
import os
import shutil
from pathlib import Path

import pandas as pd

from analysis import atomic, objects, place, read_only

FILE = "workspace.json"
VERSION = 2
ANCHORS = "anchor-runs"


class Unreadable(ValueError):
    """workspace.json does not say the version."""


def prepared() -> Path:
    """The workspace, made or brought to the present version if need be, and able to be written. In read-only mode nothing is written.

    Raises ValueError if a newer Lethe wrote it, or if it cannot be written.
    """
    root = place.workspace()
    if (why := too_new()) is not None:
        raise ValueError(why)
    found = version(root)
    if read_only.on() or (found == VERSION and os.access(root, os.W_OK)):
        return root
    try:
        root.mkdir(parents=True, exist_ok=True)
        if found < 2:
            _anchor_runs_become_objects(root)
        atomic.write_json(root / FILE, {"version": VERSION})
    except OSError as error:
        raise ValueError(f"{root}: {error.strerror or error}; the workspace must be a folder that can be written: name another in "
                         "LETHE_WORKSPACE, or allow writing") from error
    return root


def too_new() -> str | None:
    """Why this workspace must not be touched: a newer Lethe wrote it. None if it may be."""
    root = place.workspace()
    try:
        found = version(root)
    except Unreadable:
        return None
    return None if found <= VERSION else f"{root} is a workspace of version {found}, of a newer Lethe; this one knows versions up to " \
        f"{VERSION}: update Lethe, or name another folder in LETHE_WORKSPACE"


def version(root: Path) -> int:
    """0 where there is nothing yet. Raises Unreadable."""
    if not (root / FILE).exists():
        return 1 if root.is_dir() and any(root.iterdir()) else 0
    try:
        return int(json.loads((root / FILE).read_text())["version"])
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise Unreadable(f'{root / FILE}: expected {{"version": {VERSION}}}; write this into it, or run `workspace repair`') from error


def _anchor_runs_become_objects(root: Path) -> None:
    """Version 1 -> 2. May be killed and done again at any point: a file goes when its object is there."""
    for file in sorted((root / ANCHORS).glob("*.json")):
        try:
            content = json.loads(file.read_text())
            facts, losses = content["key"], [float(loss) for loss in content["forget_nll"]]
            sound = objects.key(facts) == file.stem and place.check_slug(facts["fingerprint"])
        except (ValueError, LookupError, TypeError):
            sound = False
        if sound:
            table = objects.table_bytes(pd.DataFrame({"forget_nll": losses}, dtype=float))
            objects.put(root, ANCHORS, facts, {"losses.parquet": table}, "a model whose name was not recorded")
            file.unlink(missing_ok=True)
        else:
            objects.set_aside(root, file)
    shutil.rmtree(root / ANCHORS, ignore_errors=True)
