"""Outcomes: the runs compared, and one run memory by memory."""

import streamlit as st

from analysis import jobs, outcomes
from components import (
    cached,
    compare_panel,
    compare_table,
    curricula_panel,
    evaluation_panel,
    layout,
    outcome_words,
    run_form,
    run_panel,
)

VIEWS = ("Compare runs", "One run", "Evaluation", "Order of samples")

study = layout.begin("Outcomes", "Which memories went, which stayed, and at what cost to the rest?")
records = outcomes.by_id(cached.run_records(study))
if not records:
    example = run_form.build(study, "NPO", "npo-seed0", 0, study.slug == "embedded", {})
    layout.needs("an unlearning run of this study", jobs.command_line(example.arguments), "Unlearn")
    st.stop()
try:
    known = cached.described(study)
except ValueError as error:
    layout.problem("The forget set cannot be read.", str(error))
    st.stop()

frame = cached.run_frame(study)
best = {name: cached.run(records[name].folder) for name in outcome_words.best_ids(frame)}
st.markdown(outcome_words.takeaway(frame, best, known))
chosen, focus = compare_table.selection(frame)
views, focused = st.columns([3, 2], vertical_alignment="bottom")
view = views.segmented_control(
    "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params", label_visibility="collapsed"
)
if view in ("One run", "Evaluation"):
    with focused:
        compare_table.choose_focus(frame, chosen, focus)

if view == "Compare runs":
    rows = compare_table.filtered(frame)
    compare_table.show(rows, chosen, focus)
    compare_panel.show(study, frame, rows, chosen, focus, known)
    compare_table.foot(study, frame, chosen)
elif view == "One run":
    run_panel.show(study, focus, cached.run(records[focus].folder), known)
elif view == "Evaluation":
    st.header("Evaluation")
    evaluation_panel.show(study, records, focus, chosen)
else:
    st.header("Does the order matter?")
    curricula_panel.show(study)
