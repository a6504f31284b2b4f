"""Jobs run in real processes; the work itself is a harmless stand-in."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from analysis import job_queue, job_table, jobs, processes, store

STAND_IN = """
import pathlib, signal, sys, time
what, seconds, folder = sys.argv[1], float(sys.argv[2]), pathlib.Path(sys.argv[3])
if what == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("working", what)
time.sleep(seconds)
if what == "fail":
    print("a warning", file=sys.stderr)
    sys.exit("expected a file with rows, got none")
if what != "nothing":
    folder.mkdir(parents=True)
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, "-c", STAND_IN])
    yield tmp_path
    for job in jobs.jobs():
        if job.active:
            jobs.cancel(job.id)


def submit(what: str, seconds: float, name: str) -> str:
    folder = store.workspace() / name
    return jobs.submit("test", [what, str(seconds), str(folder)], folder)


def wait(job_id: str, *states: str, limit: float = 30.0) -> jobs.Job:
    end = time.monotonic() + limit
    while (job := jobs.status(job_id)).state not in states:
        assert time.monotonic() < end, f"{job.state} ({job.cause}) after {limit} s, expected {states}: {jobs.tail(job_id)}"
        time.sleep(0.05)
    return job


def worker(job_id: str) -> psutil.Process:
    row = next(row for row in job_table.rows() if row["id"] == job_id)
    return psutil.Process(processes.pid_of(row["process"]))


def change(job_id: str, **values) -> None:
    with job_table.transaction() as db:
        for name, value in values.items():
            db.execute(f"UPDATE jobs SET {name} = ? WHERE id = ?", (value, job_id))


def printed(job_id: str) -> None:
    end = time.monotonic() + 30
    while "working" not in jobs.tail(job_id):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_one_runs_the_others_wait_and_start_by_themselves(workspace):
    first, second, third = submit("work", 0.5, "a"), submit("work", 0, "b"), submit("work", 0, "c")
    assert [(j.state, j.position) for j in reversed(jobs.jobs())] == [("running", None), ("queued", 1), ("queued", 2)]
    ended = [wait(job_id, "done") for job_id in (first, second, third)]
    assert ended[0].seconds > 0.5 and [(workspace / name).is_dir() for name in "abc"] == [True] * 3
    assert jobs.tail(first) == "working work"


@pytest.mark.slow
def test_next_job_starts_when_nobody_looks(workspace):
    """Only folders are watched, so nothing but the workers can start the second job."""
    submit("work", 0.2, "a"), submit("work", 0, "b")
    end = time.monotonic() + 15
    while not (workspace / "b").is_dir():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_failure_names_its_cause():
    job = wait(submit("fail", 0, "a"), "failed")
    assert job.cause == "expected a file with rows, got none"
    assert jobs.tail(job.id).splitlines() == ["working fail", "a warning", job.cause]


def test_exit_code_0_without_output_is_a_failure():
    assert "did not write 'a'" in wait(submit("nothing", 0, "a"), "failed").cause


@pytest.mark.slow
@pytest.mark.parametrize("what", ["work", pytest.param("stubborn", marks=pytest.mark.slow)])
def test_cancel_ends_within_two_seconds(what):
    job_id = submit(what, 60, "a")
    printed(job_id)
    processes = [worker(job_id), *worker(job_id).children()]
    start = time.monotonic()
    jobs.cancel(job_id)
    wait(job_id, "cancelled")
    psutil.wait_procs(processes, timeout=2)
    assert time.monotonic() - start < 2 and not any(p.is_running() for p in processes)


def test_cancel_at_once_after_submit():
    job_id = submit("work", 60, "a")
    jobs.cancel(job_id)
    assert wait(job_id, "cancelled", limit=3).cause is None


def test_cancel_a_queued_job_leaves_the_running_one():
    first, second = submit("work", 60, "a"), submit("work", 60, "b")
    jobs.cancel(second)
    assert [jobs.status(j).state for j in (first, second)] == ["running", "cancelled"]


@pytest.mark.slow
def test_killed_worker_is_noticed_its_command_ended_and_the_next_job_started():
    first, second = submit("stubborn", 60, "a"), submit("work", 0, "b")
    printed(first)
    command = worker(first).children()[0]
    worker(first).kill()
    job = wait(first, "interrupted", limit=2.5)
    assert job.cause == job_queue.LOST
    command.wait(2)
    assert wait(second, "done").state == "done"


@pytest.mark.slow
def test_a_recycled_pid_is_not_taken_for_the_worker():
    job_id = submit("work", 60, "a")
    process = worker(job_id)
    start = processes.identity(process.pid).partition(":")[2]
    change(job_id, process=f"{os.getpid()}:{start}")  # this very process has the pid now
    assert jobs.status(job_id).state == "interrupted"
    process.wait(3)


@pytest.mark.slow
def test_command_killed_by_a_signal_says_so():
    job_id = submit("work", 60, "a")
    printed(job_id)
    worker(job_id).children()[0].send_signal(signal.SIGKILL)
    assert "SIGKILL" in wait(job_id, "failed").cause


