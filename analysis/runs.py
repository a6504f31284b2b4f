"""Unlearning runs on disk, and what they say: which memories went, and which stayed. How hard each was: see `observed`.

A run's folder holds steps.csv, trajectories.csv, samples.csv, config.yaml, manifest.json and, unless shipped, model/. While it
is written it is called `<name>.partial`. Losses are nats per answer token; probability = exp(-NLL).
"""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import place, plain_files, store, studies
from analysis.cohorts import CohortRule, assign
from analysis.dataset import Sample
from analysis.links_out import way_out

FORGOTTEN_BELOW = 0.3  # probability per answer token; equal to evaluation.FORGOTTEN, which would cost pages an import of torch
BARELY_FORGOTTEN = 0.7  # probability left by an anchor run above which it ranks samples as the untouched model does
COHORTS = ("hard", "middle", "easy", "unscored")
SAMPLE_COLUMNS = {
    "sample_id": str, "nll_after": float, "probability_before": float, "probability_after": float, "forgotten_epoch": "Int64",
}
MORE_COLUMNS = {"nll_before": float, "forgotten_step": "Int64"}  # that earlier versions lack


@dataclass(frozen=True)
class RunRecord:
    """One finished run. Probabilities are means over a set; `n_forgotten` is at the end of the run. None = not recorded."""

    name: str
    folder: Path
    shipped: bool
    method: str
    learning_rate: float | None
    n_epochs: int | None
    seed: int | None
    n_samples: int
    n_forgotten: int
    forget_before: float
    forget_probability: float
    retain_before: float | None
    retain_probability: float | None
    seconds: float | None
    sampling: str = "Uniform"  # how forget samples were drawn
    mask: str = "none"  # the what-if whose weights it was to change, "file" for a mask of one's own


@dataclass(frozen=True)
class Run:
    """A run's tables as they are on disk; `samples` and `trajectories` know a sample by `sample_id`."""

    record: RunRecord
    samples: pd.DataFrame
    trajectories: pd.DataFrame
    steps: pd.DataFrame
    config: dict[str, Any]
    manifest: dict[str, Any]


def runs_folder(study: studies.Study) -> Path:
    """Where the user's runs of a study go."""
    return store.workspace() / "runs" / store.check_slug(study.slug)


def list_runs(study: studies.Study) -> list[RunRecord]:
    """The study's finished runs, by name: shipped ones and the user's. A folder that is not a whole run is left out."""
    found = []
    for parent in (study.results / "runs", runs_folder(study)):
        for folder in parent.glob("*"):
            if place.SLUG.fullmatch(folder.name) and folder.suffix != ".partial":
                with contextlib.suppress(ValueError):
                    found.append(_read_record(folder)[0])
    return sorted(found, key=lambda record: record.name)


def read_run(folder: Path) -> Run:
    """Raises ValueError if the folder holds no finished run."""
    record, samples, config, manifest = _read_record(Path(folder))
    return Run(record, samples, read_trajectories(folder), read_steps(folder), config, manifest)


def _read_record(folder: Path) -> tuple[RunRecord, pd.DataFrame, dict[str, Any], dict[str, Any]]:
    if folder.is_relative_to(store.workspace()) and (link := way_out(folder)) is not None:
        raise ValueError(f"{folder.name}: {link.name} is a link that leads out of the workspace; put the files themselves there")
    try:
        manifest = plain_files.json_object(folder / "manifest.json")
        config = config_of(folder)
        samples = pd.read_csv(folder / "samples.csv", dtype=SAMPLE_COLUMNS | MORE_COLUMNS)
        return _record(folder, samples, config, dict(manifest.get("summary", {}))), samples, config, manifest
    except (OSError, ValueError, TypeError, OverflowError) as error:
        files = "manifest.json, config.yaml and samples.csv"
        raise ValueError(f"{folder.name}: expected a finished run with {files}: {plain_files.one_line(error)}") from error


def config_of(folder: Path) -> dict[str, Any]:
    """How a run was trained, as its manifest records it, else its config.yaml, which otherwise holds the command's flags."""
    file = folder / "manifest.json"
    recorded = plain_files.json_object(file).get("config") if file.is_file() else None
    return dict(recorded) if recorded else plain_files.yaml_object(folder / "config.yaml")


def _record(folder: Path, samples: pd.DataFrame, config: dict[str, Any], summary: dict[str, Any]) -> RunRecord:
    missing = [column for column in SAMPLE_COLUMNS if column not in samples]
    if missing or samples.empty or samples.sample_id.duplicated().any() or samples.sample_id.isna().any():
        raise ValueError(f"samples.csv: expected one row per sample with {', '.join(SAMPLE_COLUMNS)}")
    return RunRecord(
        name=folder.name, folder=folder, shipped=not folder.is_relative_to(store.workspace()),
        method=str(config.get("method", "unknown")),
        learning_rate=_number(config.get("learning_rate")),
        n_epochs=_whole(config.get("n_epochs")), seed=_whole(config.get("seed")), n_samples=len(samples),
        n_forgotten=int((samples.probability_after < FORGOTTEN_BELOW).sum()),
        forget_before=float(samples.probability_before.mean()), forget_probability=float(samples.probability_after.mean()),
        retain_before=_number(summary.get("retain_probability_before")),
        retain_probability=_number(summary.get("retain_probability")), seconds=_number(summary.get("seconds")),
        sampling=str(config.get("sampling", "Uniform")), mask=str(config.get("what_if") or ("file" if config.get("mask") else "none")),
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)  # YAML reads 1e-05 as text


