"""Which edges two cohorts' circuits have, and which they have more or less often than chance would give."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis.atomic import csv_bytes
from analysis.circuit import Circuit
from components import cached_pairs, circuit_network, edge_groups, pair_panel
from components.cohort_plot import NAMES

LEAST = 0.1  # difference in frequency from which edges that do not pass can be shown
MOST_EDGES = 400  # more cannot be read
CONTROL = "False-discovery rate 5%: of the edges that pass, about one in twenty is expected to be a false alarm."
EXPLANATION = """
*Edge frequency* is the share of a cohort's circuits that have an edge. Each edge that some circuits of the two cohorts have and some
lack is tested by Fisher's exact test (two-sided), a permutation test with every permutation counted. An edge passes at a
false-discovery rate of 5% (Benjamini and Hochberg): of the edges that pass, at most 5% are expected to be false if edges are
independent or come and go together. Some exclude each other instead: so the control does the same between 100 pairs of disjoint random
cohorts of the same sizes, where no edge should pass.
"""


def least_slider() -> int:
    """From which frequency on (in percent) edges are drawn; kept in the URL."""
    return st.slider("Edges in at least this share of circuits", 10, 100, 75, 5, format="%d%%", key="frequency", bind="query-params")


def show(chosen: list[Circuit], cohort: pd.Series, names: tuple[str, str], boundary: int, least: int) -> None:
    """Both cohorts' common edges, linked, and the edges that differ; all three as files."""
    index = chosen[0].index
    found, by_chance = cached_pairs.edge_differences(chosen, cohort, names)
    sides = ("first", "second")
    words = [f"{NAMES[name].lower()}, n = {int((cohort == name).sum())}" for name in names]
    tables = [edge_groups.frequencies(index, found[side].to_numpy(), least / 100, boundary, said)
              for side, said in zip(sides, words, strict=True)]
    views = pair_panel.one_legend([edge_groups.frequency_view(table[:MOST_EDGES], index, f"frequency {name}", boundary)
                                   for table, name in zip(tables, names, strict=True)])
    for column, name, side, table, view in zip(st.columns(2), names, sides, tables, views, strict=True):
        with column:
            st.markdown(f"**{NAMES[name]}**: {len(table)} edges in at least {least}% of the circuits{_cut(table)}")
            circuit_network.show(view, key=f"frequency_{side}", height=355)
    _differences(chosen, found, by_chance, names)


def _cut(table: pd.DataFrame) -> str:
    return "" if len(table) <= MOST_EDGES else f" (the {MOST_EDGES} most common are drawn)"


def _differences(chosen: list[Circuit], found: pd.DataFrame, by_chance: np.ndarray, names: tuple[str, str]) -> None:
    index, words = chosen[0].index, (NAMES[names[0]].lower(), NAMES[names[1]].lower())
    graph, beside = st.columns([3, 2])
    with graph:
        st.markdown(takeaway(found, words))
        st.caption(f"{CONTROL}  \n{chance(by_chance)}")
        everything = st.checkbox(
            f"Also those that do not pass, from {100 * LEAST:.0f} points apart", key="not_passing", bind="query-params",
            help="Drawn thin and gray: differences that chance would give among so many edges."
        )
        table = edge_groups.differences(index, found, LEAST if everything else None, words)
        view = edge_groups.difference_view(table[:MOST_EDGES], index, names, words)
        node = circuit_network.show(view, key="frequency_difference", height=400)
    with beside:
        _table(table, names, node)
        _downloads(edge_groups.named(index, found), names)


def _table(table: pd.DataFrame, names: tuple[str, str], node: str | None) -> None:
    shown = table if node is None else table[(table["source"] == node) | (table["target"] == node)]
    st.markdown(f"**Edge by edge** ({len(shown)}{'' if node is None else f' at {node}'})")
    if shown.empty:
        st.caption("No edge to list.")
        return
    share = {"format": "%.0f%%", "width": 80, "help": "Share of the cohort's circuits with this edge"}
    percent = shown.assign(first=100 * shown["first"], second=100 * shown["second"])
    st.dataframe(
        percent[["edge", "first", "second", "q_value"]], hide_index=True, height=360, alt="Edges by difference in frequency",
        column_config={
            "edge": st.column_config.TextColumn("Edge", width=140),
            "first": st.column_config.NumberColumn(NAMES[names[0]], **share),
            "second": st.column_config.NumberColumn(NAMES[names[1]], **share),
            "q_value": st.column_config.NumberColumn("q", format="%.1e", width=80, help="False-discovery rate; passes up to 0.05"),
        },
    )


def _downloads(found: pd.DataFrame, names: tuple[str, str]) -> None:
    columns = dict(zip(("first", "second"), names, strict=True))
    tested = {"difference": f"{names[0]}_minus_{names[1]}"}
    files = {
        "Frequencies as CSV": ("edge-frequencies.csv", found[["edge", *columns]].rename(columns=columns)),
        "Differences as CSV": ("edge-differences.csv", found.dropna(subset="p_value").rename(columns=columns | tested)),
    }
    with st.container(horizontal=True):
        for label, (name, table) in files.items():
            st.download_button(label, lambda table=table: csv_bytes(table), name, "text/csv", on_click="ignore")


def takeaway(found: pd.DataFrame, words: tuple[str, str]) -> str:
    """How many edges differ, and which way."""
    n_tested, passing = int(found["p_value"].notna().sum()), found[found["passes"]]
    n_first = int((passing["difference"] > 0).sum())
    said = f"**{n_tested:,} edges tested, {len(passing)} pass**"
    if len(passing):
        said += f": {n_first} more common in {words[0]}, {len(passing) - n_first} in {words[1]} samples"
    return f"{said}."


def chance(by_chance: np.ndarray) -> str:
    """The random-cohort control in one line."""
    return (f"Random cohorts of the same sizes, drawn {len(by_chance)} times, where every edge that passes is chance: "
            f"{by_chance.mean():.1f} pass on average, none in {int((by_chance == 0).sum())} of the draws.")
