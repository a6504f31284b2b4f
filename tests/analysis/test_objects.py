"""What is kept is found by what decides it, whole or not at all; the index only says what there is."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pandas as pd
import pytest

from analysis import atomic, index, objects

FACTS = {"fingerprint": "f" * 16, "seed": 0, "config": {"method": "EAP"}}
FILES = {"a.bin": b"first", "b.bin": b"second"}


@pytest.fixture
def kept(tmp_path):
    objects.put(tmp_path, "things", FACTS, FILES, "a model")
    return objects.folder(tmp_path, "things", FACTS)


def n_indexed(root) -> int:
    with closing(sqlite3.connect(root / index.FILE)) as db:
        return db.execute("SELECT count(*) FROM objects").fetchone()[0]


def test_what_is_put_is_got_by_the_same_facts_alone(tmp_path, kept):
    assert objects.get(tmp_path, "things", json.loads(json.dumps(FACTS))) == FILES
    for other in (FACTS | {"seed": 1}, FACTS | {"config": {"method": "EAP", "steps": None}}, FACTS | {"fingerprint": "0" * 16}):
        assert objects.get(tmp_path, "things", other) is None
    assert objects.get(tmp_path, "others", FACTS) is None
    entry, = index.entries(tmp_path)
    assert (entry.path, entry.name) == (kept.relative_to(tmp_path).as_posix(), "a model")
    assert entry.n_bytes == sum(file.stat().st_size for file in kept.iterdir())


@pytest.mark.parametrize(("file", "content"), [("a.bin", b"First"), ("a.bin", b""), ("a.bin", None),
                                              ("manifest.json", b"{"), ("manifest.json", None),
                                              ("manifest.json", b'{"kind": "things", "key": "x", "files": {}, "facts": {}}')])
def test_a_damaged_object_is_set_aside_and_can_be_kept_again(tmp_path, kept, file, content):
    (kept / file).unlink() if content is None else (kept / file).write_bytes(content)
    assert objects.get(tmp_path, "things", FACTS) is None
    assert not kept.exists() and n_indexed(tmp_path) == 0
    aside, = (tmp_path / "damaged").glob("objects/things/*/*")
    assert (aside / file).exists() is (content is not None)
    objects.put(tmp_path, "things", FACTS, FILES, "a model")
    assert objects.get(tmp_path, "things", FACTS) == FILES


def test_an_object_under_another_objects_key_is_refused(tmp_path, kept):
    other = kept.with_name("0" * 24)
    kept.replace(other)
    with pytest.raises(ValueError, match="manifest.json is that of things/f+/"):
        objects.read(other)


def test_a_manifest_that_names_files_elsewhere_reads_none_of_them(tmp_path, kept):
    (tmp_path / "secret").write_bytes(b"first")
    manifest = json.loads((kept / "manifest.json").read_text())
    manifest["files"] = {"../../../../secret": manifest["files"]["a.bin"]}
    (kept / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="No such file"):
        objects.read(kept)


def test_a_full_disk_keeps_nothing_and_says_so(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic, "flush", full)
    with pytest.raises(atomic.DiskFull, match="the disk is full"):
        objects.put(tmp_path, "things", FACTS, FILES, "a model")
    assert objects.get(tmp_path, "things", FACTS) is None


def test_an_index_on_a_full_disk_says_so_and_is_not_set_aside(tmp_path, kept):
    def fill(db):
        db.execute("PRAGMA max_page_count = 1")
        db.execute("CREATE TABLE more AS SELECT zeroblob(100000)")

    with pytest.raises(atomic.DiskFull, match="the disk is full"):
        index._do(tmp_path, fill)
    assert n_indexed(tmp_path) == 1 and not list(tmp_path.glob("*damaged*"))


def test_two_who_keep_the_same_at_once_keep_it_once(tmp_path):
    """Held by another writer, it is left to that one."""
    place = objects.folder(tmp_path, "things", FACTS)
    with atomic.claim(place):
        with ThreadPoolExecutor() as other:
            assert other.submit(objects.put, tmp_path, "things", FACTS, FILES, "a model").result(10) is None
        assert not place.exists()
    objects.put(tmp_path, "things", FACTS, FILES, "a model")
    assert objects.get(tmp_path, "things", FACTS) == FILES


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as one" * 40, None])
def test_a_damaged_index_is_set_aside_and_made_again_of_the_manifests(tmp_path, kept, content):
    file = tmp_path / index.FILE
    if content is None:  # whole at its head, garbage in its pages
        with closing(sqlite3.connect(file)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        whole = file.read_bytes()
        content = whole[:100] + b"\xff" * (len(whole) - 100)
    file.write_bytes(content)
    assert index.problem(tmp_path) is not None
    assert [entry.path for entry in index.entries(tmp_path)] == [kept.relative_to(tmp_path).as_posix()]
    assert (tmp_path / f"{index.FILE}.damaged-1").read_bytes() == content
    assert index.problem(tmp_path) is None and objects.get(tmp_path, "things", FACTS) == FILES


def test_an_index_of_another_version_is_made_again(tmp_path, kept):
    with closing(sqlite3.connect(tmp_path / index.FILE)) as db:
        db.executescript("DROP TABLE objects; CREATE TABLE of_tomorrow (x); PRAGMA user_version = 99")
    assert len(index.entries(tmp_path)) == 1
    with closing(sqlite3.connect(tmp_path / index.FILE)) as db:
        assert db.execute("PRAGMA user_version").fetchone()[0] == index.VERSION
        assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")} == {"objects", "files"}


def test_without_an_index_objects_are_still_kept_and_listed(tmp_path):
    (tmp_path / index.FILE).mkdir()  # nothing can be written there
    objects.put(tmp_path, "things", FACTS, FILES, "a model")
    assert objects.get(tmp_path, "things", FACTS) == FILES and len(index.entries(tmp_path)) == 1


def test_what_was_used_last_comes_last(tmp_path):
    some = [FACTS | {"seed": seed} for seed in range(3)]
    for facts in some:
        objects.put(tmp_path, "things", facts, FILES, "a model")
    objects.touch(tmp_path, "things", [some[0]])
    assert [entry.key for entry in index.entries(tmp_path)] == [objects.key(some[i]) for i in (1, 2, 0)]


def test_an_index_that_does_not_know_an_object_is_seen_and_rebuilt(tmp_path, kept):
    assert index.problem(tmp_path) is None
    index.forget(tmp_path, ["objects/things/" + "f" * 15])  # no folder of this name: nothing goes
    assert index.problem(tmp_path) is None
    index.forget(tmp_path, ["objects/things/" + "f" * 16])
    assert index.problem(tmp_path) == "1 objects are missing in it or are gone"
    assert index.rebuild(tmp_path) == 1 and index.problem(tmp_path) is None


def test_a_files_hash_is_found_once_until_the_file_changes(tmp_path):
    file, found = tmp_path / "weights", []
    file.write_bytes(b"1")
    for content in (None, None, b"22", None):
        if content:
            file.write_bytes(content)
        assert index.file_hash(tmp_path, file, lambda f: found.append(f) or f.read_text()) == file.read_text()
    assert len(found) == 2


def test_tables_survive_the_round_trip():
    frame = pd.DataFrame({"value": [0.1, 1e-300, 3.0], "name": ["a", "=1", ""]})
    assert objects.table(objects.table_bytes(frame)).equals(frame)