def _whole(value: Any) -> int | None:
    if value is not None and not abs(int(value)) < 2**63:
        raise ValueError(f"expected a whole number of 64 bits, got {str(value)[:40]}")
    return None if value is None else int(value)


def read_steps(output: Path) -> pd.DataFrame:
    """step, epoch, forget_loss, retain_loss, seconds; of a finished run or one that is being written."""
    return _read_growing(live_folder(output) / "steps.csv", ["step", "epoch", "forget_loss", "retain_loss", "seconds"])


def read_trajectories(output: Path) -> pd.DataFrame:
    """sample_id, split, epoch (0 = before), nll, probability; of a finished run or one that is being written."""
    frame = _read_growing(live_folder(output) / "trajectories.csv", ["sample_id", "split", "epoch", "nll"])
    frame = frame.drop_duplicates(["sample_id", "split", "epoch"], ignore_index=True)  # a damaged file may say a thing twice
    return frame.assign(probability=np.exp(-frame.nll))


def live_folder(output: Path) -> Path:
    """Where a run's files are now: its folder, or the sibling that it is filled in."""
    return output if output.exists() else output.with_name(f"{output.name}.partial")


def describe(
    samples: list[Sample], scores: pd.DataFrame | None, rule: CohortRule | None = None, observed: pd.Series | None = None
) -> pd.DataFrame:
    """What a person needs to know a sample by, indexed by sample_id: row, question, answer, rank_cud, cohort.

    The cohort is by `rule`, at first the quarters by CUD rank: hard, easy, the middle; `unscored` without scores. `observed`
    (difficulty as a rank, from runs) is for a rule by outcome, and ValueError is raised if that is missing.
    CUD is cross-fitted: a sample's own unlearning had no part in its score, so every sample is a fair test of it.
    """
    frame = pd.DataFrame(
        {"row": [s.row for s in samples], "question": [s.question for s in samples], "answer": [s.answer for s in samples]},
        index=pd.Index([s.id for s in samples], name="sample_id"),
    )
    known = pd.DataFrame(columns=["sample_id", "rank_cud", "rank_mrd", "cud", "mrd"]) if scores is None else scores
    table = known.set_index("sample_id").reindex(frame.index)
    if observed is not None:
        table["rank_outcome"] = observed.reindex(frame.index).rank(method="first")
    frame["rank_cud"] = table["rank_cud"].astype(float)
    frame["cohort"] = assign(table.reset_index(), rule or CohortRule())
    return frame


def estimate_seconds(records: list[RunRecord], method: str, n_epochs: int | None) -> tuple[float, int] | None:
    """Seconds that a run will take and the number of runs this is measured on; None if none was timed.

    Median over the earlier runs of this method (else of all) of the seconds per epoch, times `n_epochs`; where that is None,
    as many epochs as they had.
    """
    timed = [run for run in records if run.seconds and run.n_epochs]
    timed = [run for run in timed if run.method == method] or timed
    if not timed:
        return None
    return float(np.median([run.seconds / run.n_epochs * (n_epochs or run.n_epochs) for run in timed])), len(timed)


def outcome_by_cohort(samples: pd.DataFrame, cohort: pd.Series) -> pd.DataFrame:
    """Per cohort (in the order of COHORTS): n, and mean with 95 % interval of probability_after and of the share forgotten.

    `cohort` is indexed by sample_id. Columns: cohort, n, probability, probability_low, probability_high, share, share_low,
    share_high. The intervals resample samples, so they say nothing about other seeds.
    """
    names = samples.sample_id.map(cohort).fillna("unscored")
    rows = []
    for name in COHORTS:
        after = samples.probability_after[names == name].to_numpy()
        if len(after):
            rows.append((name, len(after), *bootstrap_mean(after), *bootstrap_mean((after < FORGOTTEN_BELOW).astype(float))))
    return pd.DataFrame(rows, columns=[
        "cohort", "n", "probability", "probability_low", "probability_high", "share", "share_low", "share_high",
    ])


def bootstrap_mean(values: np.ndarray, n_resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Mean and its 95 % percentile interval; the interval of a single value is (nan, nan)."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), float("nan"), float("nan")
    draws = np.random.default_rng(seed).choice(values, size=(n_resamples, len(values)))
    low, high = np.quantile(draws.mean(axis=1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def _read_growing(file: Path, columns: list[str]) -> pd.DataFrame:
    """A CSV that may be missing or end in half a line, which is left out; empty if it is not such a table."""
    whole = file.read_text(errors="replace").rpartition("\n")[0] if file.exists() else ""
    types = {column: str if column in ("sample_id", "split") else float for column in columns}
    with contextlib.suppress(ValueError):
        frame = pd.read_csv(io.StringIO(whole or ",".join(columns)), dtype=types)
        if set(columns) <= set(frame):
            return frame[columns]
    return pd.DataFrame({column: pd.Series(dtype=kind) for column, kind in types.items()})
