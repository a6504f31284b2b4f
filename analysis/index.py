"""index.sqlite of a workspace: what `objects/` holds, how large each object is and when it was last used, and hashes of large files.

Only an index: all of it can be read off the disk again. One that is damaged is set aside as `index.sqlite.damaged-<n>` and made anew
of the manifests; where it cannot be written at all, what asks for it does without.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from analysis import atomic, place, read_only

T = TypeVar("T")
FILE = "index.sqlite"
VERSION = 1
TABLES = (
    "CREATE TABLE objects (kind TEXT, model TEXT, key TEXT, name TEXT, n_bytes INTEGER, used REAL, PRIMARY KEY (kind, model, key))",
    "CREATE TABLE files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, sha256 TEXT)",
)
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
PATH = "'objects/' || kind || '/' || model || '/' || key || '/'"
COLUMNS = "kind, model, key, name, n_bytes, used"


@dataclass(frozen=True)
class Entry:
    """An object: where it is (`objects/<kind>/<model>/<key>`), the model's name, its size, and when it was last used (seconds since
    1970). `model` is a fingerprint."""

    kind: str
    model: str
    key: str
    name: str
    n_bytes: int
    used: float

    @property
    def path(self) -> str:
        return f"objects/{self.kind}/{self.model}/{self.key}"


def add(root: Path, entry: Entry) -> None:
    with suppress(sqlite3.Error, OSError):
        _do(root, lambda db: db.execute(f"INSERT OR REPLACE INTO objects ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", _row(entry)))


def touch(root: Path, kind: str, model: str, keys: Iterable[str]) -> None:
    """These objects were used just now."""
    rows = [(time.time(), kind, model, key) for key in keys]
    with suppress(sqlite3.Error, OSError):
        _do(root, lambda db: db.executemany("UPDATE objects SET used = ? WHERE kind = ? AND model = ? AND key = ?", rows))


def forget(root: Path, paths: Iterable[str]) -> None:
    """Objects, or all below a folder of them, are gone."""
    with suppress(sqlite3.Error, OSError):
        below = [(path, path) for path in paths]
        _do(root, lambda db: db.executemany(f"DELETE FROM objects WHERE substr({PATH}, 1, length(?) + 1) = ? || '/'", below))


def entries(root: Path) -> list[Entry]:
    """Every object, the longest unused first; off the disk where there can be no index."""
    try:
        rows = _do(root, lambda db: db.execute(f"SELECT {COLUMNS} FROM objects ORDER BY used, key").fetchall())
        return [Entry(*row) for row in rows if _sound(row)]
    except (sqlite3.Error, OSError):
        return sorted(scanned(root), key=lambda entry: (entry.used, entry.key))


def rebuild(root: Path) -> int:
    """Make the index of what is on disk; returns how many objects there are. Hashes of files are found again when they are needed."""
    return _do(root, _filled(root))


def scanned(root: Path) -> Iterator[Entry]:
    """The objects on disk, by their manifests; one whose manifest cannot be read is left out."""
    for file in sorted((root / "objects").glob("*/*/*/manifest.json")):
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            manifest = json.loads(file.read_text())
            n_bytes = file.stat().st_size + sum(int(about["bytes"]) for about in manifest["files"].values())
            key, model, kind = (folder.name for folder in file.parents[:3])
            if not key.startswith("."):  # not yet whole
                yield Entry(kind, model, key, str(manifest["name"]), n_bytes, file.stat().st_mtime)


def file_hash(root: Path, file: Path, compute: Callable[[Path], str]) -> str:
    """`compute(file)`, remembered for as long as the file's size and time of change are the same."""
    file, stat = file.resolve(), file.stat()
    known = (str(file), stat.st_size, stat.st_mtime_ns)
    with suppress(sqlite3.Error, OSError):
        found = _do(root, lambda db: db.execute("SELECT sha256 FROM files WHERE (path, size, mtime_ns) = (?, ?, ?)", known).fetchone())
        if found:
            return found[0]
    value = compute(file)
    with suppress(sqlite3.Error, OSError):
        _do(root, lambda db: db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (*known, value)))
    return value


def problem(root: Path) -> str | None:
    """Why the index cannot be trusted, None if it can or there is none: SQLite's own check, and whether it knows what is on disk."""
    if not (root / FILE).exists():
        return None
    try:
        with closing(sqlite3.connect(f"{(root / FILE).as_uri()}?mode=ro", uri=True, timeout=20)) as db:
            said = db.execute("PRAGMA quick_check").fetchone()[0]
            if said != "ok":
                return " ".join(said.split())
            known = {row[:3] for row in db.execute(f"SELECT {COLUMNS} FROM objects") if _sound(row)}
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    there = {(entry.kind, entry.model, entry.key) for entry in scanned(root)}
    return f"{len(known ^ there)} objects are missing in it or are gone" if known != there else None


def set_aside(file: Path) -> Path:
    """Give a damaged database another name, `<file>.damaged-<n>`, without what SQLite keeps beside it."""
    n = 1
    while (target := file.with_name(f"{file.name}.damaged-{n}")).exists():
        n += 1
    with suppress(FileNotFoundError):  # another process was faster
        file.replace(target)
    for suffix in ("-wal", "-shm"):
        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    return target


def _do(root: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """`work` in a transaction of its own; once more with a new index where the first is damaged. In read-only mode on the file as it
    is: sqlite3.Error is raised where there is none, where it is damaged, and by work that writes."""
    if read_only.on():
        return _looked_up(root, work)
    try:
        return _once(root, work)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            raise atomic.DiskFull(f"{root / FILE}: the disk is full or fails ({error}); make room and try again") from error
        if code not in DAMAGED:
            raise
    except UnicodeDecodeError:  # in what SQLite says of it
        pass
    set_aside(root / FILE)
    return _once(root, work)


def _looked_up(root: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    """`immutable`: SQLite lays no file of its own beside the index either."""
    with closing(sqlite3.connect(f"{(root / FILE).absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
        try:
            return work(db)
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError("damaged") from error


def _once(root: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    if not root.is_dir():
        raise FileNotFoundError(root)
    with closing(sqlite3.connect(root / FILE, timeout=20, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("BEGIN IMMEDIATE")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _filled(root)(db)
        found = work(db)
        db.execute("COMMIT")
        return found


def _filled(root: Path) -> Callable[[sqlite3.Connection], int]:
    def fill(db: sqlite3.Connection) -> int:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            db.execute(f'DROP TABLE "{name}"')
        for table in TABLES:
            db.execute(table)
        rows = [_row(entry) for entry in scanned(root)]
        db.executemany(f"INSERT INTO objects ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)", rows)
        db.execute(f"PRAGMA user_version = {VERSION}")
        return len(rows)

    return fill


def _sound(row: tuple) -> bool:
    """Whether an object can be so: SQLite holds any value in any column, and where these say one is, it is removed."""
    *names, name, n_bytes, used = row
    with suppress(ValueError, TypeError):
        [place.check_slug(part) for part in names]
        return isinstance(name, str) and type(n_bytes) is int and type(used) is float
    return False


def _row(entry: Entry) -> tuple:
    return entry.kind, entry.model, entry.key, entry.name, entry.n_bytes, entry.used
