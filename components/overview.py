"""The overview's parts: headline numbers, the strip of steps with their state, and what was found, in plain words."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd
import streamlit as st

from analysis import atomic, dataset, outcomes, runs, studies
from analysis.observed import CONTROL
from components import cached, conflict_source, layout, state
from components.validity_findings import findings


@dataclass(frozen=True)
class Overview:
    """What is known of a study so far; None = not computed."""

    n_forget: int
    n_retain: int
    scores: pd.DataFrame | None
    n_circuits: int | None
    records: list[runs.RunRecord]
    validity: pd.DataFrame | None
    conflicts: str  # how many nodes are in conflict, or why that is not known


def collect(study: studies.Study) -> Overview:
    """Everything from disk; no model is loaded."""
    try:
        n_forget, n_retain = len(cached.forget_samples(study)), len(cached.retain_samples(study))
    except dataset.DataError as error:
        layout.problem("A sample set cannot be read.", str(error))
        n_forget = n_retain = 0
    found, circuits = cached.scores(study), cached.circuits(study)
    scores, n_circuits = found[0] if found else None, len(circuits[0]) if circuits else None
    try:
        main = cached.held_out(study)
        main = None if main is None else main[main["analysis"] == "main"]
    except ValueError:  # the Difficulty page says why
        main = None
    return Overview(n_forget, n_retain, scores, n_circuits, cached.run_records(study), main, _conflicts(study))


def _conflicts(study: studies.Study) -> str:
    found = list(conflict_source.folders(study).values())
    try:
        newest = cached.conflicts(study, found[0]) if found else None
        return f"{newest.n_conflicts} of {len(newest.nodes)} nodes" if newest else "not computed"
    except ValueError:  # its page says why
        return "not shown"


def headline(overview: Overview) -> None:
    """Four numbers, each with its unit; missing ones say what they need."""
    values = [
        ("Samples to forget", f"{overview.n_forget:,}", f"beside {overview.n_retain:,} to keep"),
        ("Circuits drawn", f"{overview.n_circuits:,}" if overview.n_circuits else "-",
         "one per sample" if overview.n_circuits else "not computed: see Circuit explorer"),
        ("Unlearning runs", str(len(overview.records)),
         _best(overview.records)),
        ("CUD against outcome", *_against_outcome(overview)),
    ]
    for column, (label, value, note) in zip(st.columns(4), values, strict=True):
        with column.container(border=True, height="stretch", gap=None):
            st.metric(label, value)
            st.caption(note)


def _best(records: list[runs.RunRecord]) -> str:
    """The least that a run left, of those that kept the retain set: one that loses everything forgets, too."""
    if not records:
        return "start one on Unlearn"
    best = outcomes.best(records)
    if best is None:
        return f"none keeps a retain probability of {outcomes.KEPT}"
    left = f"lowest forget probability {best.forget_probability:.2f} ({layout.escape(best.method)})"
    return f"{left} where retain stays at {outcomes.KEPT} or more"


def _against_outcome(overview: Overview) -> tuple[str, str]:
    """How CUD predicts the outcome, and beyond what; or why there is no figure."""
    if overview.scores is None or not overview.records:
        return "-", "not computed: needs scores and a run"
    if overview.validity is None:
        return "-", "not computed: the Difficulty page says why"
    cud = overview.validity.set_index("predictor").loc["CUD"]
    if pd.isna(cud["spearman"]):
        return "-", "not defined: CUD or the outcome is the same for all samples"
    beyond = "nothing left" if pd.isna(cud["given_baselines"]) else f"{cud['given_baselines']:.2f}"
    return f"{cud['spearman']:.2f}", f"Spearman, held out; {beyond} beyond baselines"


def steps(overview: Overview) -> None:
    """The way through the app, each step with its state and a link."""
    done = overview.scores is not None
    ways = [
        ("Load", "Forget set", f"{overview.n_forget} samples" if overview.n_forget else "nothing loaded"),
        ("Score", "Difficulty", f"{len(overview.scores)} scored" if done else "not computed"),
        ("Circuits", "Circuit explorer", f"{overview.n_circuits} circuits" if overview.n_circuits else "not computed"),
        ("Compare", "Easy vs hard", "ready" if done and overview.n_circuits else "needs circuits"),
        ("Conflicts", "Conflict map", overview.conflicts),
        ("Unlearn", "Unlearn", "ready"),
        ("Outcomes", "Outcomes", _count(len(overview.records), "run") if overview.records else "no run yet"),
        ("Report", "Report", "ready" if done or overview.records else "needs results"),
    ]
    ways = [way for way in ways if way[1] in layout.PAGES]
    st.header("The way through", anchor=False)
    for column, (number, (label, page, now)) in zip(st.columns(len(ways)), enumerate(ways, 1), strict=True):
        with column.container(border=True, height="stretch"):
            st.page_link(layout.PAGES[page], label=f"{number}. {label}", query_params=state.carried())
            st.caption(now)


def takeaways(overview: Overview) -> None:
    """What the numbers say, in sentences made from them."""
    st.header("What was found here", anchor=False)
    st.caption(
        "CUD, circuit-guided unlearning difficulty, compares a sample's circuit with those of easy and hard samples. MRD, memory "
        "removal difficulty, is low where the answer hardly moves when the weights do. Neither has seen what unlearning does to "
        "the sample."
    )
    if overview.scores is None:
        st.caption("Nothing yet: compute the scores on the Difficulty page.")
        return
    if overview.validity is not None:
        for line in findings(overview.validity):
            st.markdown(f"- {line}")
    if len(spread := _spread(overview.records)):
        st.markdown("Mean answer probability after unlearning, by method")
        widths = {"Method": st.column_config.TextColumn(width=170)}
        st.dataframe(spread, hide_index=True, width="content", column_config=widths, alt="Forget and retain probability by method")
        st.download_button("Download this table (CSV)", atomic.csv_bytes(spread), "methods.csv", "text/csv", on_click="ignore")


EXPLANATION = """
Everything on this page is read from the study's results; no model is loaded. Observed difficulty is a memory's rank by the loss that
unlearning leaves, averaged over seeds, then methods. CUD's anchors for one half of the forget set come from unlearning runs on the
other half alone. Correlations are Spearman's with 95% bootstrap intervals over memories. A word such as *foretells* is only used where
the interval leaves out 0. The two memories of the tour are those with the highest and the lowest observed difficulty. All tables are on
the Report page, to take away.
"""


def record(study: studies.Study) -> dict[str, Any]:
    """What the figures were computed from: provenance of the scores, and the runs that count."""
    scores = cached.scores(study)
    kept = ("created", "fingerprint", "data", "device", "versions", "seed")
    return {
        "scores": {key: scores[1][key] for key in kept if key in scores[1]} if scores else "not computed",
        "runs that count": cached.counted(study),
    }


def _spread(records: list[runs.RunRecord]) -> pd.DataFrame:
    """Each method's means over its runs; those under a mask are another thing, and left out."""
    methods: dict[str, list[runs.RunRecord]] = {}
    for record in records:
        if record.retain_probability is not None and record.mask == "none":
            methods.setdefault(record.method, []).append(record)
    return pd.DataFrame([{
        "Method": f"{method} (control)" if method == CONTROL else method,
        "Left of the forget set": _mean(r.forget_probability for r in found),
        "Kept of the retain set": _mean(r.retain_probability for r in found), "Runs": len(found),
    } for method, found in methods.items()])


def _mean(values: Iterable[float]) -> str:
    return f"{fmean(values):.2f}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
