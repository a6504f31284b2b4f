"""Easy vs hard: two samples, two cohorts, or one sample before and after a run."""

import pandas as pd
import streamlit as st

from analysis import report_rerun, studies
from analysis.circuit import Circuit
from components import after_panel, cached, circuit_panel, cohort_panel, frequency_panel, layout, pair_panel, sample_picker, score_form

study = layout.begin(
    "Easy vs hard", "Do memories that resist unlearning run through later, longer pathways than those that go at once?"
)
MODES = ("Two samples", "Two cohorts", "Before and after a run")


@st.fragment
def compare(of: studies.Study, circuits: dict[str, Circuit], table: pd.DataFrame) -> None:
    first, second, third = st.columns([10, 6, 6], gap="small")
    mode = first.segmented_control("Compare", MODES, default=MODES[0], required=True, key="compare", bind="query-params")
    with second:
        boundary = circuit_panel.boundary_slider(next(iter(circuits.values())).index.n_layers)
    with third:
        most = max(circuit.n_edges for circuit in circuits.values())
        size = frequency_panel.least_slider() if mode == MODES[1] else circuit_panel.edges_slider(most)
    if mode == MODES[1]:
        cohort_panel.show(circuits, table, boundary, size)
    elif mode == MODES[2]:
        after_panel.show(of, circuits, table, boundary, size)
    else:
        two_samples(circuits, table, boundary, size)


def two_samples(circuits: dict[str, Circuit], table: pd.DataFrame, boundary: int, n_edges: int) -> None:
    left, right = sample_picker.show_pair(table)
    if left == right:
        st.info("The same sample is on both sides. Choose another for one of them.")
        return
    pair_panel.samples(circuits[left], circuits[right], table, boundary, n_edges)


circuits, scores = cached.circuits(study), cached.scores(study)
if circuits is None or scores is None:
    score_form.show(study)
else:
    compare(study, circuits[0], sample_picker.ranked(scores[0], circuits[0], cached.observed(study)))
    layout.computed(
        circuit_panel.EXPLANATION + pair_panel.EXPLANATION + cohort_panel.EXPLANATION + frequency_panel.EXPLANATION
        + after_panel.EXPLANATION, {"circuits": circuits[1], "scores": scores[1]},
        report_rerun.of_circuits(study, circuits[1]), report_rerun.of_scores(study, scores[1].get("config") or {}),
    )
