"""The edges that a graph draws and their nodes, as tables beside it."""

import pandas as pd
import streamlit as st

from analysis.circuit import nodes_frame

HEIGHT = 560  # pixels, at most: as far down as the charts beside it


def show(frame: pd.DataFrame, node: str | None) -> None:
    """The edges drawn and their nodes, in two tabs."""
    edges, nodes = st.tabs(["Edges", "Nodes"], key="table", on_change="rerun", bind="query-params")
    with edges:
        edges_table(frame, node)
    with nodes:
        nodes_table(frame)


def edges_table(frame: pd.DataFrame, node: str | None) -> None:
    """The edges drawn, strongest first; those of the selected node if there is one."""
    if node:
        frame = frame[(frame["source"] == node) | (frame["target"] == node)]
        st.markdown(f"**Edges of {node}** ({len(frame)}). Click the background for all.")
    else:
        st.markdown(f"**Edges drawn** ({len(frame)}), strongest first. Click a node for its own.")
    frame = frame.assign(share=100 * frame["share"])  # Streamlit's own percent drops a last zero
    most = float(frame["share"].max()) if len(frame) else 100.0
    st.dataframe(
        frame[["edge", "score", "share", "side", "span"]], hide_index=True, height=_height(frame), alt="Edges, strongest first",
        column_config={
            "edge": st.column_config.TextColumn("Edge", width=120),
            "score": st.column_config.NumberColumn(
                "Score (nats)", format="%+.4f", width=90,
                help="What ablating the edge would cost the answer, per token (estimated). Positive supports the answer.",
            ),
            "share": st.column_config.ProgressColumn(
                "Of |score|", format="%.1f%%", min_value=0, max_value=most, width=100, help="Share of the whole circuit drawn."
            ),
            "side": st.column_config.TextColumn("Side", width=60, help="Early: ends below the boundary."),
            "span": st.column_config.NumberColumn("Span", width=60, help="Layers that the edge crosses."),
        },
    )


def nodes_table(frame: pd.DataFrame) -> None:
    """The nodes of the edges drawn, `input` first."""
    table = nodes_frame(frame)
    st.markdown(f"**Nodes drawn** ({len(table)}), with what runs into and out of each.")
    st.dataframe(
        table, hide_index=True, height=_height(table), alt="Nodes of the circuit, input first",
        column_config={
            "node": st.column_config.TextColumn("Node", width=70), "kind": st.column_config.TextColumn("Kind", width=60),
            "layer": st.column_config.NumberColumn("Layer", width=60, help="input = -1; logits after the last."),
            "in_degree": st.column_config.NumberColumn("In", width=50, help="Edges into the node."),
            "out_degree": st.column_config.NumberColumn("Out", width=50, help="Edges out of the node."),
            "in_mass": st.column_config.NumberColumn("|score| in", format="%.4f", width=80),
            "out_mass": st.column_config.NumberColumn("|score| out", format="%.4f", width=80),
            "net_score": st.column_config.NumberColumn(
                "Net score", format="%+.4f", width=85,
                help="Signed sum over the edges out (in, for logits). Positive supports the answer.",
            ),
        },
    )


def _height(table: pd.DataFrame) -> int | str:
    return HEIGHT if len(table) > 15 else "content"
