"""The report's tables, one row per memory, run, cohort, predictor or node. Its page, its charts and its CSV files show the same."""

from dataclasses import asdict

import pandas as pd

from analysis import circuits_after, comparison, outcomes, runs
from analysis.circuit import Circuit, edges_frame
from analysis.cohorts import cohorts
from analysis.conflict_map import ConflictMap
from analysis.evaluation_metrics import metric_info
from analysis.report_data import Collected

SCORES = ["cud", "rank_cud", "mrd", "mrd_stderr", "rank_mrd", "base_nll", "n_answer_tokens"]
ENDS = ("", "_low", "_high")  # of a figure and its interval
ALL_COUNTED = "mean of the runs that count"


def tables(found: Collected) -> dict[str, pd.DataFrame]:
    """By file name without its ending; what is not computed is left out."""
    made = {"memories": memories(found)}
    if found.scores is not None:
        made["scores"] = found.scores
    if found.validity is not None:
        made["validity"] = found.validity
    if found.circuits:
        made |= circuit_tables(found)
    if found.conflicts is not None:
        made["conflict_nodes"] = conflict_nodes(found.conflicts)
    if found.after:
        made["circuits_after"] = after_runs(found)
    if found.runs:
        made |= {"runs": run_table(found), "outcomes_by_cohort": by_cohort(found), "memories_after": after(found)}
    if found.evaluations:
        made["evaluation"] = evaluation(found)
    return made | found.comparisons


def memories(found: Collected) -> pd.DataFrame:
    """Everything known of each forget sample, in the order of the file."""
    frame = runs.describe(found.forget, found.scores).drop(columns="rank_cud")
    if found.scores is not None:
        known = [column for column in SCORES if column in found.scores]
        frame = frame.join(found.scores.set_index("sample_id")[known])
    if found.observed is not None:
        frame["observed_rank"] = found.observed.reindex(frame.index)
        frame["mean_probability_after"] = counted_samples(found).set_index("sample_id")["probability_after"].reindex(frame.index)
    return frame.reset_index()


def counted_samples(found: Collected) -> pd.DataFrame:
    """Each sample's mean answer probability over the runs that count: sample_id, probability_after."""
    rows = pd.concat([run.samples for run in found.runs if run.record.name in found.counted])
    return rows.groupby("sample_id", sort=False)["probability_after"].mean().reset_index()


def run_table(found: Collected) -> pd.DataFrame:
    rows = []
    for run in found.runs:
        row = asdict(run.record) | {"sampling": outcomes.sampling(run.record), "counts": run.record.name in found.counted}
        rows.append({key: value for key, value in row.items() if key != "folder"})
    return pd.DataFrame(rows)


def by_cohort(found: Collected) -> pd.DataFrame:
    """`runs.outcome_by_cohort` of the mean over the runs that count, and of each run; cohorts are quarters by CUD."""
    cohort, sets = found.cohort, {run.record.name: run.samples for run in found.runs}
    if found.counted:
        sets = {ALL_COUNTED: counted_samples(found)} | sets
    return pd.concat([runs.outcome_by_cohort(rows, cohort).assign(run=name) for name, rows in sets.items()], ignore_index=True)


def after(found: Collected) -> pd.DataFrame:
    """A row per run and forget sample: losses, probabilities, and the model's own answer where it was generated."""
    parts = []
    for run in found.runs:
        part = run.samples.assign(run=run.record.name)
        evaluation = found.evaluations.get(run.record.name)
        if evaluation is not None and len(evaluation.generations):
            part["generation"] = part["sample_id"].map(evaluation.generations)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def evaluation(found: Collected) -> pd.DataFrame:
    """run, metric, label, value, and the reason where there is no value."""
    rows = []
    for run, known in found.evaluations.items():
        for metric, value in known.summary.items():
            info = metric_info(metric)
            number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
            rows.append((run, metric, info.label if info else metric, number, value if isinstance(value, str) else ""))
    return pd.DataFrame(rows, columns=["run", "metric", "label", "value", "reason"])


def circuit_tables(found: Collected) -> dict[str, pd.DataFrame]:
    """Read-outs of each circuit, what the easy and the hard quarter differ in, and all edges of the hardest and the easiest."""
    chosen, boundary = list(found.circuits.values()), found.circuits_record["graph"]["n_layers"] // 2
    readouts = comparison.readouts_frame(chosen, max(1, boundary))
    ranks = {"CUD": found.scores.set_index("sample_id")["rank_cud"], "MRD": found.scores.set_index("sample_id")["rank_mrd"]} \
        if found.scores is not None else {}
    if found.observed is not None:
        ranks["outcome"] = found.observed
    made = {"circuit_readouts": readouts.rename_axis("sample_id").reset_index()}
    compared = [comparison.compare(readouts, cohorts(rank)).reset_index().assign(cohorts_by=by) for by, rank in ranks.items()]
    if compared:
        made["circuits_by_cohort"] = pd.concat(compared, ignore_index=True)
        by = next(reversed(ranks))
        made["layer_profile"] = comparison.cohort_means(comparison.layer_shares(chosen), cohorts(ranks[by])).assign(cohorts_by=by)
    ends = [edges_frame(circuit).assign(sample_id=circuit.sample_id) for circuit in (extremes(found) or {}).values()]
    return made | ({"circuit_edges": pd.concat(ends, ignore_index=True)} if ends else {})


def after_runs(found: Collected) -> pd.DataFrame:
    """A row per run whose model's circuits are known: the share of edges that a sample's circuits before and after have in common
    (mean over n samples, with its 95 % bootstrap interval), beside circuits of two samples before, and samples to be kept."""
    rows = []
    for run, circuits in found.after.items():
        alike = circuits_after.likeness(found.circuits, circuits)
        kept = found.kept[run]["own"] if run in found.kept else pd.Series(dtype=float)
        rows.append((run, len(alike), *runs.bootstrap_mean(alike["own"].to_numpy()), alike["other_before"].mean(), len(kept),
                     *(runs.bootstrap_mean(kept.to_numpy()) if len(kept) else [float("nan")] * 3)))
    own, kept = (f"own{end}" for end in ENDS), (f"kept{end}" for end in ENDS)
    return pd.DataFrame(rows, columns=["run", "n", *own, "two_before", "n_kept", *kept])


def extremes(found: Collected) -> dict[str, Circuit] | None:
    """The circuits of the hardest and of the easiest memory: by outcome where runs tell, else by CUD; None without ranks."""
    ranks = found.observed
    if ranks is None and found.scores is not None:
        ranks = found.scores.set_index("sample_id")["rank_cud"]
    ranks = None if ranks is None else ranks[ranks.index.isin(list(found.circuits))].dropna()
    if ranks is None or not len(ranks):
        return None
    return {"hardest": found.circuits[str(ranks.idxmin())], "easiest": found.circuits[str(ranks.idxmax())]}


def conflict_nodes(found: ConflictMap) -> pd.DataFrame:
    rows = [{"node": name} | asdict(node) | {"circuits": " ".join(node.circuits)} for name, node in found.nodes.items()]
    return pd.DataFrame(rows)
