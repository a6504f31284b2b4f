"""Everything that is on disk about a study, read once, for the report: what there is, and what is missing and needs what."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import pandas as pd

from analysis import circuits_after, conflict_map, dataset, outcomes, runs, store, studies, validity
from analysis.circuit import Circuit
from analysis.observed import counts, observed_difficulty

T = TypeVar("T")


class Part(NamedTuple):
    """A part of the report: what it holds, or, where `computed` is false, what it needs; `page` makes or shows it."""

    title: str
    state: str
    computed: bool
    page: str


@dataclass(frozen=True)
class Collected:
    """None or empty: not computed. `problems` says by part why something that is there cannot be read. Cohorts are quarters by CUD.

    `observed` is the rank by outcome over the runs `counted` (`analysis.observed`), by sample id; `validity` all rows of the table;
    `comparisons` are runs over seeds that differ in their sampling (`curricula`) or mask (`masks`), and the `_summary` of each.
    `after`: circuits in the models that runs left, and `kept`: what became of those of samples to be kept (`circuits_after`), by run.
    """

    study: studies.Study
    forget: list[dataset.Sample]
    retain: list[dataset.Sample]
    scores: pd.DataFrame | None
    scores_record: dict[str, Any]
    circuits: dict[str, Circuit]
    circuits_record: dict[str, Any]
    conflicts: conflict_map.ConflictMap | None
    runs: list[runs.Run]
    evaluations: dict[str, outcomes.Evaluation]
    counted: list[str]
    observed: pd.Series | None
    validity: pd.DataFrame | None
    comparisons: dict[str, pd.DataFrame]
    after: dict[str, circuits_after.Circuits]
    kept: dict[str, pd.DataFrame]
    problems: dict[str, str]

    @property
    def main(self) -> pd.DataFrame | None:
        """The validity table's rows about the scores as they are."""
        return None if self.validity is None else self.validity[self.validity["analysis"] == "main"]

    @property
    def cohort(self) -> pd.Series:
        """hard, middle, easy or unscored by sample id."""
        return runs.describe(self.forget, self.scores).cohort

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """The provenance of every result, by the part that it belongs to."""
        found = {"scores": self.scores_record, "circuits": self.circuits_record}
        found |= {"conflicts": self.conflicts.provenance if self.conflicts else {}}
        found |= {f"run {run.record.name}": run.manifest for run in self.runs}
        return {name: record for name, record in found.items() if record}

    @property
    def newest(self) -> str:
        """When the newest result was made (UTC), which is the report's date; empty where no record says."""
        return max((str(record.get("created", "")) for record in self.records.values()), default="")


def collect(study: studies.Study) -> Collected:
    """Raises DataError if the forget or the retain set cannot be used; what else cannot be read is a problem of its part."""
    forget, retain = dataset.read_samples(study.forget)[0], dataset.read_samples(study.retain)[0]
    problems: dict[str, str] = {}
    scores, scores_record = _or_problem(lambda: store.read_scores(study.results / "scores"), "Difficulty", problems) or (None, {})
    circuits, settings = _or_problem(lambda: store.read_circuits(study.results / "circuits"), "Circuits", problems) or ({}, {})
    folder = study.results / "conflicts"
    there = (folder / conflict_map.FILE).is_file()
    conflicts = _or_problem(lambda: conflict_map.read(folder), "Conflict map", problems) if there else None
    found = [_named(runs.read_run(record.folder), name) for name, record in outcomes.by_id(runs.list_runs(study)).items()]
    evaluations = {run.record.name: _or_problem(lambda run=run: outcomes.read_evaluation(run.record.folder / "evaluation"),
                                                "Evaluation", problems) for run in found}
    counted = [run for run in found if counts(run)]
    after, kept = _after(found, circuits, settings, problems)
    table = _or_problem(lambda: _validity(study, scores, circuits, counted), "Prediction", problems)
    return Collected(
        study, forget, retain, scores, scores_record, circuits, _circuits_record(study, circuits), conflicts, found,
        {name: evaluation for name, evaluation in evaluations.items() if evaluation is not None},
        [run.record.name for run in counted], observed_difficulty(counted) if counted else None, table,
        _comparisons(study, problems), after, kept, problems,
    )


def _named(run: runs.Run, name: str) -> runs.Run:
    """A run under its id in addresses, which no other run has."""
    return replace(run, record=replace(run.record, name=name))


