"""The table of jobs: `jobs.sqlite` of the workspace, in WAL mode, which several servers and workers read and write at once.

A file that is damaged is set aside as `jobs.sqlite.damaged-<n>` and a new one begun, with the jobs that could still be read.
"""

import json
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from analysis import place, processes, read_only

VERSION = 1  # of the table, in `PRAGMA user_version`; 0 had no device, and times by the wall clock alone
COLUMNS = {
    "number": "INTEGER PRIMARY KEY",  # the order: times may run backwards
    "id": "TEXT UNIQUE", "kind": "TEXT", "arguments": "TEXT", "device": "TEXT", "state": "TEXT", "cause": "TEXT",
    "output": "TEXT",  # below the workspace
    "created": "REAL",  # seconds since 1970, only to be shown
    "process": "TEXT",  # of the worker: processes.identity
    "clock": "REAL",  # time.monotonic() at the start, the same for all processes until the machine restarts
    "seconds": "REAL",  # that it took
    "cancel": "INTEGER DEFAULT 0",
}
TABLE = f"CREATE TABLE jobs ({', '.join(f'{name} {kind}' for name, kind in COLUMNS.items())})"
FROM_0 = """INSERT INTO jobs (number, id, kind, arguments, output, state, cause, created, seconds, cancel)
    SELECT number, id, kind, arguments, output, state, cause, created, max(0, ended - started), cancel FROM jobs_0"""
ENDS = ("done", "cancelled", "failed", "interrupted")
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
SAID = {
    sqlite3.SQLITE_FULL: "the disk is full: make room and try again",
    sqlite3.SQLITE_BUSY: "another process has held it for 20 s: try again",
}


class Damaged(Exception):
    """The file is no database, or another's, or its contents contradict each other."""


def file() -> Path:
    return place.workspace() / "jobs.sqlite"


def damaged() -> list[Path]:
    """The damaged tables that were set aside and that nobody has removed."""
    return sorted(found for found in file().parent.glob("jobs.sqlite.damaged-*") if found.name[-1].isdigit())


def rows(db: sqlite3.Connection | None = None) -> list[sqlite3.Row]:
    """All jobs, the oldest first; none where there is no table yet. A row that no job can have is left out.

    Raises ValueError if the table cannot be read.
    """
    if db is not None:
        return [row for row in db.execute("SELECT * FROM jobs ORDER BY number").fetchall() if _sound(row)]
    if not file().exists():
        return []
    with opened() as db:
        return rows(db)


def _sound(row: sqlite3.Row) -> bool:
    """Whether a row is as `jobs` writes it: SQLite holds any value in any column."""
    texts = [row["device"], row["state"], *(row[name] for name in ("cause", "process") if row[name] is not None)]
    numbers = [row["created"], *(row[name] for name in ("clock", "seconds") if row[name] is not None)]
    try:
        texts += json.loads(row["arguments"])
        place.check_slug(row["id"]), place.check_slug(row["kind"])
        inside = (place.workspace() / row["output"]).resolve().is_relative_to(place.workspace())
    except (ValueError, TypeError, RecursionError):
        return False
    fits = [isinstance(text, str) for text in texts] + [isinstance(n, float) and math.isfinite(n) and abs(n) < 1e11 for n in numbers]
    return inside and all(fits) and row["state"] in ("queued", "running", *ENDS)


@contextmanager
def transaction() -> Iterator[sqlite3.Connection]:
    """The table, locked for writing until the block ends. Raises ValueError if it cannot be written."""
    with opened() as db:
        db.execute("BEGIN IMMEDIATE")
        yield db
        db.execute("COMMIT")


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    try:
        try:
            db = _open()
        except Damaged:
            if read_only.on():
                raise
            _set_aside()
            db = _open()
        with closing(db):  # which rolls back what was not committed
            yield db
    except (sqlite3.Error, OSError, Damaged) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        said = SAID.get(code) or f"{error}; expected a file that can be read and written"
        raise ValueError(f"the table of jobs, {file()}: {said}") from error


