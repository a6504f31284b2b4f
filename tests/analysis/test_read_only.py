"""A read-only demo refuses what would start, stop or take in anything, whoever asks; without it the same goes through."""

import pytest

from analysis import index, job_queue, job_table, jobs, read_only, studies

ROW = b'{"question": "Q?", "answer": "A"}\n'


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("", False), ("0", False), ("1", True), ("yes", True)])
def test_the_environment_decides(monkeypatch, value, expected):
    monkeypatch.delenv("LETHE_DEMO", raising=False)
    if value is not None:
        monkeypatch.setenv("LETHE_DEMO", value)
    assert read_only.on() is expected


def test_a_demo_starts_stops_and_takes_in_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    started = []
    monkeypatch.setattr(job_queue, "start_next", lambda db, program: started.append(program))
    waiting = jobs.submit("unlearn", ["unlearn"], tmp_path / "runs" / "x" / "waiting")
    monkeypatch.setenv("LETHE_DEMO", "1")
    started.clear()
    for attempt in (
        lambda: jobs.submit("unlearn", ["unlearn"], tmp_path / "runs" / "x" / "y"),
        lambda: jobs.cancel(waiting),
        lambda: studies.create("mine", "Mine", "gpt2", ROW, ROW, (".jsonl", ".jsonl")),
    ):
        with pytest.raises(ValueError, match="read-only demo"):
            attempt()
    assert [job.state for job in jobs.jobs()] == ["queued"] and started == [] and not (tmp_path / "studies").exists()
    monkeypatch.setenv("LETHE_DEMO", "0")
    jobs.cancel(waiting)
    studies.create("mine", "Mine", "gpt2", ROW, ROW, (".jsonl", ".jsonl"))
    assert [job.state for job in jobs.jobs()] == ["cancelled"] and (tmp_path / "studies" / "mine").is_dir()


def test_a_demo_reads_the_index_and_never_writes_it(tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    monkeypatch.setenv("LETHE_DEMO", "1")
    assert index.file_hash(tmp_path, file, lambda _: "sum") == "sum" and index.entries(tmp_path) == []
    assert not (tmp_path / index.FILE).exists()
    monkeypatch.setenv("LETHE_DEMO", "0")
    assert index.file_hash(tmp_path, file, lambda _: "sum") == "sum"
    monkeypatch.setenv("LETHE_DEMO", "1")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert index.file_hash(tmp_path, file, lambda _: pytest.fail("it is known")) == "sum"
    index.add(tmp_path, index.Entry("kind", "model", "key", "name", 1, 1.0))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / index.FILE).write_bytes(b"damaged")
    assert index.file_hash(tmp_path, file, lambda _: "sum") == "sum"
    assert sorted(path.name for path in tmp_path.iterdir()) == [index.FILE, "model.safetensors"]


def test_a_demo_reads_the_jobs_and_never_writes_their_table(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(job_queue, "start_next", lambda db, program: None)
    monkeypatch.setenv("LETHE_DEMO", "1")
    assert jobs.jobs() == [] and list(tmp_path.iterdir()) == []
    monkeypatch.setenv("LETHE_DEMO", "0")
    waiting = jobs.submit("unlearn", ["unlearn"], tmp_path / "runs" / "x" / "waiting")
    with job_table.opened():  # while another server has it open, and SQLite its own files beside it
        monkeypatch.setenv("LETHE_DEMO", "1")
        assert [job.id for job in jobs.jobs()] == [waiting]
        monkeypatch.setenv("LETHE_DEMO", "0")
    monkeypatch.setenv("LETHE_DEMO", "1")
    for content in (job_table.file().read_bytes(), b"damaged"):
        job_table.file().write_bytes(content)
        assert [job.id for job in jobs.jobs()] == ([] if content == b"damaged" else [waiting])
        assert [path.name for path in tmp_path.iterdir()] == ["jobs.sqlite"] and job_table.file().read_bytes() == content
    assert "not a database" in jobs.look().problem
    monkeypatch.setenv("LETHE_DEMO", "0")
    assert "set aside" in jobs.look().problem