@pytest.mark.slow
def test_a_job_survives_the_process_that_submitted_it():
    code = f"""
from analysis import job_queue, job_table, jobs, processes, store
jobs.COMMAND = {jobs.COMMAND!r}
folder = store.workspace() / "a"
print(jobs.submit("test", ["work", "1", str(folder)], folder))
"""
    job_id = subprocess.run([sys.executable, "-c", code], cwd=store.PROJECT, capture_output=True, text=True, check=True).stdout
    assert jobs.status(job_id.strip()).state == "running"
    wait(job_id.strip(), "done")


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ValueError, match="inside the workspace"):
        jobs.submit("test", [], tmp_path.parent / "outside")
    with pytest.raises(ValueError, match="no job 'x'"):
        jobs.status("x")
    submit("work", 60, "a")
    with pytest.raises(ValueError, match="expected a new name, got 'a'"):
        submit("work", 0, "a")


def test_the_command_shown_can_be_pasted():
    assert jobs.command_line(["unlearn", "--model", "my model"]) == ".venv/bin/python -m analysis unlearn --model 'my model'"


@pytest.mark.slow
def test_devices_run_side_by_side_and_have_a_queue_each():
    def on(device: str, name: str) -> str:
        folder = store.workspace() / name
        return jobs.submit("test", ["work", "60", str(folder), "--device", device], folder)

    cpu, gpu, third = on("cpu", "a"), on("cuda", "b"), on("cuda:0", "c")
    found = {job.id: (job.device, job.state, job.position) for job in jobs.jobs()}
    assert found == {cpu: ("cpu", "running", None), gpu: ("cuda:0", "running", None), third: ("cuda:0", "queued", 1)}
    jobs.cancel(gpu)
    wait(third, "running")
    assert jobs.status(cpu).state == "running"


@pytest.mark.parametrize(("arguments", "device"), [
    (["score", "--device", "cuda"], "cuda:0"), (["score", "--device=mps"], "mps"), (["score", "--device"], "cpu"), ([], "cpu"),
])
def test_the_device_is_that_of_the_command(arguments, device, monkeypatch):
    monkeypatch.setattr(jobs.shutil, "which", lambda name: None)
    assert jobs.device_of(arguments) == device
    monkeypatch.setattr(jobs.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert jobs.device_of(["score"]) == "cuda:0"


SESSION = """
import sys
from analysis import jobs, place
jobs.COMMAND = [sys.executable, "-c", sys.argv[2]]
for number in range(4):
    folder = place.workspace() / f"{sys.argv[1]}-{number}"
    jobs.submit("test", [str(folder)], folder)
"""
WITNESS = """
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
busy = folder.parent / "busy"
busy.mkdir()
with open(folder.parent / "order", "a") as order:
    order.write(folder.name + "\\n")
folder.mkdir()
busy.rmdir()
"""


@pytest.mark.slow
def test_twenty_jobs_of_five_sessions_run_each_once_in_order_and_never_two_at_once(workspace):
    """Each job fails if another runs at the same time, as the folder `busy` is there already."""
    sessions = [subprocess.Popen([sys.executable, "-c", SESSION, str(i), WITNESS], cwd=store.PROJECT) for i in range(5)]
    assert [session.wait(120) for session in sessions] == [0] * 5
    found = jobs.jobs()[::-1]
    assert len(found) == 20 and wait(found[-1].id, "done", "failed", limit=200).state == "done"
    assert {job.state for job in jobs.jobs()} == {"done"}
    assert (workspace / "order").read_text().split() == [job.output.name for job in found]


def test_a_job_whose_log_cannot_be_written_waits_and_says_why(workspace):
    (workspace / "jobs").write_text("a file where the folder of logs should be")
    job = jobs.status(submit("work", 60, "a"))
    assert job.state == "queued" and job.cause.startswith("it cannot be started: ") and job.position == 1
    (workspace / "jobs").unlink()
    job = jobs.status(job.id)
    assert job.state == "running" and job.cause is None


def test_after_a_restart_of_the_machine_a_running_job_is_interrupted(workspace):
    job_id = submit("work", 60, "a")
    process = next(row["process"] for row in job_table.rows() if row["id"] == job_id)
    change(job_id, process=process.rpartition(":")[0] + ":another-boot", clock=1e9)
    job = jobs.status(job_id)
    assert (job.state, job.cause, job.seconds) == ("interrupted", job_queue.RESTARTED, None)


@pytest.mark.slow
def test_a_clock_that_is_set_back_changes_nothing(monkeypatch):
    first, second = submit("work", 60, "a"), submit("work", 60, "b")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    third = submit("work", 60, "c")
    assert [job.id for job in jobs.jobs()] == [third, second, first] and jobs.status(first).state == "running"
    assert 0 <= jobs.status(first).seconds < 60 and jobs.status(third).position == 2
    jobs.cancel(first)
    assert wait(first, "cancelled").seconds >= 0


@pytest.mark.slow
def test_a_table_damaged_under_a_running_job_leaves_its_result_and_the_queue_goes_on(workspace):
    job_id = submit("work", 1, "a")
    printed(job_id)
    (workspace / "jobs.sqlite").write_bytes(b"not a database" * 999)
    for end in ("-wal", "-shm"):
        (workspace / f"jobs.sqlite{end}").unlink(missing_ok=True)
    assert jobs.jobs() == []
    end = time.monotonic() + 30
    while not (workspace / "a").is_dir():
        assert time.monotonic() < end
        time.sleep(0.05)
    second = submit("work", 0, "b")
    wait(second, "done")
    assert [job.id for job in jobs.jobs()] == [second]
