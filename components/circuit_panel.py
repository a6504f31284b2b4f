"""What stands around a circuit graph: its controls, depth read-outs, edges as a table, and downloads."""

import io
import json

import networkx as nx
import pandas as pd
import streamlit as st

from analysis.circuit import Circuit, cosine, edges_frame, to_networkx
from analysis.depth import depth_readouts
from analysis.exchange import eap_ig
from components import circuit_layout, circuit_network, state

KEPT = {"bind": "query-params", "persist_state": "session"}  # in the URL, and on the way to another page
DEFAULT_EDGES = 60  # more than that is a hairball
EXPLANATION = """
An edge score estimates how much the answer's log-probability falls when that edge alone is ablated (edge attribution
patching, EAP-IG); a positive score supports the answer. The circuit grows from `logits` by the strongest edge into what is
already there, and then loses every edge that is on no path from `input` to `logits`. The edge budget repeats that selection
with fewer edges. An edge is *early* if the layer it ends in lies below the boundary, else *late*; `logits` stands after the
last layer. Mean path counts all paths from `input` to `logits`, and takes the q, k and v inputs of a head as separate edges.
"""


def boundary_slider(n_layers: int) -> int:
    """First late layer; shared by every page that draws circuits, and kept in the URL. Two layers or one leave no choice."""
    if n_layers < 3:
        return 1
    state.clamp(state.BOUNDARY, 1, n_layers - 1)
    return st.slider("Late from layer", 1, n_layers - 1, n_layers // 2, key=state.BOUNDARY, **KEPT)


def edges_slider(largest: int) -> int:
    """How many edges to draw at most, up to the largest circuit of the study."""
    if largest <= 10:
        return largest
    state.clamp("edges", 10, largest)
    return st.slider("Edges drawn, at most", 10, largest, min(DEFAULT_EDGES, largest), key="edges", **KEPT)


def edge_filter() -> tuple[str | None, list[str]]:
    """Sign to show (None = both) and kinds of input to show (empty = all)."""
    with st.popover("Filter edges", width="stretch"):
        sign = st.segmented_control("Effect on the answer", ["supports", "suppresses"], key="edge_sign")
        inputs = st.pills("Into", ["q", "k", "v", "MLP", "logits"], selection_mode="multi", key="edge_inputs")
        st.caption("Filters hide edges in the graph and the table; the read-outs stay those of the whole circuit drawn.")
    return sign, inputs


def readouts(circuit: Circuit, boundary: int) -> None:
    """Depth of the drawn circuit in numbers."""
    values = depth_readouts(circuit, boundary)
    shown = [
        ("Late share", f"{values['late_share']:.0%}", f"Share of |score| on edges that end in layer {boundary} or later."),
        ("Mean layer", f"{values['mean_layer']:.1f}", "Layer that an edge ends in, weighted by |score|."),
        ("Span (layers)", f"{values['mean_span']:.1f}", "Layers that an edge crosses, on average."),
        ("Mean path (edges)", f"{values['mean_path']:.1f}", "Edges from input to logits, over all paths."),
        ("Max path (edges)", f"{values['longest_path']:.0f}", "Edges from input to logits."),
        ("Edges", f"{circuit.n_edges}", "Each is on a path from input to logits."),
    ]
    columns = st.columns(2)
    for place, (label, value, meaning) in enumerate(shown):
        columns[place % 2].metric(label, value, help=meaning)


def readouts_line(circuit: Circuit, boundary: int) -> None:
    """The same in one line, for circuits side by side."""
    values = depth_readouts(circuit, boundary)
    st.caption(
        f"{circuit.n_edges} edges; late share {values['late_share']:.0%}; mean layer {values['mean_layer']:.1f}; "
        f"span {values['mean_span']:.1f} layers; path {values['mean_path']:.1f} edges on average, "
        f"{values['longest_path']:.0f} at most"
    )


def overlap(left: Circuit, right: Circuit) -> None:
    """Which edges two drawn circuits share, and which only one of them has."""
    scores = [edges_frame(circuit).set_index("edge")["score"] for circuit in (left, right)]
    table = pd.concat(scores, axis=1, keys=["left", "right"])
    table["where"] = "both"
    table.loc[table["right"].isna(), "where"] = "left only"
    table.loc[table["left"].isna(), "where"] = "right only"
    n_both, n_left, n_right = ((table["where"] == where).sum() for where in ("both", "left only", "right only"))
    similarity = cosine(left.in_circuit.astype(float), right.in_circuit.astype(float))
    st.markdown(f"**{n_both} edges in both**, {n_left} left only, {n_right} right only (cosine {similarity:.2f})")
    with st.expander("Edge by edge"):
        number = st.column_config.NumberColumn(format="%+.4f")
        order = table[["left", "right"]].abs().max(axis=1).sort_values(ascending=False, kind="stable").index
        st.dataframe(
            table.loc[order].reset_index(), hide_index=True, height=280, alt="Edges of both circuits, strongest first",
            column_config={"edge": "Edge", "left": number, "right": number, "where": "In"},
        )


def edges_table(frame: pd.DataFrame, node: str | None) -> None:
    """The edges drawn, strongest first; those of the selected node if there is one."""
    if node:
        frame = frame[(frame["source"] == node) | (frame["target"] == node)]
        st.markdown(f"**Edges of {node}** ({len(frame)}). Click the background for all.")
    else:
        st.markdown(f"**Edges drawn** ({len(frame)}). Click a node for its own.")
    most = float(frame["share"].max()) if len(frame) else 1.0
    st.dataframe(
        frame[["edge", "score", "share", "side", "span"]], hide_index=True, height=min(318, 38 + 35 * max(1, len(frame))),
        column_config={
            "edge": st.column_config.TextColumn("Edge", width=140),
            "score": st.column_config.NumberColumn("Edge score", format="%+.4f", help="Positive supports the answer."),
            "share": st.column_config.ProgressColumn("Share of |score|", format="percent", min_value=0, max_value=most),
            "side": "Side", "span": st.column_config.NumberColumn("Span", help="Layers that the edge crosses."),
        },
        alt="Edges of the circuit, strongest first",
    )


def downloads(circuit: Circuit, boundary: int, title: str) -> None:
    """The circuit as it is drawn: a page that works offline, a table, and graph files."""
    name = f"circuit-{circuit.sample_id}"
    offered = [
        ("Graph as HTML", "html", "text/html", lambda: circuit_network.offline_html(circuit, boundary, title)),
        ("Edges as CSV", "csv", "text/csv", lambda: circuit_layout.edges(circuit, boundary).to_csv(index=False)),
        ("EAP-IG JSON", "json", "application/json", lambda: json.dumps(eap_ig(circuit))),
        ("GraphML", "graphml", "application/xml", lambda: graphml(circuit)),
    ]
    with st.container(horizontal=True):
        for label, suffix, kind, make in offered:
            st.download_button(label, make, f"{name}.{suffix}", kind, on_click="ignore")


def graphml(circuit: Circuit) -> bytes:
    file = io.BytesIO()
    nx.write_graphml(to_networkx(circuit), file)
    return file.getvalue()
