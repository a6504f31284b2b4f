"""The conflict map's tables on the page, and its files to take away."""

from pathlib import Path

import streamlit as st

from analysis.conflict_map import FILE, ConflictMap
from components import conflict_plot, conflict_rows, layout, state
from components.formats import fixed

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def nodes(found: ConflictMap, selected: str, opened: dict[str, str], *, key: str) -> None:
    """The map as a table, conflicts first; selecting a row selects the node."""
    order = {"conflict": 0, "free": 1, "forget": 2, "retain": 3}
    table = conflict_rows.nodes(found).sort_values("label", key=lambda labels: labels.map(order), kind="stable")
    if opened:
        table = table.assign(trained=table["node"].map(opened).fillna(""))
    names, score = table["node"].tolist(), fixed(table["forget_score"])

    def picked() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_node(names[row])

    st.session_state[key] = {"selection": {"rows": [names.index(selected)], "columns": [], "cells": []}}  # also if chosen on the map
    st.dataframe(
        table.drop(columns="lane"), hide_index=True, height=318, key=key, on_select=picked, selection_mode="single-row",
        alt="Nodes of the conflict map, conflicts first",
        column_config={
            "node": TEXT("Node", width=65), "kind": TEXT("Kind", width=50), "layer": NUMBER("Layer", width=50),
            "label": "Label",
            "assigned": TEXT("In the masks", help="What the masks take it for: its place in one optimum"),
            "fixed": st.column_config.CheckboxColumn(
                "Fixed", width=50, help="Proven the same in every optimum, that is in every way with the fewest conflicts"
            ),
            "circuits": TEXT("In circuits of", help="Of which sets' circuits it is part"),
            "forget_score": NUMBER("Forget score", format=score, help="How strongly its edges move the forget set's answers, in nats"),
            "retain_score": NUMBER("Retain score", format=score, help="The same in the retain sets, their mean"),
            "n_parameters": NUMBER("Parameters", format="localized"), "trained": "Trained in",
        },
    )


def by_layer(found: ConflictMap) -> None:
    """Where along the model the labels lie: on either side of the early/late boundary, and in every layer."""
    counts = conflict_rows.layers(found)
    st.markdown(conflict_rows.depth(found, state.boundary(int(counts.index.max()) + 1)))
    st.plotly_chart(conflict_plot.layers_figure(found), theme=None, key="conflict_layers")


def circuits(found: ConflictMap) -> None:
    """How each set's circuits were found."""
    st.dataframe(
        conflict_rows.circuits(found), hide_index=True, height="content", key="conflict_circuits", placeholder="not defined",
        alt="Circuits of each set",
        column_config={
            "set": "Set", "file": "File", "n_samples": "Samples", "n_maintain": NUMBER("Edges, maintain", format="localized"),
            "n_break": NUMBER("Edges, break", format="localized"),
            "faithfulness": NUMBER("Faithfulness", format="%.2f", help="Maintain circuit: 1 = keeps the answers, 0 = as all ablated"),
            "completeness": NUMBER("Completeness", format="%.2f", help="Break circuit: 1 = ablating it alone destroys the answers"),
            "reached": TEXT("Target reached", help="Whether both circuits reached the target that was set"),
        },
    )
    settings = layout.escape(", ".join(f"{name} {found.config[name]}" for name in ("target", "ablation") if name in found.config))
    st.caption(
        f"Made with: {settings or 'settings not recorded'}. The labels are read off these circuits alone, so they speak for the share "
        "of the answers that these explain. A lower target leaves fewer edges: it tells nodes apart better, by circuits that explain "
        "less."
    )


def downloads(folder: Path, name: str) -> None:
    """The map and the formula, as they lie on disk."""
    offered = {FILE: "application/json", "circuit.cnf": "text/plain"}
    with st.container(horizontal=True):
        for file, kind in offered.items():
            if (folder / file).is_file():
                st.download_button(f"Download {file}", (folder / file).read_bytes(), f"{name}-{file}", kind, key=f"conflict_{file}")
