"""How much of the answer a circuit keeps alone, and how much is lost without it; measured on the spot, and over its size."""

from dataclasses import replace

import streamlit as st

from analysis.circuit import Circuit, Rule
from analysis.store import Study
from components import cached, curve_plot

QUICK = 5000  # edges of a graph: up to here the curve's 80 runs take a second
FAITHFUL = """Share of the answer's log-probability, between the fully ablated and the intact model, that comes back when only these
edges carry their real value. 1 = all of it, 0 = none; a small circuit can fall below 0."""
COMPLETE = """Share of it that is lost when only these edges are ablated. 1 = nothing is left without them, above 1 = the
answer is even less likely than with every edge ablated, 0 = the model answers as well; the rest then runs beside the circuit."""
READING = """Circuits of growing size by the rule chosen above, each really run. Gray: random circuits of the same size (mean of 3),
all on paths from `input` to `logits`; a circuit says something where its line leaves theirs."""


def show(study: Study, circuit: Circuit, drawn: Circuit, rule: Rule, ablation: str) -> None:
    """The drawn circuit's faithfulness and completeness, and both over circuit size next to random circuits."""
    complement = replace(drawn, in_circuit=drawn.index.real_edges & ~drawn.in_circuit)
    try:
        with st.spinner("Running the model with edges ablated"):
            alone, without = cached.faithfulness(study, [drawn, complement], ablation)
            measured = {"faithfulness": alone, "completeness": 1 - without}
            left, right = st.columns(2)
            left.metric("Faithfulness", f"{alone:.2f}", help=FAITHFUL)
            right.metric("Completeness", f"{measured['completeness']:.2f}", help=COMPLETE)
            if circuit.index.real_edges.sum() > QUICK and not st.toggle("Measure the curve over sizes (80 runs)", key="curve"):
                return
            table = cached.size_curve(study, circuit, rule, ablation)
    except ValueError as error:
        st.caption("Faithfulness not computed:")
        st.text(str(error))
        return
    st.plotly_chart(curve_plot.figure(table, drawn.n_edges, measured), theme=None, key="faithfulness_curve")
    st.caption(READING)
