"""Conflict map: which nodes the forget set and the retain sets want, and where they clash (CLUE)."""

import streamlit as st

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

study = layout.begin(
    "Conflict map", "Which nodes of the model must be forgotten, which kept, and where do the two clash?"
)
place = conflict_source.choose(study)
try:
    found = place and cached.conflicts(place[1])
except ValueError as error:
    layout.problem("The conflict map cannot be read.", str(error))
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
selected = conflict_panel.map_and_node(found, opened)
st.markdown("**The same as a table**")
conflict_tables.nodes(found, selected, opened, key="conflict_nodes")

st.subheader("What may each mask change?")
conflict_masks.table(found)
st.subheader("Which circuits is this read off?")
conflict_tables.circuits(found)
st.subheader("Do the masks help?")
masks_panel.show(study, key="conflict_comparison")

conflict_tables.downloads(folder, study.slug)
with st.expander("How this is computed"):
    st.markdown(conflict_panel.EXPLANATION)
    st.json({"config": found.config, "solver": found.solver} | found.provenance, expanded=False)
job = conflict_form.newest(study)
with st.expander("Compute again", expanded=job is not None and job.state != "done"):
    conflict_form.show(study, found, again=True)
