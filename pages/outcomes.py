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

VIEWS = (*compare_panel.PARTS, "One run", "Evaluation", "Order of samples")

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
said = st.container()
with st.container(horizontal=True, vertical_alignment="center"):
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params", label_visibility="collapsed"
    )
    if view in compare_panel.PARTS:
        st.markdown("[Choose runs](#runs)", width="content")
chosen, focus = compare_table.selection(frame)

if view in compare_panel.PARTS:
    best = {name: cached.run(records[name].folder) for name in outcome_words.best_ids(frame)}
    said.markdown(outcome_words.takeaway(frame, best, known))
    pictures = st.container()  # the answer stands above the table that it is made from
    st.header("Runs", anchor="runs")
    rows = compare_table.filtered(frame)
    compare_table.show(rows, chosen, focus)
    with pictures:
        compare_panel.show(view, study, frame, rows, chosen, focus, known)
    compare_table.foot(study, frame, chosen)
elif view == "One run":
    compare_table.choose_focus(frame, chosen, focus)
    run_panel.show(study, focus, cached.run(records[focus].folder), known)
elif view == "Evaluation":
    compare_table.choose_focus(frame, chosen, focus)
    evaluation_panel.show(study, records, focus, chosen)
else:
    curricula_panel.show(study)
