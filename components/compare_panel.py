"""Runs beside each other, a part at a time: trade-off, every memory, settings, answers, durability."""

import pandas as pd
import streamlit as st

from analysis import outcomes, run_comparison, runs, studies
from components import cached, cohort_rule, compare_plot, compare_table, layout, memory_card, outcome_plot, sample_picker, state

PARTS = ("Trade-off", "Memories", "Answers", "Durability", "Settings")
ORDERS = ("CUD rank", "Outcome")
DURABLE = """Mean answer probability of the forget set; lower = more durable. After relearning it is that of the memories that were not
learnt again; what the retain-only model gains by the same steps was not hidden in the run. Point estimates, each of one run."""
BESIDE = 4  # answers side by side


def show(
    part: str, study: studies.Study, frame: pd.DataFrame, rows: pd.DataFrame, chosen: list[str], focus: str, known: pd.DataFrame
) -> None:
    """`part`: of PARTS; `frame`: outcomes.frame; `rows`: of it, those that the filters left; `known`: runs.describe of the samples."""
    records = outcomes.by_id(cached.run_records(study))
    found = {name: cached.run(records[name].folder) for name in chosen}
    if part == "Trade-off":
        shown = {name: record for name, record in records.items() if name in rows.index or name in chosen}
        _trade_off(shown, found, focus, known, outcomes.reference(study))
    elif part == "Memories":
        _memories(found, frame, known)
    elif part == "Settings":
        _settings(found)
    elif part == "Answers":
        _answers(study, found, known)
    else:
        _durability(study, found)


def _trade_off(
    shown: dict[str, runs.RunRecord], found: dict[str, runs.Run], focus: str, known: pd.DataFrame, reference: float | None
) -> None:
    pareto, bars = st.columns([5, 4], gap="medium")
    with pareto:
        st.markdown("**Forgetting against keeping**")
        _points(shown, list(found), focus, reference)
        st.caption(f"One point per run ({len(shown)}); filled = compared, large = in focus: click one to take it. Lines join seeds. "
                   "No run on the Pareto front is beaten in both; the control is left out of it.")
    with bars:
        st.markdown("**What each cohort keeps**")
        tables = {name: runs.outcome_by_cohort(run.samples, known.cohort) for name, run in found.items()}
        st.plotly_chart(compare_plot.bars_figure(tables), theme=None, key="outcomes_bars_of_runs")
        st.caption(f"Cohorts: {layout.escape(cohort_rule.words(cohort_rule.current()))}. 95% bootstrap intervals over memories, "
                   "which say nothing about other seeds.")


def _points(shown: dict[str, runs.RunRecord], chosen: list[str], focus: str, reference: float | None) -> None:
    """The trade-off; a click on a run puts it in focus, and among those that are compared."""
    key = f"outcomes_pareto_{focus}"  # a new one forgets the last click, so that the same run can be clicked again

    def picked() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            compare_table.focus_on(points[0]["customdata"][0], chosen)

    figure = outcome_plot.pareto_figure(shown, focus, chosen, reference)
    st.plotly_chart(figure, theme=None, key=key, on_select=picked, selection_mode="points", config={"displayModeBar": False})


def _memories(found: dict[str, runs.Run], frame: pd.DataFrame, known: pd.DataFrame) -> None:
    table = run_comparison.matrix(found)
    if not table.index.isin(known.index).all():
        st.warning("Some of these runs have memories that the study's forget set has not: they are shown without a cohort.")
    asked = _asked(found, known)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = st.segmented_control("Order of memories", ORDERS, default=ORDERS[0], required=True, key="order", bind="query-params")
        with st.container():
            sample = sample_picker.choose(asked, key="outcomes_lines") if len(asked) else None
    table = run_comparison.in_order(table, known, order)
    stay, go = run_comparison.resisting(table)
    st.markdown(_resisting(table, stay, go, known))
    labels = [compare_table.named(frame, name) for name in table]
    st.plotly_chart(compare_plot.matrix_figure(table, known, sample, labels), theme=None, key="outcomes_matrix")
    ends = "the hardest by CUD on the left" if order == ORDERS[0] else "those that the selected runs left most of on the left"
    st.caption(f"A column per memory, {ends}; orange to ink = it stays, pale = it is forgotten (below {runs.FORGOTTEN_BELOW}). "
               "The blue line is the selected memory.")
    with st.expander("The same as a table: select a row to select the memory"):
        _matrix_table(table, known, sample)
    if sample is not None:
        st.markdown("**The selected memory in each run, epoch by epoch**")
        st.plotly_chart(compare_plot.lines_figure(found, sample), theme=None, key="outcomes_lines_figure")


