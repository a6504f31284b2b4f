"""Everything known of one forget sample, joined from a study's tables: what it is, its scores, its circuit, and what runs did to it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import plain_files
from analysis.circuit import Circuit
from analysis.conflict_map import ConflictMap
from analysis.dataset import Sample
from analysis.runs import Run
from analysis.similarity import similarity

CAUSES = ("n_private", "exposure", "ending_shared_with")  # what the embedded world was made with
SCORES = ("cud", "mrd", "base_nll")
DEPTHS = ("late_share", "mean_layer", "mean_path", "longest_path", "n_edges")
RUN_COLUMNS = ["run", "method", "seed", "before", "after", "gone_at", "over_epochs", "says", "relearnt", "in_common"]


@dataclass(frozen=True)
class Tables:
    """A study as far as it is computed; None or empty = not. All but `runs` and `conflicts` have a row per sample.

    `scores`: scores.csv. `depths`: DEPTHS by sample id. `observed`: observed difficulty by sample id, and `counted` its runs' names.
    By a run's folder, `says` has the greedy answers after it by sample id, `relearnt` what `read_relearnt` gives, and `after` the
    circuits in the run's model by sample id. `alone`: the rows of alone.csv.
    """

    scores: pd.DataFrame | None = None
    circuits: dict[str, Circuit] = field(default_factory=dict)
    depths: pd.DataFrame | None = None
    observed: pd.Series | None = None
    counted: tuple[str, ...] = ()
    runs: tuple[Run, ...] = ()
    says: dict[Path, pd.Series] = field(default_factory=dict)
    relearnt: dict[Path, pd.Series] = field(default_factory=dict)
    after: dict[Path, dict[str, Circuit]] = field(default_factory=dict)
    alone: pd.DataFrame | None = None
    conflicts: ConflictMap | None = None


@dataclass(frozen=True)
class Place:
    """A value among those of all samples: `below` is the share of the others that are smaller, ties counting half (NaN if alone)."""

    value: float
    n: int
    below: float


@dataclass(frozen=True)
class SampleRecord:
    """None = not computed for this sample. Scores in their own units, losses in nats per answer token, shares in [0, 1].

    `row` counts from 0. `cud_role`, `fold`, `template` and the ranks (1 = hardest) are those of scores.csv. `runs` has RUN_COLUMNS, one
    row per run that has the sample; `alone` method, updates and forgotten. `conflict_nodes` are the nodes of its circuit that are in
    conflict on the study's map, in the order of the forward pass; `n_nodes` how many heads and MLPs its circuit has.
    """

    sample_id: str
    question: str
    answer: str
    row: int
    causes: dict[str, Any]
    template: str | None
    cud_role: str | None
    fold: int | None
    n_answer_tokens: int | None
    mrd_stderr: float | None
    rank_cud: float | None
    rank_mrd: float | None
    scores: dict[str, Place]
    depths: dict[str, Place]
    observed_rank: float | None
    n_observed: int
    n_runs_observed: int
    runs: pd.DataFrame
    alone: pd.DataFrame | None
    conflict_nodes: tuple[str, ...] | None
    n_nodes: int | None


def collect(sample: Sample, tables: Tables) -> SampleRecord:
    """What the tables know of a sample; plain lookups, nothing is computed but places."""
    scored = _row(tables.scores, sample.id)
    circuit = tables.circuits.get(sample.id)
    nodes = None if circuit is None else circuit_nodes(circuit)
    observed = tables.observed if tables.observed is not None and sample.id in tables.observed.index else None
    return SampleRecord(
        sample_id=sample.id, question=sample.question, answer=sample.answer, row=sample.row,
        causes={name: sample.meta[name] for name in CAUSES if name in sample.meta},
        template=_cell(scored, "template", str), cud_role=_cell(scored, "cud_role", str), fold=_cell(scored, "fold", int),
        n_answer_tokens=_cell(scored, "n_answer_tokens", int), mrd_stderr=_cell(scored, "mrd_stderr", float),
        rank_cud=_cell(scored, "rank_cud", float), rank_mrd=_cell(scored, "rank_mrd", float),
        scores=_places(tables.scores, sample.id, SCORES), depths=_places(tables.depths, sample.id, DEPTHS),
        observed_rank=None if observed is None else float(observed[sample.id]),
        n_observed=0 if observed is None else int(observed.count()), n_runs_observed=len(tables.counted),
        runs=_in_runs(sample, tables), alone=_alone(sample.id, tables.alone),
        conflict_nodes=None if nodes is None or tables.conflicts is None else _in_conflict(nodes, tables.conflicts),
        n_nodes=None if nodes is None else len(nodes),
    )


def circuit_nodes(circuit: Circuit) -> set[str]:
    """Heads and MLPs on an edge of a circuit; `input` and `logits` are no parts of the model that could be trained."""
    sources, columns = circuit.in_circuit.nonzero()
    index = circuit.index
    names = {index.forward_names[i] for i in sources} | {index.backward_names[i].partition("<")[0] for i in columns}
    return names - {"input", "logits"}


def _in_conflict(nodes: set[str], found: ConflictMap) -> tuple[str, ...]:
    return tuple(name for name, node in found.nodes.items() if node.label == "conflict" and name in nodes)


def _row(frame: pd.DataFrame | None, sample_id: str) -> pd.Series | None:
    """The sample's row of a table with the column `sample_id`."""
    if frame is None or not (mine := frame["sample_id"] == sample_id).any():
        return None
    return frame[mine].iloc[0]


