"""Damage to files, as a disk, an editor or an enemy does it: bytes, and values of the structure that the bytes mean.

Everything is drawn from the `random.Random` that is handed in, so that a case is made again from its number.
"""

import json
import sqlite3
from contextlib import closing
from random import Random
from typing import Any

import yaml

ENCODINGS = ("utf-16", "utf-16-be", "utf-8-sig", "latin-1", "utf-32")
LARGEST = 200_000  # bytes of a damaged file: a study's own files are smaller
VALUES = (
    None, True, False, 0, -1, 1, 3, 10**6, 2**31, 2**63, 2**64, 10**400, 0.0, -0.5, 0.5, 1e-320, 1e308, float("nan"), float("inf"), "",
    " ", "x", "1", "NA", "nan", "true", "é\u202e\u2028", "\0", "\ud800", "../../etc/passwd", "/etc/passwd", "C:\\x", "=1+1", "<script>",
    "a0.h0", "m0", "logits", "a" * 400, [], [[]], [None], [1, 2], ["x"], {}, {"a": {}}, {"": [1]}, "2026-01-01", "9" * 5000,
)
TOKENS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"NaN", b"Infinity", b"-1", b"1e999", b"9" * 5000, b"null", b"[]", b"{}",
    b"0x10", b'"', b"'", b"\n", b"\r", b"\r\n", b",", b";", b"\t", b":", b"- ", b"&a [*a]", b"*a", b"<<: *a", b"? [a]: b",
    b"!!binary x", b"1_000", b"!!python/object/apply:os.system ['x']", b"{" * 900, b"[" * 100_000, b"PAR1", b"PK\x03\x04",
    b"SQLite format 3\0", b"\x80\x04cos\nsystem\n(S'x'\ntR.", b"\\ud800", b"2026-01-01", b".inf", b"~", b"=", b"%", b"@", b"|", b"#",
)


def damaged(content: bytes, kind: str, rng: Random) -> bytes:
    """The file changed in one to three places: by its structure (`kind`: one of STRUCTURES, or any other), or its bytes."""
    by_structure = STRUCTURES.get(kind, _bytes)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        change = by_structure if rng.random() < 0.65 else _bytes
        try:
            content = change(content, rng)
        except (ValueError, RecursionError, OverflowError, yaml.YAMLError, sqlite3.Error):  # it has no structure any more
            content = _bytes(content, rng)
    return content[:LARGEST]


def _bytes(content: bytes, rng: Random) -> bytes:
    start, end = sorted(rng.randint(0, len(content)) for _ in range(2))
    near = min(end, start + rng.choice((1, 2, 8, 64)))
    return rng.choice((
        lambda: content[:start],  # half-written
        lambda: content[:start] + content[near:],
        lambda: content[:start] + rng.choice(TOKENS) + content[near:],
        lambda: content[:start] + rng.choice(TOKENS) + content[start:],
        lambda: content[:start] + rng.randbytes(near - start) + content[near:],
        lambda: content[:end] + content[start:],
        lambda: content[:near] + content[start:near] * rng.choice((1, 3, 50)) + content[near:],
        lambda: b"\0" * len(content),  # what a disk leaves of a file that was never synced
        lambda: rng.randbytes(rng.choice((0, 1, 8, 64, 1000))),
        lambda: rng.choice(TOKENS),
        lambda: content.decode("utf-8", "replace").encode(rng.choice(ENCODINGS), "replace"),
    ))()


def changed(value: Any, rng: Random) -> Any:
    """A JSON value with one place of it replaced, removed, doubled, renamed or wrapped."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.75:
            return value | {key: changed(value[key], rng)}
        rest = {k: v for k, v in value.items() if k != key}
        name = rng.choice([*(v for v in VALUES if isinstance(v, str)), *map(str, value)])
        return rng.choice((rest, rest | {name: value[key]}, value | {name: rng.choice(VALUES)}))
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        if rng.random() < 0.75:
            return [*value[:place], changed(value[place], rng), *value[place + 1:]]
        return rng.choice((value[:place] + value[place + 1:], value + [value[place]], value[:place], [rng.choice(VALUES), *value]))
    return rng.choice((*VALUES, [value], {"value": value}, str(value), not value))


def _json(content: bytes, rng: Random) -> bytes:
    return json.dumps(changed(json.loads(content), rng)).encode()


def _jsonl(content: bytes, rng: Random) -> bytes:
    rows = content.split(b"\n")
    place = rng.randrange(len(rows))
    return b"\n".join([*rows[:place], _json(rows[place], rng), *rows[place + 1:]])


def _yaml(content: bytes, rng: Random) -> bytes:
    return yaml.safe_dump(changed(yaml.safe_load(content), rng)).encode("utf-8", "surrogatepass")


def _csv(content: bytes, rng: Random) -> bytes:
    rows = [line.split(b",") for line in content.split(b"\n")]
    row, place = rng.choice(rows), rng.randrange(len(rows[0]))
    if rng.random() < 0.6:
        row[min(place, len(row) - 1)] = str(rng.choice(VALUES)).encode("utf-8", "surrogatepass")
    elif rng.random() < 0.5:  # a column that is gone, or twice there
        rows = [r[:place] + r[place + 1:] if len(r) % 2 else r + r[place:place + 1] for r in rows]
    else:
        others = [r for r in rows if r is not row]
        rows = rng.choice((rows[:1], rows + [row], others, [r[::-1] for r in rows], [[*r, b"x"] for r in rows]))
    return b"\n".join(b",".join(r) for r in rows)


def _safetensors(content: bytes, rng: Random) -> bytes:
    """Another header over the same numbers; its length is right, or a lie."""
    size = int.from_bytes(content[:8], "little")
    header, rest = _json(content[8: 8 + size], rng), content[8 + size:]
    said = len(header) if rng.random() < 0.9 else rng.choice((0, 7, 2**31, 2**63, 2**64 - 1))
    return said.to_bytes(8, "little") + header + rest


def _sqlite(content: bytes, rng: Random) -> bytes:
    """Another value in one cell: SQLite holds any value in any column."""
    plain = content[:18] + b"\1\1" + content[20:]  # not in WAL mode, which needs files beside it
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(plain)
        table = rng.choice([name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")])
        column = rng.choice([row[1] for row in db.execute(f'PRAGMA table_info("{table}")')])
        value = rng.choice((*(v for v in VALUES if not isinstance(v, list | dict)), b"\xff"))
        db.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = 1', (value,))
        db.commit()
        changed = db.serialize()
    return changed[:18] + content[18:20] + changed[20:]


STRUCTURES = {"json": _json, "jsonl": _jsonl, "yaml": _yaml, "csv": _csv, "safetensors": _safetensors, "sqlite": _sqlite}
