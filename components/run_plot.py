"""Curves of one unlearning run, finished or not: each memory's probability by epoch, and the losses by step."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.runs import COHORTS, FORGOTTEN_BELOW
from components import palette

DASH = {"hard": "dash", "easy": "solid", "middle": "dot", "unscored": "dot"}
HATCH = {"hard": "/", "easy": "", "middle": ".", "unscored": "."}  # of bars
DRAWN = ("middle", "unscored", "easy", "hard")  # the two that are compared are drawn on top


def figure(trajectories: pd.DataFrame, known: pd.DataFrame, selected: str | None = None, height: int = 360) -> go.Figure:
    """Probability by epoch: a thin line per forget sample, bold means of its cohorts and of the retain samples.

    `trajectories`: sample_id, split, epoch, probability. `known`: question and cohort by sample_id (`runs.describe`).
    `selected`: the sample drawn as a line of its own. `height` in pixels.
    """
    colours = palette.colours()
    forget = trajectories[trajectories.split == "forget"].join(known[["question", "cohort"]], on="sample_id")
    forget = forget.fillna({"question": "a sample of another forget set", "cohort": "unscored"})
    retain = trajectories[trajectories.split == "retain"]
    chart = go.Figure()
    present = [c for c in COHORTS if (forget.cohort == c).any()]
    for cohort in sorted(present, key=DRAWN.index):
        chart.add_trace(_thin_lines(forget[forget.cohort == cohort], cohort_colour(cohort)))
    for cohort in present:
        part = forget[forget.cohort == cohort]
        name = cohort_name(cohort, part.sample_id.nunique())
        chart.add_trace(_mean(part, name, cohort_colour(cohort), DASH[cohort]))
    if len(retain):
        chart.add_trace(_mean(retain, f"retain (n={retain.sample_id.nunique()})", colours["retain"], "solid", "square"))
    own = forget[forget.sample_id == selected]
    if len(own):
        chart.add_trace(selected_line(own.epoch, own.probability))
    chart.add_hline(FORGOTTEN_BELOW, line={"color": colours["muted"], "width": 1, "dash": "dot"})
    chart.add_annotation(
        x=0, xref="paper", xanchor="left", y=FORGOTTEN_BELOW, yanchor="top", showarrow=False,
        text=f"forgotten below {FORGOTTEN_BELOW}", font={"size": 12, "color": colours["muted"]},
    )
    chart.update_xaxes(title="epoch (0 = before)", dtick=_tick(trajectories.epoch.max()), rangemode="nonnegative")
    chart.update_yaxes(title="probability per answer token", range=[0, 1.02])
    return palette.style(chart, height=height).update_layout(margin_t=8)  # the legend makes its own room


def losses_figure(steps: pd.DataFrame) -> go.Figure:
    """Forget and retain loss by step, one above the other: each method's forget loss has its own scale."""
    colours = palette.colours()
    chart = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.1)
    for row, (column, colour) in enumerate((("forget_loss", "hard"), ("retain_loss", "retain")), start=1):
        line = {"color": colours[colour], "width": 1.8}
        name = column.replace("_", " ")
        chart.add_trace(go.Scatter(x=steps.step, y=steps[column], name=name, mode="lines", line=line, showlegend=False), row, 1)
        chart.update_yaxes(title=name, row=row, col=1)
    chart.update_xaxes(title="step", row=2, col=1)
    return palette.style(chart, height=310).update_layout(margin_t=8)


def cohort_colour(cohort: str) -> str:
    return palette.colours()["middle" if cohort == "unscored" else cohort]


def selected_line(x: pd.Series, y: pd.Series) -> go.Scatter:
    ink = palette.colours()["text"]
    return go.Scatter(
        x=x, y=y, name="selected memory", mode="lines+markers", line={"color": ink, "width": 2},
        marker={"symbol": "diamond", "size": 8}, hovertemplate="selected memory: %{y:.2f}<extra></extra>",
    )


def cohort_name(cohort: str, n: int) -> str:
    return f"forget set (n={n})" if cohort == "unscored" else f"{cohort} (n={n})"


def _thin_lines(part: pd.DataFrame, colour: str) -> go.Scatter:
    """All samples' lines as one trace, a gap (not a number) after each."""
    lines = part.pivot(index="sample_id", columns="epoch", values="probability")
    questions = part.drop_duplicates("sample_id").set_index("sample_id").question.reindex(lines.index).map(palette.plain)
    gap = np.full((len(lines), 1), np.nan)
    return go.Scatter(
        x=np.tile([*lines.columns, np.nan], len(lines)), y=np.hstack([lines, gap]).ravel(),
        text=np.repeat(questions, lines.shape[1] + 1), mode="lines", line={"color": colour, "width": 1}, opacity=0.22, showlegend=False,
        hovertemplate="%{text}<br>epoch %{x}: probability %{y:.2f}<extra></extra>",
    )


def _mean(part: pd.DataFrame, name: str, colour: str, dash: str, symbol: str = "circle") -> go.Scatter:
    mean = part.groupby("epoch").probability.mean()
    return go.Scatter(
        x=mean.index, y=mean, name=name, mode="lines+markers", line={"color": colour, "width": 3, "dash": dash},
        marker={"symbol": symbol, "size": 6}, hovertemplate=f"{name}<br>epoch %{{x}}: mean %{{y:.2f}}<extra></extra>",
    )


def _tick(last: float) -> int:
    return max(1, int((0 if pd.isna(last) else last) // 10))
