"""Writing so that what is seen is whole: folders and files that appear complete or not at all, and cells no spreadsheet would run.

While NAME is written, `.NAME.lethe~new` beside it holds what is to come and `.NAME.lethe~lock` is locked; the system frees the lock of
a process that is killed, so that whoever comes next knows what it left. `.NAME.lethe~old` is there for a moment where the system cannot
exchange two folders in one step. No name of a result has a `~`, so none of these is ever taken for one.
"""

import ctypes
import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that starts so
LOCK, NEW, OLD = (f".lethe~{kind}" for kind in ("lock", "new", "old"))
WAIT = 30.0  # seconds that the writer of a file waits for another one of the same file
EXCHANGE, HERE = 2, -100  # RENAME_EXCHANGE, and macOS' RENAME_SWAP; AT_FDCWD


class DiskFull(OSError, ValueError):
    """A disk, or what a user may have of it, is full. An OSError to whom settings are ValueErrors, a ValueError to the pages."""


class Busy(ValueError):
    """Another process, or another thread, is writing it."""


@contextmanager
def output_folder(path: Path, marker: str) -> Iterator[Path]:
    """A folder that appears at `path` whole or not at all: it is filled beside it, then exchanged with what was there.

    It replaces an earlier result, known by the file `marker`. Raises ValueError if anything else is in the way, or another process
    writes it, and DiskFull.
    """
    path = Path(path).absolute()
    with room_for(path), claim(path):  # a lock is a file, too, for which there may be no room
        if path.exists() and not (path / marker).is_file() and not (path.is_dir() and not any(path.iterdir())):
            raise ValueError(f"{path} exists and holds no {marker} of an earlier result; choose another output folder")
        new = _beside(path, NEW)
        new.mkdir()
        try:
            yield new
            flush(new)
            _replace(new, path)
        finally:
            _discard(new)


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """A file that is seen old or new, never half: what is written to the path given, then flushed to the disk and moved to `path`.

    Raises DiskFull, and ValueError if another process has been writing it for half a minute.
    """
    path = Path(path).absolute()
    with room_for(path), claim(path, WAIT):
        new = _beside(path, NEW)
        try:
            yield new
            flush(new)
            new.replace(path)
            _to_disk(path.parent)
        finally:
            _discard(new)


def write_bytes(path: Path, content: bytes) -> None:
    with output_file(path) as new:
        new.write_bytes(content)


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
    """Remove a result if there is one: it is gone at once, and never seen half. Raises ValueError while another process writes it."""
    path = Path(path).absolute()
    if os.path.lexists(path):
        with claim(path):
            path.replace(_beside(path, NEW))
            _discard(_beside(path, NEW))


@contextmanager
def claim(path: Path, wait: float = 0.0) -> Iterator[None]:
    """Be the only one who writes `path`, which is put right first if an earlier writer was killed. Raises Busy if another process, or
    another thread, still writes it after `wait` seconds."""
    path = Path(path).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(_beside(path, LOCK), timeout=wait)
    try:
        lock.acquire()
    except Timeout as error:
        raise Busy(f"{path}: another process is writing it; wait for it to end, or choose another output") from error
    try:
        _put_right(path)
        yield
    finally:
        _beside(path, LOCK).unlink(missing_ok=True)  # while it is held: who waits for it sees that it is gone, and makes a new one
        lock.release()


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Say in one line that the disk is full, whichever library ran into it. Raises DiskFull."""
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:  # safetensors and tokenizers put the system's error into words of their own
        if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT) and "No space left on device" not in str(error):
            raise
        free = shutil.disk_usage(next(parent for parent in path.parents if parent.exists())).free
        raise DiskFull(f"the disk is full: {free:,} bytes are free to write {path}; make room, then do it again") from error


def leftovers(root: Path) -> list[Path]:
    """What killed processes left below a folder: half results, locks, and results moved away while they were to be replaced."""
    dead = [path for path in _unfinished(root) if not _held(path)]
    return [left for path in dead for kind in (LOCK, NEW, OLD) if os.path.lexists(left := _beside(path, kind))]


def recover(root: Path) -> list[Path]:
    """Put everything right below a folder: results that were moved away come back, what else killed processes left goes.
    Returns what `leftovers` did. What a living process writes is left alone."""
    found = leftovers(root)
    for path in {_of(left) for left in found}:
        try:
            with claim(path):
                pass
        except Busy:  # somebody has begun to write it, and put it right
            continue
    return found


def flush(path: Path) -> None:
    """Have a file, or a folder with all that is in it, on the disk and not only in the system's memory: to be done before a rename."""
    for each in (*path.rglob("*"), path):
        _to_disk(each)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}{kind}")


def _of(left: Path) -> Path:
    return left.with_name(left.name[1:].rpartition(".lethe~")[0])


def _unfinished(root: Path) -> list[Path]:
    """The paths that have something beside them; what lies in a half result goes with it."""
    found = set()
    for folder, folders, files in os.walk(Path(root).absolute()):
        found |= {_of(Path(folder, name)) for name in (*folders, *files) if name.startswith(".") and name.endswith((LOCK, NEW, OLD))}
        folders[:] = [name for name in folders if not name.endswith((NEW, OLD))]
    return sorted(found)


def _held(path: Path) -> bool:
    """Whether a living process writes `path`."""
    if not (file := _beside(path, LOCK)).exists():
        return False
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True


def _put_right(path: Path) -> None:
    old = _beside(path, OLD)
    if old.exists() and not path.exists():
        old.replace(path)
    _discard(old)
    _discard(_beside(path, NEW))


def _replace(new: Path, path: Path) -> None:
    """`new` becomes `path` in one step, or in two with the former kept beside it, where the system cannot exchange folders."""
    if not path.exists():
        new.replace(path)
    elif not _exchanged(new, path):
        path.replace(_beside(path, OLD))
        new.replace(path)
        _discard(_beside(path, OLD))
    _to_disk(path.parent)


def _exchanged(a: Path, b: Path) -> bool:
    """Whether the two could be exchanged: Linux and macOS can, on most of their file systems."""
    libc, names = ctypes.CDLL(None), (os.fsencode(a), os.fsencode(b))
    if hasattr(libc, "renameat2"):
        return libc.renameat2(HERE, names[0], HERE, names[1], EXCHANGE) == 0
    return hasattr(libc, "renamex_np") and libc.renamex_np(*names, EXCHANGE) == 0


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
