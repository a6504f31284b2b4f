"""Two circuits beside each other, and a third graph of what they differ in: two samples, or one before and after a run."""

import math
from collections.abc import Callable

import pandas as pd
import streamlit as st

from analysis.atomic import csv_bytes
from analysis.circuit import Circuit, strongest
from analysis.depth import depth_readouts
from components import circuit_network, edge_groups, sample_picker, state
from components.network_view import View

EXPLANATION = """
*Two circuits*: an edge is shared if both circuits hold it among the edges drawn. In the third graph a width is the share of |score|
that an edge has in its own circuit (the mean of both where it is shared), so that circuits of different strength can be set side by
side. Two samples show themselves and no tendency: for that there are cohorts.
"""
SIDES = ("left", "right")
WHERE = {"left": "on the left", "right": "on the right", "before": "before unlearning", "after": "after unlearning"}


def samples(left: Circuit, right: Circuit, table: pd.DataFrame, boundary: int, n_edges: int) -> None:
    """The circuits of two samples, each below its answer and ranks, with a way to all that is known of it."""
    pair = (left.sample_id, right.sample_id)

    def head(side: str, sample: str) -> None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container(gap=None):
                sample_picker.describe(table, sample)
            st.button("Card", key=f"card_{side}", help=f"All that is known of the {side} sample", on_click=_card, args=(sample, pair))

    show(left, right, boundary, SIDES, key="pair", n_edges=n_edges, head=head)


def _card(sample: str, pair: tuple[str, str]) -> None:
    """The card is of the sample picked everywhere; the two sides stay as they are."""
    sample_picker.take_sides(*pair, sample)
    state.open_card()


def name_it(name: str, sample: str) -> None:
    st.markdown(f"**{name.capitalize()}**")


def show(
    left: Circuit, right: Circuit, boundary: int, names: tuple[str, str], *, key: str, n_edges: int,
    head: Callable[[str, str], None] = name_it,
) -> None:
    """Both circuits, at most `n_edges` of each, and what they differ in; `names` are words such as `before` and `after`, and `head`
    writes what stands above the circuit of a name and a sample."""
    drawn = [strongest(circuit, n_edges) for circuit in (left, right)]
    table = edge_groups.pair(*drawn, names)
    st.markdown(takeaway(*drawn, table, boundary, names))
    views = one_legend([circuit_network.of_circuit(circuit, boundary) for circuit in drawn])
    for column, circuit, view, name, side in zip(st.columns(2), drawn, views, names, SIDES, strict=True):
        with column:
            with st.container(gap=None):
                head(name, circuit.sample_id)
                st.caption(readouts(circuit, boundary))
            circuit_network.show(view, key=f"{key}_{side}", height=355)
    st.markdown("**What they differ in**")
    shown = _groups(table, names, key=key)
    graph, beside = st.columns([3, 2])
    with graph:
        view = edge_groups.pair_view(shown, left.index, names, f"{left.sample_id} {right.sample_id}")
        node = circuit_network.show(view, key=f"{key}_difference", height=400)
    with beside:
        edge_table(shown, names, node, key=key)
        _download(table, names, key=key)


def one_legend(views: list[View]) -> list[View]:
    """Two graphs that stand beside each other, with one legend for both where all that it says holds for both."""
    said = [(list(view["groups"]), {edge["score"] >= 0 for edge in view["edges"]}, {node["kind"] for node in view["nodes"]})
            for view in views]
    return [view | {"one_legend": side if said[0] == said[1] else None} for view, side in zip(views, SIDES, strict=True)]