def _or_problem(read: Callable[[], T], part: str, problems: dict[str, str]) -> T | None:
    try:
        return read()
    except (ValueError, OSError, LookupError) as error:
        problems[part] = " ".join(str(error).split())
        return None


def _after(found: list[runs.Run], circuits: dict[str, Circuit], settings: dict[str, Any], problems: dict[str, str]):
    """Of the runs that have circuits of their model: those, and the table of samples to be kept where there is one."""
    part, after, kept = "Circuits after a run", {}, {}
    for run in found if circuits else []:
        name, folder = run.record.name, run.record.folder
        if known := _or_problem(lambda folder=folder: circuits_after.read(folder, circuits, settings), part, problems):
            after[name] = known
            table = _or_problem(lambda folder=folder: circuits_after.read_kept(folder), part, problems)
            kept |= {} if table is None else {name: table}
    return after, kept


def _comparisons(study: studies.Study, problems: dict[str, str]) -> dict[str, pd.DataFrame]:
    made = {}
    for name, read in (("curricula", outcomes.read_curricula), ("masks", outcomes.read_masks)):
        known = _or_problem(lambda name=name, read=read: read(study.results / name), "Comparisons", problems)
        made |= {name: known[0], f"{name}_summary": known[1]} if known else {}
    return made


def _circuits_record(study: studies.Study, circuits: dict[str, Circuit]) -> dict[str, Any]:
    """circuits.json without the names of samples and of edges."""
    long = ("sample_ids", "sources", "destinations")
    record = json.loads((study.results / "circuits" / "circuits.json").read_text()) if circuits else {}
    return {key: value for key, value in record.items() if key not in long}


def _validity(study: studies.Study, scores: pd.DataFrame | None, circuits: dict[str, Circuit], counted: list[runs.Run]):
    """validity.csv if it belongs to the present scores, circuits and runs, else its main part, computed now."""
    if scores is None or not counted:
        return None
    folders = [study.results / name for name in ("scores", "circuits")]
    alone = [study.results / "alone"] if (study.results / "alone" / "alone.csv").is_file() else []
    table = validity.read_table(study.results / "validity.csv", validity.inputs_digest(*folders, counted, alone))
    return validity.main_part(scores, circuits, counted) if table is None else table


def parts(found: Collected) -> list[Part]:
    """What the report holds, in its order."""
    n_forget, n_runs, n_known = len(found.forget), len(found.runs), len(found.evaluations)
    nodes = found.conflicts and f"{found.conflicts.n_conflicts} of {len(found.conflicts.nodes)} nodes in conflict"
    held = [
        ("Difficulty", found.scores is not None and f"CUD and MRD of {len(found.scores):,} samples", "the scores", "Difficulty"),
        ("Prediction", found.validity is not None and f"scores held against {len(found.counted)} run{'s' * (len(found.counted) != 1)}",
         "the scores and a run that more than halved the forget probability", "Difficulty"),
        ("Circuits", bool(found.circuits) and f"{len(found.circuits):,} circuits", "the circuits", "Circuit explorer"),
        ("Conflict map", nodes, "a conflict map", "Conflict map"),
        ("Runs and outcomes", bool(n_runs) and f"{n_runs} unlearning run{'s' * (n_runs > 1)}", "an unlearning run", "Unlearn"),
        ("Circuits after a run", bool(found.after) and f"in the models of {len(found.after)} of {n_runs} runs",
         "circuits in a run's model", "Easy vs hard"),
        ("Comparisons", " and ".join(f"{name} over seeds" for name in ("curricula", "masks") if name in found.comparisons),
         "compare-curricula or compare-masks, on the command line", "Outcomes"),
        ("Evaluation", bool(n_known) and f"{n_known} of {n_runs} runs evaluated", "an evaluated run", "Outcomes"),
    ]
    made = [Part("Model and data", f"{n_forget:,} samples to forget, {len(found.retain):,} to keep", True, "Forget set")]
    for title, state, needs, page in held:
        problem = found.problems.get(title)
        text = f"cannot be read: {problem}" if problem and not state else state or f"not computed: needs {needs}"
        made.append(Part(title, text, bool(state), page))
    return made


def commit() -> str:
    """The git commit of the program, empty where it is not known."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=store.PROJECT, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
