"""The report's sentences: what was found, made from measured numbers, and what is not claimed, made from what there is."""

from statistics import fmean
from urllib.parse import urlencode

import pandas as pd

from analysis import outcomes, store
from analysis.conflict_words import cautions, solved
from analysis.dataset import samples_hash
from analysis.figures import interval
from analysis.findings import Finding, findings
from analysis.observed import CONTROL
from analysis.report_data import Collected, parts
from analysis.report_tables import ALL_COUNTED

READOUTS = {
    "mean_layer": "Mean layer", "late_share": "Late share of |score|", "mean_span": "Mean span (layers)",
    "mean_path": "Mean path (edges)", "longest_path": "Longest path (edges)",
}


def found_sentences(found: Collected, tables: dict[str, pd.DataFrame]) -> list[Finding]:
    """In the order of the report; what is not computed says nothing."""
    said = _of_runs(found, tables)
    if found.main is not None:
        said += findings(found.main)
    if "circuits_by_cohort" in tables:
        said.append(_of_circuits(tables["circuits_by_cohort"]))
    said += [_of_circuits_after(row) for row in tables["circuits_after"].itertuples()] if "circuits_after" in tables else []
    if found.conflicts is not None:
        nodes = f"{found.conflicts.n_conflicts} of {len(found.conflicts.nodes)} heads and MLPs"
        said.append(Finding(f"{nodes} are wanted by both sets", " ".join([solved(found.conflicts), *cautions(found.conflicts)])))
    return said


def _of_runs(found: Collected, tables: dict[str, pd.DataFrame]) -> list[Finding]:
    records, said = [run.record for run in found.runs], []
    best = outcomes.best(records)
    if best is not None:
        said.append(Finding(
            f"{best.method} leaves least where the rest is kept",
            f"run {best.name}: mean answer probability {best.forget_before:.2f} before and {best.forget_probability:.2f} after on the "
            f"forget set, {best.retain_probability:.2f} on the retain set; {best.n_forgotten} of {best.n_samples} memories forgotten.",
        ))
    elif records:
        said.append(Finding("No run both forgets and keeps", f"none keeps a retain probability of {outcomes.KEPT} and is no control."))
    if not found.counted:
        return said
    rows = tables["outcomes_by_cohort"]
    rows = rows[rows["run"] == ALL_COUNTED].set_index("cohort")
    if {"hard", "easy"} <= set(rows.index):
        hard, easy = (_interval(rows.loc[name], "probability") for name in ("hard", "easy"))
        figures = f"{hard} against {easy} of those it calls easy, mean over the runs that count ({len(found.counted)})."
        said.append(Finding("Answer probability left of memories that CUD calls hard", figures))
    return said


def methods_left(found: Collected) -> pd.DataFrame:
    """Per method the mean left and kept over its runs without a mask, and their number."""
    rows = []
    kept = [run.record for run in found.runs if run.record.retain_probability is not None and run.record.mask == "none"]
    for method in dict.fromkeys(record.method for record in kept):
        its = [record for record in kept if record.method == method]
        role = "control that destroys" if method == CONTROL else ""
        rows.append((method, role, len(its), fmean(r.forget_probability for r in its), fmean(r.retain_probability for r in its)))
    return pd.DataFrame(rows, columns=["method", "role", "n_runs", "left", "kept"])


def _of_circuits(compared: pd.DataFrame) -> Finding:
    by = compared["cohorts_by"].iloc[-1]  # the outcome where runs tell it
    rows = compared[(compared["cohorts_by"] == by) & (compared["p_holm"] < 0.05)]
    if rows.empty:
        return Finding("Circuits",
                       f"no difference in depth can be told between memories hard and easy by {by} (Holm-corrected p of 0.05 or more).")
    each = [
        f"{READOUTS[row.value].lower()} {row.hard:.2f} against {row.easy:.2f} (difference {row.difference_low:.2f} to "
        f"{row.difference_high:.2f}; Cliff's delta {row.cliffs_delta:+.2f}, chance within {row.chance_delta:.2f})"
        for row in rows.itertuples()
    ]
    rest = "" if len(rows) == (compared["cohorts_by"] == by).sum() else " For the other depth read-outs no difference can be told."
    return Finding(f"Circuits of memories hard and easy by {by} differ", f"{'; '.join(each)}.{rest}")