def _groups(table: pd.DataFrame, names: tuple[str, str], *, key: str) -> pd.DataFrame:
    """Three pills that count the groups, each with its share of the score mass; the rows of those that are chosen, of none all."""
    n, mass = table["group"].value_counts(), table["score"].abs().groupby(table["group"]).sum()
    share = mass / (mass.sum() or 1)
    words = {"left": f"Only {names[0]}", "shared": "Both", "right": f"Only {names[1]}"}
    said = {group: f"{word}: {n.get(group, 0)} edges, {share.get(group, 0):.0%} of score" for group, word in words.items()}
    name, widget = f"{key}_groups", f"{key}_groups_choice"
    st.session_state[widget] = [group for group in (state.parameter(name) or "").split(",") if group in words]

    def picked() -> None:
        state.keep(name, ",".join(st.session_state[widget]) or None)

    chosen = st.pills("Edges to show", list(words), selection_mode="multi", format_func=said.get, key=widget, on_change=picked,
                      label_visibility="collapsed")
    return table[table["group"].isin(chosen)] if chosen else table


def readouts(circuit: Circuit, boundary: int) -> str:
    """Depth and size in one line, for circuits side by side; the late share is in the graph."""
    values = depth_readouts(circuit, boundary)
    return (f"{circuit.n_edges} edges; mean layer {values['mean_layer']:.1f}; span {values['mean_span']:.1f} layers; "
            f"path {values['mean_path']:.1f} edges, at most {values['longest_path']:.0f}")


def edge_table(table: pd.DataFrame, names: tuple[str, str], node: str | None, *, key: str) -> None:
    """The edges shown, or those of the selected node, with the score in each circuit."""
    shown = table if node is None else table[(table["source"] == node) | (table["target"] == node)]
    st.markdown(f"**Edge by edge** ({len(shown)}{'' if node is None else f' at {node}'})")
    number = {name: st.column_config.NumberColumn(name.capitalize(), format="%+.4f", help="Edge score") for name in names}
    rows = shown.assign(where=shown["group"].map(_where(names))).rename(columns=dict(zip(SIDES, names, strict=True)))
    st.dataframe(
        rows[["edge", *names, "where"]], hide_index=True, height=330, placeholder="-",
        alt="Edges of both circuits, largest share first",
        column_config={"edge": st.column_config.TextColumn("Edge", width=130), "where": "In"} | number,
    )


def _where(names: tuple[str, str]) -> dict[str, str]:
    return {"left": f"only {names[0]}", "right": f"only {names[1]}", "shared": "both"}


def _download(table: pd.DataFrame, names: tuple[str, str], *, key: str) -> None:
    """All edges of both circuits as a file, whatever is shown."""
    columns = ["edge", "left", "right", "group", "source_layer", "target_layer", "span"]
    file = table[columns].rename(columns=dict(zip(SIDES, names, strict=True))).replace({"group": _where(names)})
    st.download_button(
        "Differences as CSV", lambda: csv_bytes(file), "edges-compared.csv", "text/csv", on_click="ignore", key=f"{key}_csv"
    )


def takeaway(left: Circuit, right: Circuit, table: pd.DataFrame, boundary: int, names: tuple[str, str]) -> str:
    """Which circuit runs later, and how much the two have in common: in edges, and in what these carry of either."""
    late = [depth_readouts(circuit, boundary)["late_share"] for circuit in (left, right)]
    shared = table[table["group"] == "shared"][list(SIDES)].abs().sum() / table[list(SIDES)].abs().sum()
    common = f"They share {(table['group'] == 'shared').sum()} of {len(table)} edges"
    if any(map(math.isnan, late)):
        return f"One of the two circuits is empty. {common}."
    common += f", which carry {shared['left']:.0%} of the score mass {WHERE[names[0]]} and {shared['right']:.0%} {WHERE[names[1]]}."
    ends = f"of the score mass ends in layer {boundary} or later"
    if f"{late[0]:.0%}" == f"{late[1]:.0%}":
        return f"**Both circuits run equally late**: {late[0]:.0%} {ends}. {common}"
    first = late.index(max(late))
    here, there = WHERE[names[first]], WHERE[names[1 - first]].removesuffix(" unlearning")
    return f"**The circuit {here} runs later**: {late[first]:.0%} {ends}, {late[1 - first]:.0%} {there}. {common}"
