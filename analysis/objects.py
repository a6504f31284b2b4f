"""What is kept so that nothing is computed twice: `objects/<kind>/<model's fingerprint>/<key>/` in the workspace.

The key is a hash of all that decides the content, the *facts*: so an object never goes stale, it is only no longer asked for.
Its manifest.json has the facts, the model's name, and size and SHA-256 of each file. Tables are Parquet, tensors safetensors.
"""

import hashlib
import io
import json
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import atomic, index

MANIFEST = "manifest.json"
DAMAGED = "damaged"


def key(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:24]


def folder(root: Path, kind: str, facts: dict[str, Any]) -> Path:
    """`facts["fingerprint"]` is the model's."""
    return root / "objects" / kind / facts["fingerprint"] / key(facts)


def get(root: Path, kind: str, facts: dict[str, Any]) -> dict[str, bytes] | None:
    """The files of an object, by name; None if it was never kept. One that is damaged is set aside and is not there any more."""
    place = folder(root, kind, facts)
    if not place.exists():
        return None
    try:
        return read(place)
    except ValueError:
        set_aside(root, place)
        return None


def put(root: Path, kind: str, facts: dict[str, Any], files: dict[str, bytes], name: str) -> None:
    """Keep files under their facts; `name` is the model's, to show. What is there already stays."""
    place = folder(root, kind, facts)
    if place.exists():
        return
    sums = {file: {"bytes": len(content), "sha256": _sha256(content)} for file, content in files.items()}
    manifest = {"kind": kind, "key": place.name, "name": name, "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "facts": facts, "files": sums}
    try:
        with atomic.output_folder(place, MANIFEST) as temporary:
            for file, content in files.items():
                (temporary / file).write_bytes(content)
            (temporary / MANIFEST).write_text(json.dumps(manifest, indent=1))
    except atomic.Busy:  # by a process that computes the same
        return
    n_bytes = (place / MANIFEST).stat().st_size + sum(map(len, files.values()))
    index.add(root, index.Entry(kind, facts["fingerprint"], place.name, name, n_bytes, time.time()))


def touch(root: Path, kind: str, used: list[dict[str, Any]]) -> None:
    """The objects of these facts, all of one model, were used just now."""
    if used:
        index.touch(root, kind, used[0]["fingerprint"], [key(facts) for facts in used])


def table_bytes(frame: pd.DataFrame) -> bytes:
    """A table as a Parquet file."""
    return frame.to_parquet(None, index=False)


def table(content: bytes) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(content))


def read(place: Path) -> dict[str, bytes]:
    """Raises ValueError unless the folder holds exactly what its manifest says, under the name that its facts have."""
    try:
        manifest = json.loads((place / MANIFEST).read_text())
        sums, address = dict(manifest["files"]), (manifest["kind"], manifest["facts"]["fingerprint"], key(manifest["facts"]))
        files = {file: (place / Path(file).name).read_bytes() for file in sums}
        wrong = [file for file, content in files.items() if _sha256(content) != sums[file]["sha256"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{place}: expected an object with {MANIFEST} and the files it names: {error}") from error
    if wrong:
        raise ValueError(f"{place}: {wrong[0]} is not what {MANIFEST} says: its SHA-256 is another")
    if address != (place.parents[1].name, place.parent.name, place.name):
        raise ValueError(f"{place}: {MANIFEST} is that of {'/'.join(map(str, address))}")
    return files


def set_aside(root: Path, place: Path) -> Path:
    """Move something damaged to `damaged/`, under its own path and a number, where a person may look at it."""
    inside, n = place.relative_to(root), 1
    while (target := root / DAMAGED / inside.parent / f"{inside.name}-{n}").exists():
        n += 1
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process was faster
        shutil.move(place, target)
    index.forget(root, [inside.as_posix()])
    return target


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
