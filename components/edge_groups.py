"""Two circuits, or two cohorts of them, as one set of edges in named groups: tables in, tables and views out, no widgets."""

import numpy as np
import pandas as pd

from analysis.circuit import Circuit, edges_frame
from analysis.graph import GraphIndex
from components import network_view
from components.circuit_layout import THINNEST, WIDEST
from components.cohort_plot import COLOURS
from components.network_view import Group, View

PLACES = ["edge", "source", "target", "input", "source_layer", "target_layer", "span"]


def pair(left: Circuit, right: Circuit, names: tuple[str, str]) -> pd.DataFrame:
    """One row per edge of either circuit, largest share first: `left` and `right` (its score there, NaN where it is not in it),
    `score` (its share of |score|, with its sign; the mean of the two where it is in both) and `group` (left, right, shared)."""
    frames = [edges_frame(circuit).set_index(PLACES)["score"] for circuit in (left, right)]
    table = pd.concat(frames, axis=1, keys=["left", "right"])
    shares = table / table.abs().sum().replace(0, 1)
    table["score"] = shares.mean(axis=1)
    table["group"] = np.select([table["right"].isna(), table["left"].isna()], ["left", "right"], "shared")
    table = table.loc[table["score"].abs().sort_values(ascending=False, kind="stable").index].reset_index()
    table["width"] = _widths(table["score"])
    said = {"left": f"only in {names[0]}", "right": f"only in {names[1]}", "shared": "in both"}
    table["title"] = [
        "\n".join([row.edge, said[row.group], *(f"score {score:+.3g} in {name}" for name, score in
                                                zip(names, (row.left, row.right), strict=True) if not np.isnan(score))])
        for row in table.itertuples()
    ]
    return table


def pair_view(table: pd.DataFrame, index: GraphIndex, names: tuple[str, str], name: str) -> View:
    """`pair` as one graph: a hue and a line style for each side, with how many edges it has.

    Without early and late as a background, whose hues are those of the two sides.
    """
    n = table["group"].value_counts()
    groups = {
        "shared": Group(f"in both ({n.get('shared', 0)})", "shared"),
        "left": Group(f"only {names[0]} ({n.get('left', 0)})", "easy"),
        "right": Group(f"only {names[1]} ({n.get('right', 0)})", "hard", dashed=True),
    }
    return network_view.build(index, table, groups, name=name, boundary=None, width="share of |score|")


def frequencies(index: GraphIndex, shares: np.ndarray, least: float, boundary: int, cohort: str) -> pd.DataFrame:
    """The edges that at least a share `least` of a cohort's circuits have, most common first; `shares` has one per real edge."""
    table = _placed(index, shares, shares >= max(least, 1e-9))
    late = table["target_layer"] >= boundary
    table["group"] = np.where(late, "late", "early")
    table["width"] = THINNEST + (WIDEST - THINNEST) * table["score"] ** 6 / 2  # most are common: equal widths would be a hairball
    table["title"] = [f"{row.edge}\nin {row.score:.0%} of the circuits ({cohort})" for row in table.itertuples()]
    return table


def frequency_view(table: pd.DataFrame, index: GraphIndex, name: str, boundary: int) -> View:
    groups = {"early": Group("early", "early"), "late": Group("late", "late", dashed=True)}
    return network_view.build(index, table, groups, name=name, boundary=boundary, shares=False, effects=None, width="frequency")


def differences(index: GraphIndex, found: pd.DataFrame, all_tested: float | None, names: tuple[str, str]) -> pd.DataFrame:
    """The edges of `edge_frequency.differences` that pass, largest difference first; with `all_tested` those too that do not and
    whose frequencies differ by at least so much."""
    shown = found["passes"].to_numpy()
    if all_tested is not None:
        shown = shown | (found["p_value"].notna() & (found["difference"].abs() >= all_tested)).to_numpy()
    table = _placed(index, found["difference"].to_numpy(), shown)
    table = table.join(found.set_axis(_edge_names(index)), on="edge")
    passed = table["passes"].astype(bool)
    table["group"] = np.where(~passed, "rest", np.where(table["difference"] > 0, "first", "second"))
    table["width"] = np.where(passed, _widths(table["score"]), THINNEST)
    table["title"] = [
        f"{row.edge}\n{names[0]} {row.first:.0%}, {names[1]} {row.second:.0%}\np {row.p_value:.2g}, q {row.q_value:.2g}"
        for row in table.itertuples()
    ]
    return table


def difference_view(table: pd.DataFrame, index: GraphIndex, cohorts: tuple[str, str], names: tuple[str, str]) -> View:
    """`differences` as one graph, in the cohorts' hues."""
    n = table["group"].value_counts()
    groups = {
        "first": Group(f"more in {names[0]} ({n.get('first', 0)})", COLOURS[cohorts[0]]),
        "second": Group(f"more in {names[1]} ({n.get('second', 0)})", COLOURS[cohorts[1]], dashed=True),
        "rest": Group(f"does not pass ({n.get('rest', 0)})", "muted"),
    }
    return network_view.build(
        index, table, groups, name=f"{cohorts[0]} minus {cohorts[1]}", boundary=None, effects=None, width="difference in frequency",
    )


def named(index: GraphIndex, found: pd.DataFrame) -> pd.DataFrame:
    """`edge_frequency.differences` with the edges' names before it, for a file."""
    return found.set_axis(_edge_names(index)).reset_index(names="edge")


def _edge_names(index: GraphIndex) -> list[str]:
    return [index.edge_name(int(source), int(column)) for source, column in np.argwhere(index.real_edges)]


def _placed(index: GraphIndex, values: np.ndarray, shown: np.ndarray) -> pd.DataFrame:
    """`edges_frame` of the real edges that are `shown`, with `values` as scores."""
    full, inside = np.zeros(index.real_edges.shape), np.zeros(index.real_edges.shape, dtype=bool)
    full[index.real_edges], inside[index.real_edges] = values, shown
    return edges_frame(Circuit("", "", index, full, inside))


def _widths(score: pd.Series) -> pd.Series:
    size = score.abs()
    return THINNEST + (WIDEST - THINNEST) * (size / (size.max() or 1.0)) ** 0.5
