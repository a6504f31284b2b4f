"""What is on disk beside a run's own tables: its evaluation, its sampling, and the study's comparisons of samplings and of masks.

An evaluation is the folder `evaluation/` of a run, as `evaluate` writes it: LETHE_SUMMARY.json (metric: number, or text that says
what it needs), evaluation.csv (a row per forget sample) and parameter_change.csv (by layer and component). The comparisons are
`curricula/` and `masks/` of a study's results, as `compare-curricula` and `compare-masks` write them.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import atomic, plain_files, store, studies
from analysis.observed import CONTROL
from analysis.runs import RunRecord, config_of

KEPT = 0.8  # retain probability from which a run counts as one that kept the rest
CURRICULA = ["method", "arm", "seed", "n_updates", "forget_probability", "retain_probability"]
SAMPLINGS = {"Uniform": "uniform", "CGA": "cga", "CGATwoLevel": "cga-released"}  # of config.yaml
MEASURED = ("mean", "low", "high", "minus_uniform", "minus_low", "minus_high")  # per outcome in summary.csv
MASKS = [*CURRICULA, "n_touched", "share_touched", "relearned_probability"]
MINUS = [f"minus_{arm}{end}" for arm in ("unmasked", "random") for end in ("", "_low", "_high")]  # per outcome, of the masks


@dataclass(frozen=True)
class Evaluation:
    """`summary`: metric -> number, or text that says why there is none. `generations`: the greedy answer by sample_id.

    `moved`: by layer, the L2 norm of the change of its weights over that of the original weights. Both are empty if not computed.
    """

    summary: dict[str, Any]
    generations: pd.Series
    moved: pd.Series


def read_evaluation(folder: Path) -> Evaluation | None:
    """The evaluation in this folder; None if there is none. Raises ValueError if a file cannot be read as one."""
    summary = folder / "LETHE_SUMMARY.json"
    if not summary.is_file():
        return None
    try:
        figures = plain_files.json_object(summary)
        rows, moved = _text_table(folder / "evaluation.csv"), _text_table(folder / "parameter_change.csv")
        if odd := [name for name, value in figures.items() if not isinstance(value, str | int | float | None)]:
            raise ValueError(f"LETHE_SUMMARY.json: {odd[0][:40]!r} is neither a number nor text")
        return Evaluation(figures, _generations(rows), _moved(moved))
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"{folder}: expected an evaluation as `evaluate` writes it: {plain_files.one_line(error)}") from error


def _text_table(file: Path) -> pd.DataFrame:
    """Every cell as text, as "NA" is an answer too; empty if there is no such file."""
    return pd.read_csv(file, dtype=str, keep_default_na=False) if file.is_file() else pd.DataFrame()


def _generations(rows: pd.DataFrame) -> pd.Series:
    if not {"sample_id", "generation"} <= set(rows):
        return pd.Series(dtype=str)
    return rows.drop_duplicates("sample_id").set_index("sample_id")["generation"].map(atomic.plain_cell)


def _moved(rows: pd.DataFrame) -> pd.Series:
    if not {"layer", "component", "relative_l2"} <= set(rows):
        return pd.Series(dtype=float)
    layers = rows[(rows["component"] == "all") & (rows["layer"] != "all")].set_index("layer")["relative_l2"]
    return pd.to_numeric(layers)


def sampling(record: RunRecord) -> str:
    """A run's sampling as the command line names it, which tells the two curricula apart; `uniform` where an earlier version had
    no other."""
    try:
        config = config_of(record.folder)
        name, order = str(config.get("sampling") or "Uniform"), (config.get("sampling_args") or {}).get("order")
        return str(order).replace("_", "-") if order else SAMPLINGS.get(name, name)
    except (ValueError, TypeError, AttributeError):
        return "not known"


def by_id(records: list[RunRecord]) -> dict[str, RunRecord]:
    """Runs by what addresses call them: the name, `<name>@yours` for a run of one's own that is called as a shipped one is."""
    shipped = {record.name for record in records if record.shipped}
    return {f"{r.name}@yours" if r.name in shipped and not r.shipped else r.name: r for r in records}


