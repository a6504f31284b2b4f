"""The files that grow while a run goes on: steps.csv, trajectories.csv and the checkpoint."""

import csv
import os
import time
from pathlib import Path
from typing import Any

from analysis import checkpoint
from analysis.checkpoint import Checkpoint
from analysis.unlearning import Run, StepRecord

SHARE = 0.05  # of a run's time that checkpoints may take, where nobody says how often they are written
COLUMNS = {
    "steps.csv": ["step", "epoch", "forget_loss", "retain_loss", "seconds", "rows"],
    "trajectories.csv": ["sample_id", "split", "epoch", "nll"],
}


def checkpoint_file(output: Path) -> Path:
    """Where the run that will be `output` keeps its state while it is written."""
    return output.with_name(f"{output.name}.partial") / "checkpoint" / "state.safetensors"


class RunFiles:
    """Opens the tables in `partial` with their headers or, when the run goes on, cut back to the checkpoint; `close` when done.

    steps.csv says each step's stage where `identity` has stages. Raises ValueError if a table is shorter than the checkpoint knew it.
    """

    def __init__(self, partial: Path, identity: dict[str, Any], goes_on: Checkpoint | None, every: int | None, n_batches: int):
        self.partial, self.identity, self.every, self.n_batches = partial, identity, every, n_batches
        self.written = self.cost = 0.0  # seconds into the run at the last checkpoint, and what it took
        if goes_on is not None:
            for name, size in goes_on.facts["sizes"].items():
                _cut(partial / name, size)
        self.tables = {name: (partial / name).open("w" if goes_on is None else "a", newline="") for name in COLUMNS}
        if goes_on is None:
            for name, columns in COLUMNS.items():
                staged = ["stage"] if name == "steps.csv" and identity.get("stages") else []
                csv.writer(self.tables[name]).writerow([*columns, *staged])

    def close(self) -> None:
        for table in self.tables.values():
            table.close()

    def append(self, record: StepRecord, ids: dict[str, list[str]]) -> None:
        """The rows of one step. `ids`: the samples' ids by split, in the order of the evaluations."""
        if record.rows:
            losses, rows = (record.forget_loss, record.retain_loss), " ".join(map(str, record.rows))
            staged = [] if record.stage is None else [record.stage]
            csv.writer(self.tables["steps.csv"]).writerow([record.step, record.epoch, *losses, round(record.seconds, 3), rows, *staged])
        if (found := record.evaluation) is not None:
            for split, nll in (("forget", found.forget_nll), ("retain", found.retain_nll)):
                rows = ([name, split, f"{found.epoch:g}", f"{v:.6g}"] for name, v in zip(ids[split], nll, strict=True))
                csv.writer(self.tables["trajectories.csv"]).writerows(rows)
        for table in self.tables.values():
            table.flush()

    def save(self, run: Run) -> None:
        """Write a checkpoint if one is due: every `every` steps, or by default after an epoch, unless that would take over SHARE of the
        time. To be called when the step's rows are in the tables."""
        if self.every is not None:
            due = run.step % self.every == 0
        else:
            due = run.step % self.n_batches == 0 and self.cost <= SHARE * (run.seconds - self.written)
        if not due:
            return
        start = time.perf_counter()
        for table in self.tables.values():
            os.fsync(table.fileno())
        sizes = {name: os.fstat(table.fileno()).st_size for name, table in self.tables.items()}
        checkpoint.write(self.partial / "checkpoint" / "state.safetensors", run, self.identity, sizes)
        self.written, self.cost = run.seconds, time.perf_counter() - start


def _cut(file: Path, size: int) -> None:
    if not file.is_file() or file.stat().st_size < size:
        raise ValueError(f"{file}: expected at least {size} bytes, as at the checkpoint; start anew without --resume")
    os.truncate(file, size)
