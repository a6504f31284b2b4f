"""The table of runs: filters and sorting, kept in the address, and the runs selected in it for comparison."""

import pandas as pd
import streamlit as st

from analysis import atomic, studies
from analysis import run_comparison as comparison
from analysis.observed import CONTROL
from analysis.outcomes import KEPT
from analysis.run_comparison import MOST
from analysis.runs import FORGOTTEN_BELOW
from components import layout, state
from components.formats import PROBABILITY

URL = {"bind": "query-params"}
NUMBER = st.column_config.NumberColumn
EXPLANATION = f"""
Probability is exp(-NLL), with the NLL averaged over the answer's tokens; a run's figure is the mean over its forget or retain set.
A memory is forgotten when its probability is below {FORGOTTEN_BELOW} after the run. The sentence above looks at runs that differ in
their seed alone as one, and at those that train all weights, are not the control and keep a retain probability of {KEPT} or more;
of them it names the one that left the least. Its intervals are 95% percentile bootstraps over memories, each memory's mean over the
runs (2000 resamples, seed 0): they do not cover other seeds.
"""
SORTS = {  # columns, whether the smallest comes first; `lost`: it is the control, or kept less than KEPT
    "Best first": (["lost", "forget"], True), "Name": ("name", True), "Forget probability": ("forget", True),
    "Retain probability": ("retain", False), "Time": ("seconds", True),
}
BEST = f"Best first: the least left of the forget set; last the control, and runs that keep less than {KEPT} of the retain set"
FILTERS = ("method", "sampling", "mask", "seed", "origin")
LABELS = {
    "name": "Run", "method": "Method", "forget": "Forget prob.", "retain": "Retain prob.", "forgotten": "Forgotten",
    "sampling": "Sampling", "mask": "Mask", "seed": "Seed", "learning_rate": "Learning rate", "n_epochs": "Epochs",
    "seconds": "Seconds", "origin": "Origin",
}
FORMATS = {
    "Run": st.column_config.TextColumn(width=150),
    "Learning rate": NUMBER(format="%.1e", width=105),
    "Forget prob.": NUMBER(format=PROBABILITY, width=95, help="Mean over forget samples of exp(-NLL per token); low = forgotten"),
    "Retain prob.": NUMBER(format=PROBABILITY, width=95, help="The same over retain samples; higher = more kept"),
    "Forgotten": st.column_config.TextColumn(width=95, help=f"Probability below {FORGOTTEN_BELOW} after the run"),
    "Seconds": NUMBER(format="%.0f", width=75), "Seed": NUMBER(width=55), "Epochs": NUMBER(width=65),
    "Origin": st.column_config.TextColumn(width=75, help="shipped with Lethe, or run here: yours"),
}


def selection(frame: pd.DataFrame) -> tuple[list[str], str]:
    """The runs that are compared, at most MOST, and the one in focus, which is one of them: those in the address, else the first of
    each method but the control, by what they left."""
    named = [name for name in (state.parameter("runs") or "").split(",") if name]
    focus = state.parameter("run")
    gone = [name for name in {*named, focus} - {None, ""} if name not in frame.index]
    if gone:
        st.warning("The run named in this address is not in this workspace. Showing another." if len(gone) == 1 else
                   f"{len(gone)} of the runs named in this address are not in this workspace. Showing others.")
    chosen = [name for name in dict.fromkeys(named) if name in frame.index]
    if not chosen:
        able = frame[frame.method != CONTROL] if (frame.method != CONTROL).any() else frame
        chosen = able[~able.method.duplicated()].sort_values("forget", kind="stable").index.tolist()
    if focus not in frame.index:
        focus = next((name for name in chosen if frame.method[name] != CONTROL), chosen[0])  # the control destroys
    if focus not in chosen[:MOST]:
        chosen = [focus, *chosen]
    return chosen[:MOST], focus


def filtered(frame: pd.DataFrame) -> pd.DataFrame:
    """The widgets that narrow the table, and its rows that are left, in order."""
    rows = frame.assign(lost=~(frame.retain >= KEPT) | (frame.method == CONTROL))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input("Find a run by name", key="runs_find", width=220, **URL).split()
        column, ascending = SORTS[st.selectbox("Sort by", list(SORTS), key="runs_sort", width=190, **URL, help=BEST)]
        with st.popover("Filter"):
            for name in FILTERS:
                offered = sorted(frame[name].dropna().astype(str).unique())
                wanted = st.multiselect(LABELS[name], offered, key=f"runs_{name}", placeholder="all", **URL)
                rows = rows[rows[name].astype(str).isin(wanted)] if wanted else rows
        st.toggle("Differences only", key="runs_differences", help="Hides the columns in which all these runs agree", **URL)
        st.toggle("Mean over seeds", key="runs_means", help="One row for runs that differ in their seed alone", **URL)
    rows = rows[[all(word.lower() in name.lower() for word in words) for name in rows.name]]
    return rows.sort_values(column, ascending=ascending, kind="stable")