def frame(records: list[RunRecord]) -> pd.DataFrame:
    """A row per run, by its id (`by_id`): what the records say and how it drew its samples; what was not recorded is missing.

    `setup` is the same text for runs that differ in nothing but their seed.
    """
    rows = [{
        "id": name, "setup": _setup(r), "name": r.name, "origin": "shipped" if r.shipped else "yours", "method": r.method,
        "sampling": sampling(r), "mask": r.mask, "seed": r.seed, "learning_rate": r.learning_rate, "n_epochs": r.n_epochs,
        "forget_before": r.forget_before,
        "forget": r.forget_probability, "retain_before": r.retain_before, "retain": r.retain_probability,
        "n_forgotten": r.n_forgotten, "n_samples": r.n_samples, "seconds": r.seconds,
    } for name, r in by_id(records).items()]
    real = dict.fromkeys(("learning_rate", "forget_before", "forget", "retain_before", "retain", "seconds"), float)
    return pd.DataFrame(rows).astype({"seed": "Int64", "n_epochs": "Int64"} | real).set_index("id")


def _setup(record: RunRecord) -> str:
    try:
        config = config_of(record.folder)
        same = {name: value for name, value in config.items() if name != "seed"} | {"n_samples": record.n_samples}
        return json.dumps(same, sort_keys=True, default=str)
    except (ValueError, TypeError, AttributeError):
        return record.name


def best(records: list[RunRecord]) -> RunRecord | None:
    """The run that left the least of the forget set, of those that kept the retain set and are no control; None without one."""
    able = [r for r in records if r.method != CONTROL and r.retain_probability is not None and r.retain_probability >= KEPT]
    return min(able, key=lambda r: r.forget_probability, default=None)


def reference(study: studies.Study) -> float | None:
    """The forget probability of a model that never saw the forget set; known of the embedded study alone, which brings such a model."""
    made = provenance(store.DATA / "manifest.json") if study.slug == "embedded" else {}
    try:
        return float(made["memorisation"]["retain_model"]["split"]["forget"]["mean_answer_probability"])
    except (KeyError, TypeError, ValueError):
        return None


def read_curricula(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """curricula.csv (a row per run) and summary.csv (a row per method and arm); None if there are none.

    Raises ValueError if one lacks a column or cannot be read.
    """
    if not (folder / "curricula.csv").is_file():
        return None
    columns = [f"{outcome}_{name}" for outcome in ("forget", "retain") for name in MEASURED]
    return _tables(folder, "curricula", CURRICULA, ["method", "arm", "n_seeds", *columns])


def read_masks(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]] | None:
    """masks.csv (a row per run), summary.csv (a row per method and arm) and masks.json; None if there are none.

    Raises ValueError if one lacks a column or cannot be read.
    """
    if not (folder / "masks.csv").is_file():
        return None
    columns = [f"{outcome}_{name}" for outcome in ("forget", "retain", "relearned") for name in (*MEASURED[:3], *MINUS)]
    tables = _tables(folder, "masks", MASKS, ["method", "arm", "n_seeds", "share_touched", *columns])
    try:
        record = plain_files.json_object(folder / "masks.json")
        if not isinstance(record.get("left_out"), dict):
            raise ValueError("an object with left_out is expected")
    except ValueError as error:
        raise ValueError(f"{folder / 'masks.json'}: expected what `compare-masks` writes: {error}") from error
    return *tables, record


def _tables(folder: Path, name: str, of_runs: list[str], of_arms: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What the command `compare-<name>` writes: <name>.csv and summary.csv, with at least these columns."""
    by = f"compare-{name}"
    return _table(folder / f"{name}.csv", of_runs, by), _table(folder / "summary.csv", of_arms, by)


def _table(file: Path, columns: list[str], command: str) -> pd.DataFrame:
    try:
        frame = pd.read_csv(file, dtype={"method": str, "arm": str})
        numbers = [column for column in columns if column not in ("method", "arm")]
        return frame.assign(**{column: pd.to_numeric(frame[column]) for column in numbers}).dropna(subset=["method", "arm"])
    except KeyError as error:
        raise ValueError(f"{file}: expected the columns {', '.join(columns)}; {error.args[0]} is missing") from error
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"{file}: expected a table as `{command}` writes it: {plain_files.one_line(error)}") from error


def provenance(file: Path) -> dict[str, Any]:
    """What a result was computed from, as the record beside it says; empty where there is none that can be read."""
    try:
        return plain_files.json_object(file)
    except ValueError:
        return {}
