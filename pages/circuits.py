"""Circuit explorer: one sample's circuit, with a movable boundary between its early and late edges."""

import streamlit as st

from analysis import report_rerun
from analysis.circuit import Circuit
from components import (
    cached,
    cached_samples,
    circuit_files,
    circuit_layout,
    circuit_network,
    circuit_panel,
    circuit_readings,
    circuit_tables,
    demo_mode,
    faithfulness_panel,
    layout,
    logit_lens_panel,
    sample_picker,
    score_form,
)

study = layout.begin(
    "Circuit explorer", "Through which heads and MLPs does the model recall this answer, and how deep does that path run?"
)
st.html(f"<style>{circuit_readings.STYLE}</style>")


@st.fragment
def explore(circuit: Circuit, largest: int, question: str, ablation: str) -> None:
    with st.container(key="controls"):
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
    view = circuit_network.of_circuit(drawn, boundary, shown)
    node = circuit_network.show(view, key="circuit", height=circuit_layout.height(circuit.index), listed=True)
    circuit_readings.describe(drawn, boundary, len(shown), note)
    readings = st.container(key="readings", horizontal=True, gap="medium")
    with readings:
        circuit_readings.numbers(drawn, boundary)
    words = st.empty()
    with st.container(key="below"):
        left, right = st.columns(2, gap="medium")
    with left:
        circuit_tables.show(shown, node)
        prompt = cached_samples.prompt(study, drawn.sample_id)
        circuit_files.offer(drawn, shown, view, question, prompt, report_rerun.of_circuits(study, circuits[1]))
    with right:
        if demo_mode.too_large(int(circuit.index.real_edges.sum())):
            return
    words.markdown("Faithfulness and completeness: the model is running.")
    try:  # what needs the model comes last: the graph never waits for it
        with readings:
            measured = faithfulness_panel.measure(study, drawn, ablation)
        words.markdown(faithfulness_panel.in_words(measured, drawn.n_edges))
        with right:
            logit_lens_panel.show(cached.answer_by_layer(study, circuit), boundary)
            faithfulness_panel.curve(study, circuit, drawn, rule, ablation, measured)
    except ValueError as error:
        words.empty()
        with right:
            layout.problem("Faithfulness and logit lens are not computed: both run the model.", str(error))


circuits, scores = cached.circuits(study), cached.scores(study)
if circuits is None or scores is None:
    score_form.show(study)
else:
    table = sample_picker.ranked(scores[0], circuits[0], cached.observed(study))
    chosen = sample_picker.show(table)
    largest = max(circuit.n_edges for circuit in circuits[0].values())
    explore(circuits[0][chosen], largest, table.set_index("sample_id").loc[chosen, "question"], circuits[1]["ablation"])
    layout.computed(circuit_panel.EXPLANATION + logit_lens_panel.EXPLANATION, circuits[1], report_rerun.of_circuits(study, circuits[1]))