def show(rows: pd.DataFrame, chosen: list[str], focus: str) -> None:
    """The table itself: a run per row, to be selected; or their means over seeds. `rows`: as `filtered` left them."""
    if rows.empty:
        st.info("No run fits these filters. Take one of them away.")
    elif st.session_state["runs_means"]:
        _means(rows)
    else:
        _runs(rows, chosen, focus)


def _runs(rows: pd.DataFrame, chosen: list[str], focus: str) -> None:
    table = rows.assign(forgotten=[f"{n} of {all_}" for n, all_ in zip(rows.n_forgotten, rows.n_samples, strict=True)])
    usual = {"sampling": {"uniform"}, "mask": {"none"}}
    table = table[[name for name in LABELS if not set(table[name]) <= usual.get(name, set())]]
    if st.session_state["runs_differences"]:
        table = comparison.differing(table, ("name",))
    ids = list(rows.index)
    key = f"outcomes_runs_{focus}_{'_'.join(ids)}"

    def picked() -> None:
        seen = [ids[row] for row in st.session_state[key].selection.rows]
        runs = [name for name in chosen if name in seen or name not in ids] + [name for name in seen if name not in chosen]
        state.set_parameter("runs", ",".join(runs[:MOST]))
        if runs and focus not in runs:
            state.set_parameter("run", runs[0])

    marked = [place for place, name in enumerate(ids) if name in chosen]
    st.dataframe(
        table.rename(columns=LABELS), column_config=FORMATS, hide_index=True, height=min(248, 38 + 35 * len(table)), key=key,
        placeholder="not measured", on_select=picked, selection_mode="multi-row", alt="Runs; those selected are compared above",
        selection_default={"selection": {"rows": marked, "columns": [], "cells": []}},
    )
    hidden = sum(name not in ids for name in chosen)
    note = f", {hidden} of them hidden by the filters" if hidden else ""
    compared = "1 is" if len(chosen) == 1 else f"{len(chosen)} are"
    st.caption(f"{len(rows)} run{'s' if len(rows) > 1 else ''}. {compared} compared above{note}: tick rows to choose up to {MOST}.")


def _means(rows: pd.DataFrame) -> None:
    means = comparison.over_seeds(rows)
    table = means[["method", "sampling", "mask", "learning_rate", "n_epochs"]].rename(columns=LABELS).assign(**{
        "Runs": means.n_runs,
        **{label: [spread(m, sd) for m, sd in zip(means[name], means[f"{name}_sd"], strict=True)]
           for name, label in (("forget", "Forget prob. "), ("retain", "Retain prob. "))},
        "Forgotten ": [f"{n:.0f} of {all_}" for n, all_ in zip(means.n_forgotten, means.n_samples, strict=True)],
    })
    if st.session_state["runs_differences"]:
        table = comparison.differing(table, ("Method", "Runs"))
    st.dataframe(table, column_config=FORMATS, hide_index=True, height="content", key="runs_over_seeds", alt="Runs, means over seeds")
    st.caption("Mean ± standard deviation of runs that differ in their seed alone; no ± for a single run. Switch off to select runs.")


def spread(mean: float, deviation: float) -> str:
    """0.041 ± 0.005; the mean alone where one run gave no spread; words where nothing was measured."""
    if pd.isna(mean):
        return "not measured"
    return f"{mean:.3f}" if pd.isna(deviation) else f"{mean:.3f} ± {deviation:.3f}"


def choose_focus(frame: pd.DataFrame, chosen: list[str], focus: str) -> None:
    """The run in focus, of all that there are; kept in the address."""
    st.session_state["outcomes_focus"] = focus

    def picked() -> None:
        focus_on(st.session_state["outcomes_focus"], chosen)

    names = {name: named(frame, name) for name in frame.index}
    st.selectbox("Run", list(names), format_func=names.get, key="outcomes_focus", on_change=picked, width=420)


def focus_on(run: str, chosen: list[str]) -> None:
    """Another run in focus, which is then among those compared."""
    state.set_parameter("run", run)
    if run not in chosen:
        state.set_parameter("runs", ",".join([run, *chosen][:MOST]))


def foot(study: studies.Study, frame: pd.DataFrame, chosen: list[str]) -> None:
    """The whole table to take away, and how its figures came about."""
    table = frame.drop(columns="setup").reset_index()
    st.download_button("Download all runs (CSV)", atomic.csv_bytes(table), f"{study.slug}-runs.csv", "text/csv", key="runs_download")
    layout.computed(EXPLANATION, {"study": study.slug, "runs compared": chosen})


def named(frame: pd.DataFrame, name: str) -> str:
    """A run's name as lists show it: one's own among shipped ones is said to be so."""
    return f"{frame.name[name]} (yours)" if frame.origin[name] == "yours" and (frame.origin == "shipped").any() else frame.name[name]
