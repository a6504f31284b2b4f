"""Easy vs hard: two circuits side by side, and the cohorts they come from."""

import pandas as pd
import streamlit as st

from analysis.circuit import Circuit
from components import cached, circuit_layout, circuit_network, circuit_panel, cohort_panel, layout, sample_picker, score_form

study = layout.begin(
    "Easy vs hard", "Do memories that resist unlearning run through later, longer pathways than those that go at once?"
)


@st.fragment
def compare(left: Circuit, right: Circuit, circuits: dict[str, Circuit], table: pd.DataFrame) -> None:
    first, second = st.columns(2)
    with first:
        boundary = circuit_panel.boundary_slider(left.index.n_layers)
    with second:
        n_edges = circuit_panel.edges_slider(max(circuit.n_edges for circuit in circuits.values()))
    drawn = [circuit_layout.strongest(circuit, n_edges) for circuit in (left, right)]
    for column, circuit, key in zip(st.columns(2), drawn, ("circuit_left", "circuit_right"), strict=True):
        with column:
            circuit_network.show(circuit_network.of_circuit(circuit, boundary), key=key, height=340)
            circuit_panel.readouts_line(circuit, boundary)
    circuit_panel.overlap(*drawn)
    st.subheader("Easy and hard cohorts")
    cohort_panel.show(circuits, table, boundary)


circuits, scores = cached.circuits(study), cached.scores(study)
if circuits is None or scores is None:
    score_form.show(study)
else:
    table = sample_picker.ranked(scores[0], circuits[0], cached.observed(study))
    left, right = sample_picker.show_pair(table)
    compare(circuits[0][left], circuits[0][right], circuits[0], table)
    with st.expander("How this is computed"):
        st.markdown(cohort_panel.EXPLANATION + circuit_panel.EXPLANATION)
        st.json({"circuits": circuits[1], "scores": scores[1]}, expanded=False)
