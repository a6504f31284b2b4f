"""How much of the answer a circuit keeps when everything else is ablated, over its size; measured on the spot."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.circuit import Circuit
from analysis.store import Study
from components import circuit_layout, state
from components.palette import colours, style

SIZES = (10, 20, 40, 60, 100, 150, 200, 300, 400)
MEANING = """Share of the answer's log-probability, between the fully ablated and the intact model, that comes back when only these
edges carry their real value. 1 = all of it, 0 = none; a small circuit can fall below 0."""


def show(study: Study, circuit: Circuit, drawn: Circuit, ablation: str) -> None:
    """The drawn circuit's faithfulness, and the curve over smaller and larger cuts of the same circuit."""
    whole = circuit.n_edges
    cuts = [circuit_layout.strongest(circuit, n) for n in SIZES if n < whole]
    try:
        with st.spinner("Running the model with all other edges ablated"):
            values = state.faithfulness(study, [*cuts, circuit, drawn], ablation)
    except ValueError as error:
        st.caption("Faithfulness not computed:")
        st.text(str(error))
        return
    table = pd.DataFrame({"edges": [c.n_edges for c in (*cuts, circuit)], "faithfulness": values[:-1]})
    st.metric(f"Faithfulness of the {drawn.n_edges} edges drawn", f"{values[-1]:.2f}", help=MEANING)
    st.plotly_chart(figure(table, drawn.n_edges, values[-1]), theme=None, key="faithfulness_curve")


def figure(table: pd.DataFrame, n_drawn: int, value: float) -> go.Figure:
    """Faithfulness over circuit size (columns edges, faithfulness); the drawn circuit marked, 0 and 1 as lines."""
    c = colours()
    chart = go.Figure(go.Scatter(
        x=table["edges"], y=table["faithfulness"], mode="lines+markers", line={"color": c["muted"], "width": 1.5}, showlegend=False,
        hovertemplate="%{x} edges: %{y:.2f}<extra></extra>",
    ))
    dot = {"size": 12, "color": c["early"]}
    chart.add_scatter(x=[n_drawn], y=[value], mode="markers", marker=dot, hoverinfo="skip", showlegend=False)
    for level in (0, 1):
        chart.add_hline(y=level, line={"color": c["muted"], "width": 1, "dash": "dot"})
    chart.update_xaxes(title="edges kept")
    chart.update_yaxes(title="faithfulness")
    return style(chart, height=190).update_layout(margin={"l": 8, "r": 8, "t": 8, "b": 8})
