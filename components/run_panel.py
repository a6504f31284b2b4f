"""One run, memory by memory: what it left of each, its cohorts, and the selected memory with what the model says now."""

import pandas as pd
import streamlit as st

from analysis import report_rerun, runs, studies
from components import (
    cached,
    cohort_rule,
    compare_panel,
    equivalent_command,
    layout,
    memory_card,
    outcome_plot,
    run_card,
    run_like,
    run_plot,
    run_tables,
    state,
)


def show(study: studies.Study, name: str, run: runs.Run, known: pd.DataFrame) -> None:
    """`name`: the run's id; `known`: runs.describe of the study's samples."""
    run_card.summary(run)
    if not run.samples.sample_id.isin(known.index).all():
        st.warning("This run's forget set is not the study's: memories that the study has not are shown without question and cohort.")
    sample, title = state.parameter("sample"), layout.escape(run.record.name)
    slopes, curves = st.columns(2, gap="medium")
    slopes.markdown(f"**{title}: every memory before and after**")
    slopes.plotly_chart(outcome_plot.slopes_figure(run.samples, known, sample), theme=None, key="outcomes_slopes")
    curves.markdown("**On the way there, epoch by epoch**")
    curves.plotly_chart(run_plot.figure(run.trajectories, known, sample), theme=None, key="outcomes_curves")
    words = layout.escape(cohort_rule.words(cohort_rule.current()))
    st.markdown(f"**{title}: cohorts ({words}), with 95% bootstrap intervals**")
    by_cohort = runs.outcome_by_cohort(run.samples, known.cohort)
    st.plotly_chart(outcome_plot.bars_figure(by_cohort), theme=None, key="outcomes_bars")
    st.header("Memory by memory")
    table = _memories(study, name, run, known, sample)
    st.divider()
    st.page_link("pages/unlearn.py", label="Duplicate: fill the form with this run's settings",
                 query_params=state.carried() | {run_like.PARAMETER: name})
    run_card.details(run, table)
    equivalent_command.show(report_rerun.of_run(study, run))


def _memories(study: studies.Study, name: str, run: runs.Run, known: pd.DataFrame, sample: str | None) -> pd.DataFrame:
    says = compare_panel.generations(run.record)
    table = run_tables.sample_table(run, known, cached.observed(study), says)
    groups = [cohort for cohort in runs.COHORTS if (table.cohort == cohort).any()]
    cohort = st.segmented_control("Cohort", ["all", *groups], default="all", required=True, key="outcomes_cohort", bind="query-params")
    rows = table if cohort == "all" else table[table.cohort == cohort]
    rows = rows.sort_values("probability_after", ascending=False, kind="stable")
    run_tables.choose_sample(rows, sample, key=f"outcomes_samples_{name}_{cohort}")
    counted = f"{len(cached.counted(study))} of {len(cached.run_records(study))} runs count"
    st.caption(
        f"Select a row to open that memory's card. Outcome: {counted}, those of uniform sampling that more than halved the forget "
        "probability; not the control, and none under a mask."
    )
    if sample in table.index:
        memory_card.show(table.question[sample], table.answer[sample], None if says is None else says.get(sample), name)
    return table
