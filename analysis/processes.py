"""Which process is meant, said so that no other is taken for it: not one with the same pid later, not after a restart of the machine,
and not by the wall clock, which may be set back."""

import os
from contextlib import suppress
from pathlib import Path

import psutil

BOOT = Path("/proc/sys/kernel/random/boot_id")


def boot() -> str:
    """The present run of the machine; empty where the system does not name it."""
    return BOOT.read_text().strip() if BOOT.is_file() else ""


def identity(pid: int) -> str | None:
    """`<pid>:<start>:<boot>` of a living process, None if there is none. On Linux `start` counts ticks since the machine started
    (psutil's start time moves with the clock there); elsewhere it is the time that the system noted at the start."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        if BOOT.is_file():
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()  # man 5 proc: the state, ..., 22nd: starttime
            return None if fields[0] in "ZX" else f"{pid}:{fields[19]}:{boot()}"
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{pid}:{process.create_time():.3f}:"
    except (OSError, psutil.Error):
        return None


def alive(process: str | None) -> bool:
    """Whether the process of this `identity` is still there."""
    pid = pid_of(process)
    return pid is not None and identity(pid) == process


def pid_of(process: str | None) -> int | None:
    """The pid in an identity, None if that is none."""
    first = (process or "").partition(":")[0]
    return int(first) if first.isascii() and first.isdigit() and 0 < int(first) < 2**31 else None


def of_this_boot(process: str | None) -> bool:
    return (process or "").rpartition(":")[2] == boot()


def kill_marked(variable: str, value: str) -> None:
    """Kill every process that has this in its environment, but not the present one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # gone meanwhile, or another user's
            if process.pid != os.getpid() and process.environ().get(variable) == value:
                process.kill()
