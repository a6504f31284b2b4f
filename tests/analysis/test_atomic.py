"""Results appear whole or not at all, also when a process is killed, another one writes the same, or the disk is full."""

import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from analysis import atomic

HOLDER = """
import sys, time
from pathlib import Path
from analysis import atomic
with atomic.output_folder(Path(sys.argv[1]), "a") as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write(target: Path, text: str) -> None:
    with atomic.output_folder(target, "a") as folder:
        (folder / "a").write_text(text)


@contextmanager
def somebody_writes(target: Path):
    """Another process that is in the middle of writing the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(target)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "writing\n"
            yield process
        finally:
            process.kill()


def killed_between_the_two_renames(target: Path) -> None:
    """What lies there when a process is killed where the system cannot exchange folders: the old one moved away, the new one not in."""
    target.rename(atomic._beside(target, atomic.OLD))
    new = atomic._beside(target, atomic.NEW)
    new.mkdir()
    (new / "a").write_text("new")
    atomic._beside(target, atomic.LOCK).touch()


@pytest.mark.slow
def test_while_somebody_writes_nobody_else_does_and_when_he_is_killed_his_half_goes(tmp_path):
    target = tmp_path / "out"
    write(target, "first")
    with somebody_writes(target) as process:
        with pytest.raises(atomic.Busy, match="another process is writing it"):
            write(target, "second")
        with pytest.raises(atomic.Busy):
            atomic.remove(target)
        assert atomic.leftovers(tmp_path) == [] and atomic.recover(tmp_path) == []  # a living process is left alone
        assert names(tmp_path) == {"out", ".out.lethe~new", ".out.lethe~lock"}
        process.kill()
        process.wait()
        assert {left.name for left in atomic.leftovers(tmp_path)} == {".out.lethe~new", ".out.lethe~lock"}
        write(target, "second")
    assert names(tmp_path) == {"out"} and names(target) == {"a"} and (target / "a").read_text() == "second"


def test_a_result_is_exchanged_in_one_step(tmp_path, monkeypatch):
    """At no moment is neither the old nor the new one there."""
    seen, target, discard = [], tmp_path / "out", atomic._discard
    write(target, "first")
    monkeypatch.setattr(atomic, "_discard", lambda path: (seen.append((target / "a").read_text()), discard(path)))
    monkeypatch.setattr(Path, "replace", lambda *_: pytest.fail("the earlier result was moved away"))
    write(target, "second")
    assert set(seen) == {"first", "second"} and names(tmp_path) == {"out"}


@pytest.mark.parametrize("put_right", [
    lambda root: atomic.recover(root), lambda root: write(root / "out", "third"),
    lambda root: (write(root / "out", "third"), atomic.recover(root)),
])
def test_where_folders_cannot_be_exchanged_the_old_one_comes_back(tmp_path, monkeypatch, put_right):
    monkeypatch.setattr(atomic, "_exchanged", lambda *_: False)
    target = tmp_path / "out"
    write(target, "first"), write(target, "second")
    assert names(tmp_path) == {"out"} and (target / "a").read_text() == "second"
    killed_between_the_two_renames(target)
    assert not target.exists() and len(atomic.leftovers(tmp_path)) == 3
    put_right(tmp_path)
    assert names(tmp_path) == {"out"} and (target / "a").read_text() in ("second", "third")


def test_a_moved_away_result_does_not_replace_a_new_one(tmp_path):
    write(tmp_path / "out", "old")
    killed_between_the_two_renames(tmp_path / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("new")
    assert len(atomic.recover(tmp_path)) == 3
    assert names(tmp_path) == {"out"} and (tmp_path / "out" / "a").read_text() == "new"


def test_what_lies_in_a_half_result_goes_with_it(tmp_path):
    inner = tmp_path / ".out.lethe~new" / "sub"
    inner.mkdir(parents=True)
    (inner / ".x.json.lethe~new").write_text("half")
    assert [left.name for left in atomic.recover(tmp_path)] == [".out.lethe~new"]
    assert names(tmp_path) == set()


def test_other_hidden_files_are_nobodys_leftovers(tmp_path):
    for name in (".out.lock", ".out.old", "x.lethe~new", ".git", "~lock"):
        (tmp_path / name).mkdir()
    assert atomic.recover(tmp_path) == [] and len(names(tmp_path)) == 5


def test_what_is_removed_is_gone_at_once(tmp_path, monkeypatch):
    write(tmp_path / "out", "first")
    monkeypatch.setattr(atomic.shutil, "rmtree", lambda *_, **__: None)  # killed before it is done
    atomic.remove(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    atomic.recover(tmp_path)
    assert names(tmp_path) == set()


def test_writers_of_one_file_take_turns(tmp_path):
    file, contents = tmp_path / "x", [bytes([65 + i]) * 50_000 for i in range(4)]
    seen, done = set(), threading.Event()
    atomic.write_bytes(file, contents[0])

    def look():
        while not done.is_set():
            seen.add(file.read_bytes())

    writers = [threading.Thread(target=lambda c=c: [atomic.write_bytes(file, c) for _ in range(3)]) for c in contents]
    reader = threading.Thread(target=look)
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen <= set(contents) and names(tmp_path) == {"x"}


@pytest.mark.parametrize("error", [
    OSError(28, "No space left on device"), OSError(122, "Disk quota exceeded"),
    Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
])
def test_a_full_disk_is_one_line_and_no_half_result(tmp_path, error):
    write(tmp_path / "out", "first")
    said = r"the disk is full: [\d,]+ bytes are free to write .*out; make room"
    with pytest.raises(atomic.DiskFull, match=said) as raised, atomic.output_folder(tmp_path / "out", "a") as folder:
        (folder / "a").write_text("half")
        raise error
    assert isinstance(raised.value, OSError) and isinstance(raised.value, ValueError) and "\n" not in str(raised.value)
    assert names(tmp_path) == {"out"} and (tmp_path / "out" / "a").read_text() == "first"


def test_a_disk_too_full_for_a_lock_says_the_same(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.FileLock, "acquire", full)
    for write_one in (write, lambda path, text: atomic.write_bytes(path, text.encode())):
        with pytest.raises(atomic.DiskFull, match="the disk is full"):
            write_one(tmp_path / "new" / "out", "x")


def test_another_error_is_not_taken_for_a_full_disk(tmp_path):
    with pytest.raises(PermissionError), atomic.output_folder(tmp_path / "out", "a"):
        raise PermissionError(13, "Permission denied")


def test_contents_are_on_the_disk_before_their_name_is(tmp_path, monkeypatch):
    events, fsync, replace = [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda old, new: (events.append("rename"), replace(old, new)))
    atomic.write_bytes(tmp_path / "x", b"1")
    assert events == [".x.lethe~new", "rename", tmp_path.name]
    events.clear()
    write(tmp_path / "out", "1")
    assert events == ["a", ".out.lethe~new", "rename", tmp_path.name]