def _cell(row: pd.Series | None, column: str, kind: type) -> Any:
    """None where there is no row, no such column, or no number in it."""
    return None if row is None or column not in row or pd.isna(row[column]) else kind(row[column])


def _places(frame: pd.DataFrame | None, sample_id: str, columns: tuple[str, ...]) -> dict[str, Place]:
    row = _row(frame, sample_id)
    found = {column: _cell(row, column, float) for column in columns}
    return {column: place(frame[column], value) for column, value in found.items() if value is not None}


def place(values: pd.Series, value: float) -> Place:
    """Where a value lies among `values`, of which it is one."""
    n, smaller, equal = int(values.count()), int((values < value).sum()), int((values == value).sum())
    return Place(value, n, (smaller + (equal - 1) / 2) / (n - 1) if n > 1 else float("nan"))


def read_relearnt(run: Path) -> pd.Series | None:
    """Probability by row of the forget set after the longest relearning in the run's evaluation; without the rows that were learnt.

    None where the evaluation was not kept row by row. Raises ValueError if LETHE_EVAL.json cannot be read.
    """
    file = run / "evaluation" / "LETHE_EVAL.json"
    if not file.is_file():
        return None
    found = plain_files.json_object(file)
    steps = [int(match[1]) for name in found if (match := re.fullmatch(r"relearn_(\d{1,6})_Q_A_Prob", name))]
    measured = found[f"relearn_{max(steps)}_Q_A_Prob"] if steps else {}
    try:
        learnt = set(measured.get("relearned_rows", ()))
        values = {int(row): float(entry["prob"]) for row, entry in measured.get("value_by_index", {}).items()
                  if entry["prob"] is not None}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: expected rows of relearning as `evaluate` writes them: {plain_files.one_line(error)}") from error
    return pd.Series({row: value for row, value in values.items() if row not in learnt}, dtype=float)


def _in_runs(sample: Sample, tables: Tables) -> pd.DataFrame:
    rows = [_in_run(sample, run, tables) for run in tables.runs]
    return pd.DataFrame([row for row in rows if row], columns=RUN_COLUMNS)


def _in_run(sample: Sample, run: Run, tables: Tables) -> dict[str, Any] | None:
    """`over_epochs`: the probability from epoch 0 on. `says`, `relearnt`: None where the run's evaluation has not got it. `in_common`:
    edges that its circuits before and after the run share, of the edges of either; None without a circuit after it."""
    row, folder = _row(run.samples, sample.id), run.record.folder
    if row is None:
        return None
    curve = run.trajectories[run.trajectories["sample_id"] == sample.id].sort_values("epoch")["probability"]
    says, relearnt = tables.says.get(folder), tables.relearnt.get(folder)
    return {
        "run": run.record.name, "method": run.record.method, "seed": run.record.seed, "before": float(row["probability_before"]),
        "after": float(row["probability_after"]), "gone_at": _cell(row, "forgotten_epoch", int), "over_epochs": curve.tolist(),
        "says": None if says is None else says.get(sample.id), "relearnt": None if relearnt is None else relearnt.get(sample.row),
        "in_common": _in_common(tables.circuits.get(sample.id), tables.after.get(folder, {}).get(sample.id)),
    }


def _in_common(before: Circuit | None, after: Circuit | None) -> float | None:
    if before is None or after is None:
        return None
    return float(similarity(before.in_circuit[before.index.real_edges], after.in_circuit[after.index.real_edges], "jaccard"))


def _alone(sample_id: str, table: pd.DataFrame | None) -> pd.DataFrame | None:
    mine = None if table is None else table[table["sample_id"] == sample_id]
    return None if mine is None or mine.empty else mine[["method", "updates", "forgotten"]].reset_index(drop=True)
