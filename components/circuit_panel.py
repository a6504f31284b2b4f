"""What stands around a circuit graph: its controls, depth read-outs, edges as a table, and downloads."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from analysis import exchange
from analysis.circuit import Circuit, Rule, edges_frame, n_edges_of_mass, nodes_frame, top_n
from analysis.dataset import PROMPT_TEMPLATE
from analysis.depth import depth_readouts
from analysis.similarity import similarity
from analysis.store import csv_bytes
from components import circuit_layout, circuit_network, state

KEPT = {"bind": "query-params", "persist_state": "session"}  # in the URL, and on the way to another page
DEFAULT_EDGES = 60  # more than that is a hairball
TABLE_HEIGHT = 528  # pixels; as far down as the read-outs and the curve beside it
MOST_EDGES = 400  # more cannot be read, and a large model has thousands
RULES: dict[Rule, str] = {"greedy": "Greedy from logits", "top_n": "Strongest edges", "cumulative_mass": "Share of score mass"}
EXPLANATION = """
An edge score estimates how much the answer's log-probability falls when that edge alone is ablated (edge attribution
patching, EAP-IG); a positive score supports the answer. *Greedy from logits*: the circuit grows from `logits` by the strongest
edge into what is already there. *Strongest edges*: the n largest |scores| of the whole graph, wherever they stand. *Share of
score mass*: the fewest strongest edges that hold this share of the |score| of all edges. Each rule then drops every edge that is on
no path from `input` to `logits`, so that fewer edges may be drawn than were chosen. An edge is *early* if the layer it ends in
lies below the boundary, else *late*; `logits` stands after the last layer. Mean path counts all paths from `input` to `logits`,
and takes the q, k and v inputs of a head as separate edges.
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


def rule_choice() -> Rule:
    """How edges are chosen from the scores; kept in the URL."""
    return st.selectbox("Choose edges", list(RULES), format_func=RULES.get, key="rule", **KEPT)


def drawn_by(rule: Rule, circuit: Circuit, largest: int) -> tuple[Circuit, str]:
    """The part of a circuit's graph to draw, by the rule and the slider that belongs to it; and what there is to say about it."""
    note = ""
    if rule == "greedy":
        return circuit_layout.strongest(circuit, edges_slider(largest)), note
    if rule == "top_n":
        largest = min(MOST_EDGES, int(circuit.index.real_edges.sum()))
        state.clamp("strongest", 1, largest)
        chosen = st.slider("Strongest edges chosen", 1, largest, min(DEFAULT_EDGES, largest), key="strongest", **KEPT)
    else:
        share = st.slider("Share of the |score| mass (%)", 10, 95, 60, 5, key="mass", **KEPT) / 100
        chosen = n_edges_of_mass(circuit.scores, circuit.index, share)
        if chosen > MOST_EDGES:
            note = f"{share:.0%} of the mass takes {chosen} edges; the strongest {MOST_EDGES} are chosen instead."
            chosen = MOST_EDGES
    return replace(circuit, in_circuit=top_n(circuit.scores, circuit.index, max(1, chosen))), note


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
    cosine = similarity(left.in_circuit.ravel(), right.in_circuit.ravel(), "cosine")
    st.markdown(f"**{n_both} edges in both**, {n_left} left only, {n_right} right only (cosine {cosine:.2f})")
    with st.expander("Edge by edge"):
        number = st.column_config.NumberColumn(format="%+.4f")
        order = table[["left", "right"]].abs().max(axis=1).sort_values(ascending=False, kind="stable").index
        st.dataframe(
            table.loc[order].reset_index(), hide_index=True, height=280, alt="Edges of both circuits, strongest first",
            column_config={"edge": "Edge", "left": number, "right": number, "where": "In"},
        )


def tables(frame: pd.DataFrame, node: str | None) -> None:
    """The edges drawn and their nodes, in two tabs."""
    edges, nodes = st.tabs(["Edges", "Nodes"])
    with edges:
        edges_table(frame, node)
    with nodes:
        nodes_table(frame)


def nodes_table(frame: pd.DataFrame) -> None:
    """The nodes of the edges drawn, `input` first."""
    st.markdown("**Nodes drawn**, with what runs into and out of each.")
    mass = {"format": "%.4f"}
    table = nodes_frame(frame).set_index("node")
    st.dataframe(
        table, height=min(TABLE_HEIGHT, 38 + 35 * max(1, len(table))), alt="Nodes of the circuit, input first",
        column_config={
            "node": "Node", "kind": "Kind", "layer": st.column_config.NumberColumn("Layer", help="input = -1; logits after the last."),
            "in_degree": "Edges in", "out_degree": "Edges out",
            "in_mass": st.column_config.NumberColumn("|score| in", **mass),
            "out_mass": st.column_config.NumberColumn("|score| out", **mass),
            "net_score": st.column_config.NumberColumn(
                "Net score", format="%+.4f", help="Signed sum over the edges out (in, for logits). Positive supports the answer."
            ),
        },
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
        frame[["edge", "score", "share", "side", "span"]], hide_index=True, height=min(TABLE_HEIGHT, 38 + 35 * max(1, len(frame))),
        column_config={
            "edge": st.column_config.TextColumn("Edge", width=140),
            "score": st.column_config.NumberColumn("Edge score", format="%+.4f", help="Positive supports the answer."),
            "share": st.column_config.ProgressColumn("Share of |score|", format="percent", min_value=0, max_value=most),
            "side": "Side", "span": st.column_config.NumberColumn("Span", help="Layers that the edge crosses."),
        },
        alt="Edges of the circuit, strongest first",
    )


def downloads(circuit: Circuit, boundary: int, question: str) -> None:
    """The circuit as it is drawn, in one of several formats: a page that works offline, tables, and graph files."""
    name, prompt = f"circuit-{circuit.sample_id}", PROMPT_TEMPLATE.format(question=question)
    frame, view = circuit_layout.edges(circuit, boundary), circuit_network.marked(circuit_network.of_circuit(circuit, boundary))
    offered = {
        "Graph as HTML": ("html", "text/html", lambda: circuit_network.offline_html(view, question)),
        "Edges as CSV": ("csv", "text/csv", lambda: csv_bytes(frame)),
        "Nodes as CSV": ("nodes.csv", "text/csv", lambda: csv_bytes(nodes_frame(frame))),
        "EAP-IG JSON": ("json", "application/json", lambda: exchange.exported(circuit, "eap-ig")),
        "GraphML": ("graphml", "application/xml", lambda: exchange.exported(circuit, "graphml")),
        "Attribution graph JSON": (
            "attribution-graph.json", "application/json", lambda: exchange.exported(circuit, "attribution-graph", prompt)
        ),
    }
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Circuit as drawn, as a file", list(offered), key="format", width=260)
        suffix, kind, make = offered[chosen]
        st.download_button("Download", make, f"{name}.{suffix}", kind, on_click="ignore")