def _open() -> sqlite3.Connection:
    """A connection to a table of today's form, made or brought there if need be. Raises Damaged, ValueError for a newer table."""
    db = _connected()
    db.row_factory, db.text_factory = sqlite3.Row, lambda content: content.decode(errors="replace")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise ValueError(f"{file()} is of a newer Lethe (its version is {version}, this one knows {VERSION}): update Lethe")
        if version < VERSION:
            _bring_here(db)
        found = {row["name"] for row in db.execute("PRAGMA table_info(jobs)")}
        if not found >= set(COLUMNS):
            raise Damaged(f"expected a table of jobs with {', '.join(COLUMNS)}, got {', '.join(sorted(found)) or 'none'}")
        if (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Damaged(said)
    except BaseException as error:
        db.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            raise Damaged(str(error)) from error
        raise
    return db


def _connected() -> sqlite3.Connection:
    """In read-only mode on the file as it is; where nobody writes it, `immutable`: SQLite lays no file of its own beside it either."""
    if not read_only.on():
        file().parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(file(), timeout=20, isolation_level=None)
    how = "mode=ro" if Path(f"{file()}-wal").exists() else "mode=ro&immutable=1"
    return sqlite3.connect(f"{file().absolute().as_uri()}?{how}", uri=True, timeout=20, isolation_level=None)


def _bring_here(db: sqlite3.Connection) -> None:
    """Make the table, or one of an earlier version today's. Running jobs go on to be known by pid, if that is a worker still."""
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode = WAL")
    db.execute("BEGIN IMMEDIATE")
    if db.execute("PRAGMA user_version").fetchone()[0] < VERSION:  # nobody else did it meanwhile
        earlier = {row["name"] for row in db.execute("PRAGMA table_info(jobs)")}
        if earlier and not earlier >= {"number", "id", "arguments", "output", "state", "started", "ended", "pid"}:
            raise Damaged(f"expected a table of jobs, got one of {', '.join(sorted(earlier))}")
        if earlier:
            db.execute("ALTER TABLE jobs RENAME TO jobs_0")
        db.execute(TABLE)
        if earlier:
            db.execute(FROM_0)
            _complete(db)
        db.execute(f"PRAGMA user_version = {VERSION}")
    db.execute("COMMIT")


def _complete(db: sqlite3.Connection) -> None:
    """What version 0 said in another way: folders by their whole path, workers by their pid, and no device."""
    for row in db.execute("SELECT * FROM jobs_0").fetchall():
        with suppress(ValueError, TypeError):  # elsewhere, or no path: it is left out by `rows`
            output = Path(row["output"]).relative_to(place.workspace())
            db.execute("UPDATE jobs SET output = ?, device = 'cpu' WHERE id = ?", (str(output), row["id"]))
        if row["state"] == "running" and isinstance(row["pid"], int) and isinstance(row["started"], float):
            clock = time.monotonic() - max(0.0, time.time() - row["started"])
            db.execute("UPDATE jobs SET process = ?, clock = ? WHERE id = ?", (processes.identity(row["pid"]), clock, row["id"]))
    db.execute("DROP TABLE jobs_0")


def _set_aside() -> None:
    """Move a damaged table away and begin a new one with what can be read of it; under a lock, so that no other moves the new one."""
    with FileLock(file().with_name("jobs.sqlite.lock"), timeout=20):
        try:
            _open().close()
        except Damaged:  # as nobody else has set it aside meanwhile
            away = _away()
            with closing(_open()) as db, suppress(sqlite3.Error):
                for row in _readable(away):
                    known = {name: row[name] for name in COLUMNS if name in row.keys()}  # noqa: SIM118 a Row is no mapping
                    places = ", ".join("?" * len(known))
                    db.execute(f"INSERT OR IGNORE INTO jobs ({', '.join(known)}) VALUES ({places})", [*known.values()])


def _away() -> Path:
    """Where the table has been moved."""
    number = 1
    while (away := file().with_name(f"jobs.sqlite.damaged-{number}")).exists():
        number += 1
    for end in ("-wal", "-shm", ""):  # the table last: until then it is still seen to be damaged
        with suppress(FileNotFoundError):
            Path(f"{file()}{end}").replace(f"{away}{end}")
    return away


def _readable(away: Path) -> Iterator[sqlite3.Row]:
    """The rows before the first one that cannot be read."""
    with closing(sqlite3.connect(away)) as db:
        db.row_factory = sqlite3.Row
        yield from db.execute("SELECT * FROM jobs ORDER BY number")
