"""Outcomes: the runs compared, and one run memory by memory."""

import streamlit as st

from analysis import jobs, observed, outcomes, runs
from components import (
    cached,
    curricula_panel,
    evaluation_panel,
    layout,
    memory_card,
    outcome_plot,
    run_card,
    run_form,
    run_tables,
    state,
)

study = layout.begin("Outcomes", "Which memories went, which stayed, and at what cost to the rest?")
records = runs.list_runs(study)
if not records:
    example = run_form.build(study, "NPO", "npo-seed0", 0, study.slug == "embedded", {})
    layout.needs("an unlearning run of this study", jobs.command_line(example.arguments), "Unlearn")
    st.stop()
try:
    known = cached.described(study)
except ValueError as error:
    layout.problem("The forget set cannot be read.", str(error))
    st.stop()

methods = sorted({record.method for record in records})
names = [record.name for record in records]
wanted = state.parameter("run")
if wanted and wanted not in names:
    st.warning("The run named in this address is not in this workspace. Showing another.")
first = next((record.name for record in records if record.method != observed.CONTROL), names[0])
chosen = wanted if wanted in names else first

kept = st.pills("Methods", methods, default=methods, selection_mode="multi", format_func=layout.escape, key="outcomes_methods")
shown = [record for record in records if not kept or record.method in kept]
run_tables.choose_run(shown, chosen, key="outcomes_runs")

run = runs.read_run(next(record.folder for record in records if record.name == chosen))
run_card.summary(run)
pareto, slopes = st.columns(2, gap="medium")
pareto.markdown("**All runs: forgetting against keeping**")
pareto.plotly_chart(outcome_plot.pareto_figure(shown, chosen), theme=None, key="outcomes_pareto")
slopes.markdown(f"**{layout.escape(chosen)}: every memory before and after**")
sample = state.parameter("sample")
slopes.plotly_chart(outcome_plot.slopes_figure(run.samples, known, sample), theme=None, key="outcomes_slopes")
st.markdown(f"**{layout.escape(chosen)}: cohorts by CUD rank, with 95% bootstrap intervals**")
by_cohort = runs.outcome_by_cohort(run.samples, known.cohort)
st.plotly_chart(outcome_plot.bars_figure(by_cohort), theme=None, key="outcomes_bars")

st.subheader("Memory by memory")
try:
    evaluation = outcomes.read_evaluation(run.record.folder / "evaluation")
except ValueError:  # said below, under Evaluation
    evaluation = None
says = None if evaluation is None else evaluation.generations
table = run_tables.sample_table(run, known, cached.observed(study), says)
groups = [cohort for cohort in runs.COHORTS if (table.cohort == cohort).any()]
cohort = st.segmented_control("Cohort", ["all", *groups], default="all", required=True, key="outcomes_cohort")
rows = table if cohort == "all" else table[table.cohort == cohort]
run_tables.choose_sample(rows, sample, key=f"outcomes_samples_{chosen}_{cohort}")
st.caption(
    f"Observed: {len(cached.counted(study))} of {len(records)} runs count, those of uniform sampling that more than "
    "halved the forget probability; not the control, and none under a mask."
)
if sample in table.index:
    memory_card.show(table.question[sample], table.answer[sample], None if says is None else says.get(sample))
else:
    st.caption("Select a row to select that memory on every page.")

st.subheader("Evaluation")
evaluation_panel.show(study, records, chosen)
st.subheader("Does the order matter?")
curricula_panel.show(study)
st.divider()
run_card.details(run, table)