def _resisting(table: pd.DataFrame, stay: pd.Series, go: pd.Series, known: pd.DataFrame) -> str:
    """How many memories stay in every run and how many go in every run; where none stays, in how many runs the most do."""
    cohort, n_runs = known.cohort.reindex(table.index), table.shape[1]
    runs_ = "the one run selected" if n_runs == 1 else f"all {n_runs} runs selected"
    of = {name: f"{(stay & (cohort == name)).sum()} of {(cohort == name).sum()} {name} ones" for name in ("hard", "easy")}
    among = f" ({of['hard']}, {of['easy']})" if (cohort == "hard").any() else ""
    times = (table >= runs.FORGOTTEN_BELOW).sum(axis=1)
    if not stay.any() and times.max():
        among = f"; the most that any stays in is {times.max()} ({(times == times.max()).sum()} memories)"
    return f"**{stay.sum()} of {len(stay)}** memories stay in {runs_}{among}; **{go.sum()}** go in {runs_}."


def _matrix_table(table: pd.DataFrame, known: pd.DataFrame, selected: str | None) -> None:
    about = known.reindex(table.index)
    asked = about[["question", "cohort"]].rename(columns=str.capitalize)  # a run may be called "cohort"
    shown = pd.concat([asked, table], axis=1).reset_index(drop=True)
    ids, key = list(table.index), f"outcomes_matrix_{'_'.join(table)}_{table.index[0]}"

    def picked() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(ids[row])

    number = st.column_config.NumberColumn(format="%.2f", width=90)
    st.dataframe(
        shown, hide_index=True, height=330, key=key, on_select=picked, selection_mode="single-row", placeholder="not in this run",
        column_config={"Question": st.column_config.TextColumn(width=260, pinned=True), **dict.fromkeys(table, number)},
        alt="Probability after, by memory and run",
        selection_default={"selection": {"rows": [ids.index(selected)] if selected in ids else [], "columns": [], "cells": []}},
    )


def _asked(found: dict[str, runs.Run], known: pd.DataFrame) -> pd.Series:
    """Questions of the study's memories that a selected run had, the hardest first."""
    ids = {name for run in found.values() for name in run.samples.sample_id}
    return known[known.index.isin(list(ids))].sort_values("rank_cud", kind="stable").question


def _settings(found: dict[str, runs.Run]) -> None:
    every = st.toggle("All settings", key="settings_all", help="Else only those in which the selected runs differ", bind="query-params")
    table = run_comparison.settings(found)
    shown = table if every else run_comparison.differing(table.T).T
    if shown.empty:
        st.info("The selected runs have the same settings.")
        return
    st.dataframe(shown.rename_axis("Setting"), height="content", key="outcomes_settings", alt="Settings by run")
    st.caption(f"config.yaml of the selected runs: {len(shown)} of {len(table)} settings shown. Empty: the method has no such setting.")


def _answers(study: studies.Study, found: dict[str, runs.Run], known: pd.DataFrame) -> None:
    asked = _asked(found, known)
    if asked.empty:
        st.info("None of the selected runs has a memory of this study's forget set.")
        return
    sample = sample_picker.choose(asked, key="outcomes_answers")
    st.caption("True answer")
    st.text(known.answer[sample])
    first = list(found.items())[:BESIDE]
    for column, (name, run) in zip(st.columns(len(first)), first, strict=True):
        with column.container(border=True, height="stretch"):
            says = generations(run.record)
            memory_card.answer_of(layout.escape(name), known.answer[sample], None if says is None else says.get(sample), run, sample)
    more = len(found) - len(first)
    rest = f" The first {BESIDE} of the selected runs; {more} more are left out." if more else ""
    st.caption(f"Greedy answers. {memory_card.LEGEND}{rest}")


def generations(record: runs.RunRecord) -> pd.Series | None:
    """What the model says after a run, by sample_id; None where it was not evaluated, or the evaluation cannot be read."""
    try:
        evaluation = cached.evaluation(record.folder)
    except ValueError:  # the Evaluation view says why
        return None
    return None if evaluation is None else evaluation.generations


def _durability(study: studies.Study, found: dict[str, runs.Run]) -> None:
    summaries, missing = {}, []
    for name, run in found.items():
        try:
            evaluation = cached.evaluation(run.record.folder)
        except ValueError as error:
            layout.problem("An evaluation cannot be read.", str(error))
            continue
        if evaluation is None:
            missing.append(name)
        else:
            summaries[name] = evaluation.summary
    if missing:
        st.caption(f"Not computed: needs an evaluation (see the view Evaluation): {layout.escape(', '.join(missing))}.")
    table = run_comparison.durability(summaries)
    if not (table.n % 32).any():
        st.info("Not computed: needs an evaluation with durability of a selected run.")
        return
    st.plotly_chart(compare_plot.durability_figure(table), theme=None, key="outcomes_durability")
    st.caption(DURABLE)
    wide = table.assign(state=[f"{k} {n}" for k, n in zip(table.kind, table.n, strict=True)])
    with st.expander("The same as a table"):
        st.dataframe(wide.pivot(index="run", columns="state", values="probability").round(3), key="outcomes_durability_table")
