"""Fuzzing of every reader: `python -m tests.benchmarks.fuzz [--cases N] [--only NAME [--case K]]` prints a table by reader.

Each reader (`tests.fuzzed_readers`) is called on files that were damaged at random (`tests.mutations`), in a process of its own that
may map 1 GiB more than its libraries do, with ten seconds of processor time per case. Counted are: ok (it returned), error (ValueError
of one line that names the file), fault (anything else, with the number that makes the case again: `--only NAME --case K` shows its
traceback). A process that dies or waits is a fault of the case at hand, and the next case gets a new process. An audit hook makes a
fault of every write outside the workspace, and of every process, connection or unpickled class.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

SECONDS, GIB = 10, 2**30
SHARE = {"model": 0.2, "report": 0.02, "pages": 0.01, "address": 0.02}  # of the others' number of cases, for those that are slow
FORBIDDEN = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pickle.find_class")
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.chmod", "sqlite3.connect")


class Forbidden(BaseException):
    """What no reader may do, and none may catch."""


class Slow(BaseException):
    """A case took longer than it may."""


def watch(root: Path) -> None:
    """From now on this process writes nowhere but in `root`, and starts and calls nothing."""

    def hook(event: str, arguments: tuple) -> None:
        if event in FORBIDDEN:
            raise Forbidden(f"{event} {arguments!r:.200}")
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        below = event in CHANGES and isinstance(arguments[-1], int) and arguments[-1] >= 0  # of a folder that is open already
        if writes or event in CHANGES and not below:
            named = arguments[:1] if event == "open" else arguments[:2]  # the second is a mode there
            plain = [os.fsdecode(name) for name in named if isinstance(name, str | bytes | Path)]
            paths = [os.path.abspath(name.removeprefix("file://")) for name in plain]  # SQLite's, too
            if outside := [path for path in paths if not path.startswith((str(root), "/dev/null")) and not path.endswith(":memory:")]:
                raise Forbidden(f"{event} outside of the workspace: {outside}")

    sys.addaudithook(hook)


def work(name: str, first: int, n: int, root: Path) -> None:
    """Cases `first` to `n`, in this process; what is found stands in state.json, beside the workspace, after every case."""
    from tests.fuzzed_readers import READERS, damage, outcome, restore

    sys.stderr = open(root.parent / "errors", "w")  # noqa: SIM115 for the process's life
    os.environ["LETHE_WORKSPACE"], reader, tempfile.tempdir = str(root), READERS[name], str(root)
    whole = {file: (root / file).read_bytes() for file in reader.files}
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + GIB, mapped + GIB))
    state = os.open(root.parent / "state.json", os.O_WRONLY | os.O_CREAT)
    watch(root)
    signal.signal(signal.SIGPROF, _stop)
    found: dict[str, Any] = {"ok": 0, "error": 0, "faults": [], "slowest": 0.0, "slowest_case": -1, "peak": 0}
    for case in range(first, n):
        if not case % 50:
            found["peak"] = _peak()
        os.pwrite(state, json.dumps(found | {"case": case}).ljust(4000).encode(), 0)
        damage(reader, root, whole, Random(f"{name} {case}"))
        before = time.process_time()
        said = _judged(reader, root, outcome)
        if (took := time.process_time() - before) > found["slowest"]:
            found |= {"slowest": took, "slowest_case": case}
        if said in ("ok", "error"):
            found[said] += 1
        else:
            found["faults"] = [*found["faults"], f"{case}: {said}"[:300]]
        if len(json.dumps(found["faults"])) > 3000:
            break
        restore(root, whole)
    os.pwrite(state, json.dumps(found | {"case": case + 1, "peak": _peak()}).ljust(4000).encode(), 0)


def _judged(reader: Any, root: Path, outcome: Any) -> str:
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return outcome(reader, root)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever it is, it is counted
        return f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(*_: Any) -> None:
    raise Slow(f"over {SECONDS} s")


def _peak() -> int:
    """Bytes; not ru_maxrss, which a child takes over from its parent."""
    return 1024 * next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))


def fuzz(name: str, n: int, whole: Path) -> dict[str, Any]:
    """All cases of a reader, on copies of the workspace `whole`, in as many processes as it takes."""
    total: dict[str, Any] = {"ok": 0, "error": 0, "faults": [], "slowest": 0.0, "slowest_case": -1, "peak": 0}
    first = 0
    while first < n and len(total["faults"]) < 20:
        with tempfile.TemporaryDirectory(prefix="lethe-fuzz-") as place:
            shutil.copytree(whole, Path(place, "workspace"))
            died, found = _process(name, first, n, Path(place))
        for key in ("ok", "error", "faults"):
            total[key] += found[key]
        total["peak"] = max(total["peak"], found["peak"])
        if found["slowest"] > total["slowest"]:
            total |= {key: found[key] for key in ("slowest", "slowest_case")}
        first = found["case"]
        if died:
            total["faults"].append(f"{first}: {died}")
            first += 1
    return total


def _process(name: str, first: int, n: int, place: Path) -> tuple[str, dict[str, Any]]:
    """How the process died, empty if it did not, and what it had found."""
    child = multiprocessing.get_context("fork").Process(target=work, args=(name, first, n, place / "workspace"))
    child.start()
    state, seen, since = {"case": first}, None, time.monotonic()
    while child.exitcode is None:
        child.join(0.5)
        with suppress(OSError, ValueError):
            state = json.loads((place / "state.json").read_text())
        if state["case"] != seen:
            seen, since = state["case"], time.monotonic()
        if time.monotonic() - since > 30 * SECONDS:
            child.kill()
    state = json.loads((place / "state.json").read_text())
    last = (place / "errors").read_text(errors="replace").strip().splitlines()[-1:]
    return f"the process ended with {child.exitcode} {last}" if child.exitcode else "", state


def once(name: str, case: int) -> None:
    """One case again, with its traceback."""
    from tests.fuzzed_readers import READERS, damage, made, outcome

    with tempfile.TemporaryDirectory(prefix="lethe-fuzz-") as place:
        os.environ["LETHE_WORKSPACE"], root, reader = place, Path(place), READERS[name]
        made(root)
        file = damage(reader, root, {file: (root / file).read_bytes() for file in reader.files}, Random(f"{name} {case}"))
        print(file, (root / file).read_bytes()[:1500] if (root / file).exists() else "is gone")
        try:
            print(outcome(reader, root))
            reader.read(root)
        except ValueError as error:
            print("ValueError:", error)


def main() -> None:
    from tests.fuzzed_readers import READERS, made, outcome, restore

    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=12_000)
    options.add_argument("--only", choices=list(READERS), nargs="+", default=list(READERS))
    options.add_argument("--case", type=int)
    given = options.parse_args()
    if given.case is not None:
        return once(given.only[0], given.case)
    with tempfile.TemporaryDirectory(prefix="lethe-fuzz-") as whole:
        os.environ["LETHE_WORKSPACE"] = whole
        made(Path(whole), model=any(file.startswith("model/") for name in given.only for file in READERS[name].files))
        for name in given.only:  # loads every library, once for all processes
            assert outcome(READERS[name], Path(whole)) == "ok", name
        restore(Path(whole), {})
        sys.exit(table(given.only, given.cases, Path(whole)))


def table(names: list[str], n_cases: int, whole: Path) -> bool:
    """Print what is found, a line per reader; returns whether there are faults."""
    n_all, n_faults = 0, 0
    print(f"{'reader':18}{'cases':>8}{'ok':>8}{'errors':>8}{'faults':>8}{'peak MiB':>10}{'slowest s':>11}  seconds", flush=True)
    for name in names:
        began, n = time.monotonic(), max(1, round(n_cases * SHARE.get(name, 1)))
        found = fuzz(name, n, whole)
        n_done = found["ok"] + found["error"] + len(found["faults"])
        n_all, n_faults = n_all + n_done, n_faults + len(found["faults"])
        print(f"{name:18}{n_done:8}{found['ok']:8}{found['error']:8}{len(found['faults']):8}{found['peak'] / 2**20:10.0f}"
              f"{found['slowest']:11.2f}  {time.monotonic() - began:.0f}", *found["faults"][:12], sep="\n    ", flush=True)
    print(f"{n_all} cases, {n_faults} faults")
    return bool(n_faults)


if __name__ == "__main__":
    main()
