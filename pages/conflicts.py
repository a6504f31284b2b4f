"""Conflict map: which nodes the forget set and the retain sets want, and where they clash (CLUE)."""

import streamlit as st

from analysis import report_rerun
from components import (
    cached,
    conflict_form,
    conflict_masks,
    conflict_panel,
    conflict_source,
    conflict_tables,
    layout,
    masks_panel,
)

TABS = ("The map as a table", "By layer", "Masks", "Circuits it is read off", "Runs under masks")

study = layout.begin(
    "Conflict map", "Which nodes of the model must be forgotten, which kept, and where do the two clash?"
)
place = conflict_source.choose(study)
try:
    found = place and cached.conflicts(study, place[1])
except ValueError as error:
    layout.problem("The conflict map is not shown.", str(error))
    found = None
if place is None or found is None:
    conflict_form.show(study, again=place is not None)
    st.stop()

source, folder = place
conflict_panel.headline(found)
choice, use = st.columns([2, 3], vertical_alignment="bottom")
with choice:
    what_if = conflict_masks.choose(found)
with use:
    conflict_masks.explain(found, what_if, source)
opened = conflict_masks.opened(found, what_if)
tried = masks_panel.tried(study, what_if) if what_if and source == "study" else ""
selected = conflict_panel.map_and_node(found, opened, tried)

# only the open one is drawn
nodes, layers, masks, circuits, runs = st.tabs(TABS, key="conflict_show", on_change="rerun", bind="query-params")
if nodes.open:
    with nodes:
        conflict_tables.nodes(found, selected, opened, key="conflict_nodes")
if layers.open:
    with layers:
        conflict_tables.by_layer(found)
if masks.open:
    with masks:
        conflict_masks.table(found)
if circuits.open:
    with circuits:
        conflict_tables.circuits(found)
if runs.open:
    with runs:
        masks_panel.show(study, key="conflict_comparison")

conflict_tables.downloads(folder, study.slug)
job = conflict_form.newest(study)
pending = job is not None and job.state != "done"
with st.expander("Compute again", expanded=pending, key="compute_again", on_change="rerun", bind="query-params"):
    conflict_form.show(study, found, again=True)
layout.computed(conflict_panel.EXPLANATION, {"config": found.config, "solver": found.solver} | found.provenance,
                report_rerun.of_conflicts(study, found.config))
