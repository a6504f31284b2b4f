"""Kill every command at every moment of its work, and see that nothing is lost: `python -m tests.benchmarks.faults [NAME ...]`.

Each command runs on a tiny model into an empty place, and then over an earlier result of other settings. At each moment (see
`tests.killed`) it is killed by SIGKILL. What must hold: all files that were there before are there, byte for byte, or the output is the
whole new result; no half result is seen; the same command then succeeds with the numbers of a run that was not killed; afterwards
nothing is left over but what a run that was not killed leaves. With `--full` each also runs on a disk with ever more bytes free, and
must say in one line that it is full. Prints a row per command; the exit code is 1 if anything failed.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file

from analysis import atomic
from tests import killed
from tests.fault_commands import COMMANDS, Command, make_inputs

VOLATILE = ("sqlite", "sqlite-wal", "sqlite-shm", "log")
FREE = [4096 * n for n in (0, 1, 2, 3, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 64, 96, 128, 256, 1024)]  # bytes; 4096 a page
UNUSED = ("checkpoint/state.safetensors", "progress.json")  # in a run that was whole when it was killed; `workspace repair` removes it
SAID = 8  # failures that are printed per command


@dataclass
class Tally:
    """Of one command: faults (of them full disks), those after which all held that must, states of the disk that kills left, and what
    did not hold."""

    n: int = 0
    n_full: int = 0
    n_survived: int = 0
    states: set = field(default_factory=set)
    failures: list[str] = field(default_factory=list)

    def add(self, where: str, failures: list[str]) -> None:
        self.n, self.n_survived = self.n + 1, self.n_survived + (not failures)
        self.failures += [f"{where}: {failure}" for failure in failures]


def digest(root: Path) -> str:
    """Of all that lies below a folder, half results and locks too."""
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    contents = [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names
                if (root / name).is_file() and not name.endswith(VOLATILE)]
    return hashlib.sha256("\n".join((*names, *contents)).encode()).hexdigest()


def files(root: Path) -> dict[str, str]:
    """Digest by name of every file below a folder but databases, which are written all the time, and what is being written."""
    found = {}
    for file in sorted(root.rglob("*")):
        if file.is_file() and ".lethe~" not in str(file) and not file.name.endswith(VOLATILE):
            found[str(file.relative_to(root))] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


def below(found: dict[str, str], output: str) -> dict[str, str]:
    return {name: digest for name, digest in found.items() if name == output or name.startswith(f"{output}/")}


def same(one: Path, other: Path) -> bool:
    """Whether two files hold the same but for rounding: samples that are computed in other company are rounded otherwise."""
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix == ".csv":
        a, b = pd.read_csv(one), pd.read_csv(other)
        numbers = list(a.select_dtypes("number"))
        close = np.allclose(a[numbers], b[numbers], 1e-4, 1e-6, equal_nan=True)
        return close and a.drop(columns=numbers).equals(b.drop(columns=numbers))
    if one.suffix == ".safetensors":
        a, b = load_file(one), load_file(other)
        return a.keys() == b.keys() and all(np.allclose(a[name], b[name], 1e-4, 1e-6) for name in a)
    return False


def sweep(command: Command, inputs: Path, base: Path, earlier: bool, every: int, tally: Tally) -> None:
    """All moments of one command over what `base` holds: nothing, or an earlier result."""
    root, known = inputs / "disk" / "workspace", {}
    reference, n_moments = _reference(command, inputs, base)
    for at in range(1 + (len(command.name) + earlier) % every, n_moments + 1, every):  # not the same moments of each
        for half in (False, True):
            _restore(base, root)
            code, _, writes = killed.run(command.arguments(inputs), inputs / "log", root, at, half)
            if half and not writes:
                continue
            where = f"{command.name}, {'over an earlier result' if earlier else 'new'}, moment {at}{' half' * half} of {n_moments}"
            if code == -9:
                state = digest(root)  # most moments find the disk as another one did: what comes of it is the same
                if state not in known:
                    known[state] = _checked(command, inputs, base, reference)
                tally.add(where, known[state])
                tally.states.add((earlier, state))
            elif code != 0:  # it ended before that moment came: another number of moments than at first
                tally.add(where, [f"exit code {code}: {_last(inputs)}"])


def fill(command: Command, inputs: Path, base: Path, every: int, tally: Tally) -> None:
    """The same over a disk that gets full: ever more is free, until the command gets through."""
    disk = inputs / "disk"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64M", "tmpfs", disk], check=True)
    try:
        reference, _ = _reference(command, inputs, base)
        for free in FREE[:: 1 + every // 10]:
            _restore(base, inputs / "disk" / "workspace")
            (disk / "ballast").write_bytes(bytes(shutil.disk_usage(disk).free - free))
            code, _, _ = killed.run(command.arguments(inputs), inputs / "log", disk)
            (disk / "ballast").unlink()
            said = (inputs / "log").read_text().splitlines()
            if code == 0:
                break
            tally.n_full += 1
            clear = code == 2 and said[-1].startswith("error: ") and "the disk is full" in said[-1] and "Traceback" not in "".join(said)
            failures = [] if clear else [f"exit code {code}: {_last(inputs)}"]
            failures += [f"left over: {path.name}" for path in disk.rglob("*") if ".lethe~" in path.name]
            tally.add(f"{command.name}, {free:,} bytes free", failures + _checked(command, inputs, base, reference))
    finally:
        subprocess.run(["umount", disk], check=True)


def _reference(command: Command, inputs: Path, base: Path) -> tuple[dict[str, str], int]:
    """What a run that nothing disturbs leaves, and its moments."""
    root = inputs / "disk" / "workspace"
    _restore(base, root)
    code, n_moments, _ = killed.run(command.arguments(inputs), inputs / "log", root)
    assert code == 0, f"{command.name}: {(inputs / 'log').read_text()}"
    _restore(root, inputs / "whole")
    return files(root), n_moments


def _checked(command: Command, inputs: Path, base: Path, reference: dict[str, str]) -> list[str]:
    """What does not hold after a kill."""
    root, failures = inputs / "disk" / "workspace", []
    before, after = files(base), files(root)
    output = {name: d for name, d in below(after, command.output).items() if not name.endswith(UNUSED)}
    kept = {digest for name, digest in after.items() if name.startswith("damaged/")}
    changed = [name for name in before if after.get(name) != before[name] and before[name] not in kept]
    lost = [name for name in changed if not name.startswith(f"{command.output}.partial/")]  # a run that goes on where it was killed
    if output and output != below(before, command.output):  # then it must be the new one, and whole
        lost = [name for name in lost if name not in below(before, command.output)]
        if set(output) != set(below(reference, command.output)):
            failures.append(f"half a result is seen: {sorted(output)}")
        failures += [f"half a file is seen: {name}" for name in output if not _is_whole(root / name, inputs / "whole" / name, command)]
    failures += [f"lost or changed: {name}" for name in lost]
    code, _, _ = killed.run(command.arguments(inputs), inputs / "log", root)
    if command.other is None and output and code == 2 and any(word in _last(inputs) for word in ("exists", "already")):
        code = 0  # it was done when it was killed, and is refused now
    if code != 0:
        return [*failures, f"the same command then failed: {_last(inputs)}"]
    atomic.recover(root)
    now = {name: d for name, d in files(root).items() if not name.endswith(UNUSED)}
    failures += [f"left over: {name}" for name in sorted(set(now) - set(reference))]
    failures += [f"not there: {name}" for name in sorted(set(reference) - set(now))]
    failures += [f"other numbers: {name}" for name in command.numbers if name in now and not same(root / name, inputs / "whole" / name)]
    return failures + [f"left over: {path.name}" for path in root.rglob("*") if ".lethe~" in path.name]


def _is_whole(file: Path, reference: Path, command: Command) -> bool:
    """Whether a new file is what it should be, as far as that is known: times in it differ, for example."""
    try:
        if str(file).endswith(command.numbers):
            return same(file, reference)
        return file.stat().st_size > 0 and (file.suffix != ".json" or json.loads(file.read_text()) is not None)
    except (ValueError, SafetensorError):
        return False


def _restore(base: Path, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)


def _last(inputs: Path) -> str:
    return (inputs / "log").read_text().strip()[-300:].replace("\n", " | ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="commands; default: all")
    parser.add_argument("--full", action="store_true", help="fill the disk too; needs root, for a tmpfs")
    parser.add_argument("--every", type=int, default=1, help="only every so many moments")
    given = parser.parse_args()
    killed.warm()
    n_failures, rows = 0, []
    with tempfile.TemporaryDirectory() as folder:
        inputs = make_inputs(Path(folder))
        for command in COMMANDS:
            if given.names and command.name not in given.names:
                continue
            tally = Tally()
            for earlier in (False, True):
                base = command.base(inputs, earlier)
                if base is None:
                    continue
                sweep(command, inputs, base, earlier, given.every, tally)
                if given.full:
                    fill(command, inputs, base, given.every, tally)
            rows.append({"command": command.name, "kills": tally.n - tally.n_full, "full": tally.n_full, "survived": tally.n_survived,
                         "states": len(tally.states)})
            print(json.dumps(rows[-1]), flush=True)
            print(*tally.failures[:SAID], sep="\n", file=sys.stderr, flush=True)
            n_failures += tally.n - tally.n_survived
    print(f"{sum(r['kills'] + r['full'] for r in rows)} faults, {n_failures} failed")
    sys.exit(n_failures > 0)


if __name__ == "__main__":
    main()
