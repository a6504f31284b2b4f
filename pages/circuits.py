"""Circuit explorer: one sample's circuit, with a movable boundary between its early and late edges."""

import streamlit as st

from analysis.circuit import Circuit
from components import cached, circuit_layout, circuit_network, circuit_panel, faithfulness_panel, layout, sample_picker, score_form

study = layout.begin(
    "Circuit explorer", "Through which heads and MLPs does the model recall this answer, and how deep does that path run?"
)


@st.fragment
def explore(circuit: Circuit, largest: int, question: str, ablation: str) -> None:
    first, second, third, last = st.columns([3, 3, 4, 2], vertical_alignment="bottom")
    with first:
        boundary = circuit_panel.boundary_slider(circuit.index.n_layers)
    with second:
        rule = circuit_panel.rule_choice()
    with third:
        drawn, note = circuit_panel.drawn_by(rule, circuit, largest)
    with last:
        sign, inputs = circuit_panel.edge_filter()
    if not drawn.n_edges:
        st.info("None of the edges chosen is on a path from input to logits. Move the slider up to choose more.")
        return
    shown = circuit_layout.only(circuit_layout.edges(drawn, boundary), sign, inputs)
    node = circuit_network.show(circuit_network.of_circuit(drawn, boundary, shown), key="circuit")
    below_left, below_right = st.columns([3, 2])
    with below_left:
        if note:
            st.caption(note)
        circuit_panel.tables(shown, node)
    with below_right:
        circuit_panel.readouts(drawn, boundary)
        faithfulness_panel.show(study, circuit, drawn, rule, ablation)
    circuit_panel.downloads(drawn, boundary, question)


circuits, scores = cached.circuits(study), cached.scores(study)
if circuits is None or scores is None:
    score_form.show(study)
else:
    table = sample_picker.ranked(scores[0], circuits[0], cached.observed(study))
    chosen = sample_picker.show(table)
    largest = max(circuit.n_edges for circuit in circuits[0].values())
    explore(circuits[0][chosen], largest, table.set_index("sample_id").loc[chosen, "question"], circuits[1]["ablation"])
    with st.expander("How this is computed"):
        st.markdown(circuit_panel.EXPLANATION)
        st.json(circuits[1])