def _of_circuits_after(row) -> Finding:
    kept = f"; one to be kept shares {interval(row.kept, row.kept_low, row.kept_high)} (n={row.n_kept})" if row.n_kept else ""
    before = "" if row.two_before != row.two_before else f"; circuits of two samples before it share {row.two_before:.2f}"
    return Finding(
        f"Circuits after run {row.run}",
        f"a forget sample's shares {interval(row.own, row.own_low, row.own_high)} of its edges with the one before (n={row.n})"
        f"{before}{kept}.",
    )


def _interval(row: pd.Series, name: str) -> str:
    return interval(row[name], row[f"{name}_low"], row[f"{name}_high"])


def not_claimed(found: Collected) -> list[str]:
    """What these figures do not show, in this study."""
    said = []
    if found.study.slug == "embedded":
        said.append("Anything about a model that people use: this one was made for the purpose, has 1.7 million parameters and learnt "
                    "invented sentences by heart.")
    seeds = {record.method: 0 for record in (run.record for run in found.runs)}
    for run in found.runs:
        seeds[run.record.method] += run.record.mask == "none"
    if seeds:
        fewest, most = min(seeds.values()), max(seeds.values())
        number = str(fewest) if fewest == most else f"{fewest} to {most}"
        said.append(f"What other seeds would give: the number of unmasked runs per method is {number}.")
        said.append("That what was forgotten is gone: an answer probability below 0.3 is not proof, and relearning may bring it back.")
        said.append("That a method is better than another beyond these settings: none was tuned by this report.")
    if found.validity is not None or found.circuits:
        said.append("Certainty about other samples, people or seeds: intervals resample these samples and nothing else, and samples "
                    "that share a person or a template are not independent.")
    if found.circuits:
        said.append("That a circuit is the mechanism: edge scores are first-order estimates and the circuit a greedy choice of them. "
                    "How faithful one is, and from which layer on the answer can be read off (logit lens), the Circuit explorer "
                    "measures with the model; this report runs no model.")
        said.append("That depth causes difficulty: the read-outs of cohorts differ or do not, which is an association.")
    if found.scores is not None:
        said.append("That quarters by CUD differ in their circuits for any other reason than that CUD is made from circuits. Quarters "
                    "by outcome and by MRD never look at them.")
    if found.conflicts is not None:
        config = found.conflicts.config
        method, ablation, target = (config.get(key, "unknown") for key in ("method", "ablation", "target"))
        said.append("That another way of finding circuits gives the same conflict map: this one is by "
                    f"{method} with {ablation} ablation and a target of {target}.")
    return said + [f"{part.title}: {part.state}." for part in parts(found) if not part.computed]


def mismatches(found: Collected) -> list[str]:
    """Results that belong to other data, or to other weights than the scores do."""
    hashes = {"forget": samples_hash(found.forget), "data": samples_hash(found.forget), "retain": samples_hash(found.retain)}
    said = []
    fingerprints = {name: record["fingerprint"] for name, record in found.records.items() if record.get("fingerprint")}
    reference = next(iter(fingerprints.values()), None)
    said += [f"{name}: of other weights ({value}) than {next(iter(fingerprints))} ({reference})."
             for name, value in fingerprints.items() if value != reference]
    for name, record in found.records.items():
        for part, content in (record.get("data") or {}).items():
            known = content.get("hash") if isinstance(content, dict) else None
            if known and part in hashes and known != hashes[part]:
                said.append(f"{name}: made from another {'forget' if part == 'data' else part} set ({known}) than is there now "
                            f"({hashes[part]}).")
    return said


def permalink(page: str, found: Collected, **more: str) -> str:
    """An address below that of the app, which opens this view in any browser."""
    return f"{page}?{urlencode({'study': store.check_slug(found.study.slug)} | more)}"
