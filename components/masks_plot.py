"""Masks compared: what each leaves of the forget set, keeps of the retain set and gives back, with intervals over seeds."""

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
OUTCOMES = {  # of summary.csv: title of the axis
    "forget": "forget probability<br>(left = more forgotten)", "retain": "retain probability<br>(right = more kept)",
    "relearned": "relearned probability<br>(left = stays forgotten)",
}


def label(arm: str) -> str:
    return ARMS[arm][0] if arm in ARMS else arm


def figure(summary: pd.DataFrame) -> go.Figure:
    """A row of panels per method, a panel per outcome, in it a line per mask: mean and interval over seeds. `summary`: summary.csv of
    compare-masks.

    The dotted line is no mask. CLUE and its parts are of one colour, the control of another, other masks of a third. Where one seed
    gave no interval, there is a point alone.
    """
    methods = list(summary["method"].unique())
    shown = [name for name in OUTCOMES if summary[f"{name}_mean"].notna().any()]
    titles = [plain(method) if name == shown[0] else "" for method in methods for name in shown]
    chart = make_subplots(
        rows=len(methods), cols=len(shown), subplot_titles=titles, shared_yaxes="rows", shared_xaxes="columns",
        horizontal_spacing=0.03, vertical_spacing=0.16 / len(methods),
    )
    for row, method in enumerate(methods, 1):
        part = summary[summary["method"] == method]
        for column, name in enumerate(shown, 1):
            chart.add_trace(_points(part, name), row, column)
            for mean in part.loc[part["arm"] == "unmasked", f"{name}_mean"].dropna():
                chart.add_vline(x=mean, line={"color": colours()["text"], "width": 1, "dash": "dot"}, row=row, col=column)
    for column, name in enumerate(shown, 1):
        chart.update_xaxes(title=OUTCOMES[name], row=len(methods), col=column)
    chart.update_yaxes(autorange="reversed")
    chart.update_annotations(font_size=13)
    return style(chart, height=90 + sum(45 + 26 * int((summary["method"] == method).sum()) for method in methods))


def _points(part: pd.DataFrame, outcome: str) -> go.Scatter:
    """The masks of one method in one outcome."""
    c = colours()
    mean, low, high = (part[f"{outcome}_{end}"].astype(float) for end in ("mean", "low", "high"))
    tint = [c[ARMS[arm][2] if arm in ARMS else "muted"] for arm in part["arm"]]
    symbol = [ARMS[arm][1] if arm in ARMS else "cross" for arm in part["arm"]]
    return go.Scatter(
        x=mean, y=[plain(label(arm)) for arm in part["arm"]], mode="markers", showlegend=False,
        customdata=list(zip(low, high, strict=True)),
        marker={"symbol": symbol, "size": 11, "color": tint},
        error_x={"type": "data", "symmetric": False, "array": (high - mean).fillna(0), "arrayminus": (mean - low).fillna(0),
                 "color": c["muted"], "thickness": 1.5, "width": 4},
        hovertemplate=f"%{{y}}<br>{outcome} %{{x:.3f}} (%{{customdata[0]:.3f}} to %{{customdata[1]:.3f}})<extra></extra>",
    )
