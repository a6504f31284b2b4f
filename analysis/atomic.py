"""Writing so that what is seen is whole: folders and files that appear complete or not at all, and cells no spreadsheet would run."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that starts so


@contextmanager
def output_folder(path: Path, marker: str) -> Iterator[Path]:
    """A folder that appears at `path` whole or not at all: it is filled beside it, then moved there.

    It replaces an earlier result, known by the file `marker`. Raises ValueError if anything else is in the way.
    """
    path = Path(path)
    if path.exists() and not (path / marker).is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} exists and holds no {marker} of an earlier result; choose another output folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    temporary.chmod(0o755)
    try:
        yield temporary
        old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
        if path.exists():
            path.replace(old / path.name)
        try:
            temporary.replace(path)
        except OSError:
            if (old / path.name).exists():
                (old / path.name).replace(path)
            raise
        finally:
            shutil.rmtree(old)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is seen old or new, never half: temporary file, fsync, rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """CSV with text cells that a spreadsheet could take for a formula preceded by an apostrophe."""
    text = frame.select_dtypes(include=["object", "string"]).columns
    safe = frame.assign(**{c: frame[c].map(lambda v: f"'{v}" if isinstance(v, str) and v[:1] in FORMULA else v) for c in text})
    return safe.to_csv(index=False, float_format="%.9g").encode()  # more digits than a float32 has


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    write_bytes(path, csv_bytes(frame))


def plain_cell(cell: str) -> str:
    """A cell without the apostrophe that `write_csv` put before it."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in FORMULA else cell


def remove(path: Path) -> None:
    """Remove a folder of results if there is one."""
    shutil.rmtree(path, ignore_errors=True)
