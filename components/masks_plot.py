"""Masks compared: what each leaves of the forget set against what it keeps of the retain set, with intervals over seeds."""

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from components.palette import colours, plain, style

ARMS = {  # arm: its name in words, symbol and colour; a symbol is a mask's own
    "unmasked": ("no mask", "star", "text"),
    "clue": ("CLUE", "circle", "hard"),
    "forget-only": ("forget nodes only", "triangle-left", "hard"),
    "conflict-only": ("conflict nodes only", "triangle-right", "hard"),
    "conflict-as-everything": ("forget nodes, then everything", "hexagram", "hard"),
    "random": ("random nodes", "x", "random"),
    "important": ("important nodes", "square", "early"),
    "gradient": ("largest gradients", "diamond", "early"),
}
PER_ROW = 2


def label(arm: str) -> str:
    return ARMS[arm][0] if arm in ARMS else arm


def figure(summary: pd.DataFrame) -> go.Figure:
    """A panel per method with a point per arm: left is more forgotten, up is more kept. `summary`: summary.csv of compare-masks.

    CLUE and its parts are of one colour, the control of another, other masks of a third; every arm has its own symbol. Where one seed
    gave no interval, there is a point alone.
    """
    methods = list(summary["method"].unique())
    n_rows, n_columns = math.ceil(len(methods) / PER_ROW), min(PER_ROW, len(methods))
    chart = make_subplots(
        rows=n_rows, cols=n_columns, subplot_titles=[plain(method) for method in methods], shared_xaxes="all", shared_yaxes="all",
        horizontal_spacing=0.05, vertical_spacing=0.5 / (n_rows + 1),
    )
    for place, method in enumerate(methods):
        for row in summary[summary["method"] == method].to_dict("records"):
            chart.add_trace(_point(row, legend=place == 0), place // PER_ROW + 1, place % PER_ROW + 1)
    chart.update_xaxes(title="forget probability (left = more forgotten)", showticklabels=True)
    chart.update_yaxes(showticklabels=True)
    chart.update_yaxes(title="retain probability (up = more kept)", col=1)
    chart.update_annotations(font_size=13)
    height = 70 + 330 * n_rows
    styled = style(chart, height=height).update_layout(margin_b=90, showlegend=True)
    return styled.update_layout(legend={"yref": "container", "y": 0, "yanchor": "bottom"})  # the titles stand above


def _point(row: dict, legend: bool) -> go.Scatter:
    c = colours()
    name, symbol, colour = ARMS.get(row["arm"], (row["arm"], "cross", "muted"))
    bars = {f"error_{axis}": {
        "type": "data", "symmetric": False, "array": [row[f"{outcome}_high"] - row[f"{outcome}_mean"]],
        "arrayminus": [row[f"{outcome}_mean"] - row[f"{outcome}_low"]], "color": c[colour], "thickness": 1.2, "width": 4,
    } for axis, outcome in (("x", "forget"), ("y", "retain")) if pd.notna(row[f"{outcome}_low"])}
    ends = [row[f"{outcome}_{end}"] for outcome in ("forget", "retain") for end in ("low", "high")]
    return go.Scatter(
        x=[row["forget_mean"]], y=[row["retain_mean"]], mode="markers", name=plain(name), legendgroup=plain(row["arm"]),
        showlegend=legend, customdata=[ends], **bars,
        marker={"symbol": symbol, "size": 12, "color": c[colour], "line": {"width": 1, "color": c["background"]}},
        hovertemplate=f"{plain(name)}<br>forget %{{x:.3f}} (%{{customdata[0]:.3f}} to %{{customdata[1]:.3f}})"
                      "<br>retain %{y:.3f} (%{customdata[2]:.3f} to %{customdata[3]:.3f})<extra></extra>",
    )
