"""The circuit exactly as it is drawn, as a file: a page that works offline, tables, and formats of other tools."""

from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from analysis import exchange
from analysis.atomic import csv_bytes
from analysis.circuit import Circuit, nodes_frame
from components import circuit_network, equivalent_command
from components.network_view import View

EXPORTS = {"EAP-IG JSON": "eap-ig", "GraphML": "graphml", "Attribution graph JSON": "attribution-graph"}  # what `circuits` writes, too


def offer(drawn: Circuit, shown: pd.DataFrame, view: View, question: str, prompt: str, command: list[str]) -> None:
    """A choice of formats and a button. `shown` holds the edges that pass the filters, `view` draws them; `command` makes the
    study's circuits."""
    name = f"circuit-{drawn.sample_id}"
    circuit, marked = only(drawn, shown), circuit_network.marked(view)
    offered = {
        "Graph as HTML": ("html", "text/html", lambda: circuit_network.offline_html(marked, question)),
        "Edges as CSV": ("csv", "text/csv", lambda: csv_bytes(shown)),
        "Nodes as CSV": ("nodes.csv", "text/csv", lambda: csv_bytes(nodes_frame(shown))),
        "EAP-IG JSON": ("json", "application/json", lambda: exchange.exported(circuit, "eap-ig")),
        "GraphML": ("graphml", "application/xml", lambda: exchange.exported(circuit, "graphml")),
        "Attribution graph JSON": (
            "attribution-graph.json", "application/json", lambda: exchange.exported(circuit, "attribution-graph", prompt)
        ),
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Circuit as drawn, as a file", list(offered), key="format", bind="query-params", width=260)
        suffix, kind, make = offered[chosen]
        st.download_button("Download", make, f"{name}.{suffix}", kind, on_click="ignore")
    st.caption(f"{said(len(shown), drawn.n_edges)} PNG and SVG: buttons above the graph.")
    if chosen in EXPORTS:
        equivalent_command.show([*command, "--export", EXPORTS[chosen]], label="Equivalent command, for all samples' whole circuits")


def said(n_shown: int, n_drawn: int) -> str:
    """What the files hold, in words."""
    if n_shown == n_drawn:
        return f"Files hold the {n_drawn} edges drawn."
    return f"Filters are on: files hold the {n_shown} edges that pass them, of {n_drawn}."


def only(circuit: Circuit, shown: pd.DataFrame) -> Circuit:
    """The circuit of the edges in `shown` alone."""
    names, kept = set(shown["edge"]), np.zeros_like(circuit.in_circuit)
    for source, column in np.argwhere(circuit.in_circuit):
        kept[source, column] = circuit.index.edge_name(int(source), int(column)) in names
    return replace(circuit, in_circuit=kept)
