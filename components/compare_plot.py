"""Charts of several runs beside each other: their cohorts, every memory in every run, one memory in all, and what brings it back."""

from itertools import cycle

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.runs import COHORTS, FORGOTTEN_BELOW, Run
from components import palette
from components.run_plot import HATCH, cohort_colour

TINTS, DASHES = ("early", "late", "retain", "random", "text"), ("solid", "dash")  # ten runs differ in one of the two
MARKS = {"hard": ("triangle-up", "hard"), "easy": ("circle", "easy")}
MARKERS = ("circle", "square", "diamond", "cross", "triangle-up")


def bars_figure(by_cohort: dict[str, pd.DataFrame]) -> go.Figure:
    """Mean probability after, with 95 % intervals, a bar per run and cohort. `by_cohort`: runs.outcome_by_cohort, by run."""
    ink = palette.colours()["text"]
    chart = go.Figure()
    for cohort in COHORTS:
        rows = {run: table[table.cohort == cohort].iloc[0] for run, table in by_cohort.items() if (table.cohort == cohort).any()}
        if not rows:
            continue
        mean, low, high, n = (np.array([row[name] for row in rows.values()], float) for name in (
            "probability", "probability_low", "probability_high", "n"))
        chart.add_trace(go.Bar(
            y=[palette.plain(run) for run in rows], x=mean, orientation="h", name=f"{cohort} (n={n.max():.0f})",
            customdata=np.column_stack([low, high, n]), legendrank=COHORTS.index(cohort),
            marker={"color": cohort_colour(cohort), "pattern": {
                "shape": HATCH[cohort], "fgcolor": palette.colours()["background"], "fillmode": "overlay", "size": 7, "solidity": 0.15,
            }},
            error_x={"array": high - mean, "arrayminus": mean - low, "color": ink, "thickness": 1.2, "width": 3},
            hovertemplate=f"%{{y}}, {cohort}: %{{x:.2f}} (%{{customdata[0]:.2f}} to %{{customdata[1]:.2f}}), "
                          "n=%{customdata[2]:.0f}<extra></extra>",
        ))
    chart.update_xaxes(title="mean probability after the run", range=[0, 1.02])
    chart.update_yaxes(autorange="reversed", ticklabelstandoff=6)
    return palette.style(chart, height=max(260, 100 + 46 * len(by_cohort))).update_layout(bargap=0.25, showlegend=True, margin_t=8)


def matrix_figure(table: pd.DataFrame, known: pd.DataFrame, selected: str | None, labels: list[str]) -> go.Figure:
    """Probability after of every memory (left to right) in every run (a row each); above, a mark for those of the hard and the easy
    cohort. `table`: run_comparison.matrix in its order; `labels`: of the runs; `known`: question and cohort by sample_id."""
    c, places = palette.colours(), np.arange(1, len(table) + 1)
    about = known.reindex(table.index)
    questions = about.question.fillna("a sample of another forget set").map(palette.plain)
    chart = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.02, row_heights=[0.14, 0.86])
    for row, (cohort, (symbol, colour)) in enumerate(MARKS.items()):
        here = (about.cohort == cohort).to_numpy()
        chart.add_trace(go.Scatter(
            x=places[here], y=np.full(here.sum(), 1 - row), mode="markers", name=f"{cohort} (n={here.sum()})",
            text=questions[here], marker={"symbol": symbol, "size": 6, "color": c[colour]}, hovertemplate="%{text}<extra></extra>",
        ), 1, 1)
    chart.add_trace(go.Heatmap(
        z=table.to_numpy().T, x=places, y=[palette.plain(label) for label in labels], zmin=0, zmax=1, hoverongaps=False,
        text=np.tile(questions, (len(labels), 1)), hovertemplate="%{y}<br>%{text}<br>probability %{z:.2f}<extra></extra>",
        colorscale=[[0, c["panel"]], [FORGOTTEN_BELOW, c["middle"]], [FORGOTTEN_BELOW, c["late"]], [1, c["text"]]], ygap=2,
        colorbar={
            "title": {"text": "probability", "side": "right", "font": {"size": 13}}, "thickness": 12,
            "tickvals": [0, FORGOTTEN_BELOW, 1],
        },
    ), 2, 1)
    if selected in table.index:
        chart.add_vline(table.index.get_loc(selected) + 1, line={"color": c["early"], "width": 2})
    chart.update_yaxes(visible=False, range=[-0.7, 1.7], row=1)
    chart.update_yaxes(autorange="reversed", row=2)
    chart.update_xaxes(showgrid=False, range=[0.5, len(table) + 0.5])
    chart.update_xaxes(title="memories, in this order", row=2)
    return palette.style(chart, height=150 + 30 * len(labels))


def lines_figure(found: dict[str, Run], sample: str) -> go.Figure:
    """One memory's probability by epoch, a line per run that has it."""
    chart = go.Figure()
    for (name, run), style in zip(found.items(), _styles(), strict=False):
        rows = run.trajectories[(run.trajectories.sample_id == sample) & (run.trajectories.split == "forget")]
        if len(rows):
            chart.add_trace(_line(rows.epoch, rows.probability, name, style))
    chart.add_hline(FORGOTTEN_BELOW, line={"color": palette.colours()["muted"], "width": 1, "dash": "dot"})
    chart.update_xaxes(title="epoch (0 = before)", rangemode="nonnegative")
    chart.update_yaxes(title="probability per answer token", range=[0, 1.02])
    return palette.style(chart, height=360).update_layout(margin_t=60, showlegend=True)


def durability_figure(table: pd.DataFrame) -> go.Figure:
    """Forget probability by steps of relearning (left) and by bits of the weights (right), a line per run. `table`: as
    run_comparison.durability gives it; the retain-only model that relearns the same is a dotted line, the same in every run."""
    titles = ("After relearning up to 8 memories", "After rounding the weights")
    chart = make_subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.62, 0.38], horizontal_spacing=0.05, subplot_titles=titles)
    for name, style in zip(table.run.unique(), _styles(), strict=False):
        rows = table[table.run == name]
        relearnt, rounded = (rows[rows.kind == kind].sort_values("n") for kind in ("relearn", "int"))
        chart.add_trace(_line(relearnt.n, relearnt.probability, name, style), 1, 1)
        bits = ["as it is" if n == 32 else f"int{n}" for n in rounded.n[::-1]]
        chart.add_trace(_line(pd.Series(bits), rounded.probability[::-1], name, style).update(showlegend=False), 1, 2)
    control = table[table.kind == "control"].drop_duplicates("n").sort_values("n")
    if len(control):
        tint = {"color": palette.colours()["muted"], "dash": "dot", "width": 2}
        chart.add_trace(go.Scatter(x=control.n, y=control.probability, mode="lines", name="retain-only model", line=tint), 1, 1)
    chart.update_xaxes(title="steps of relearning (0 = none)", col=1)
    chart.update_yaxes(range=[0, 1.02])
    chart.update_yaxes(title="forget probability", col=1)
    chart.update_annotations(font_size=13)
    return palette.style(chart, height=380).update_layout(margin_b=80, legend={"y": -0.22, "yanchor": "top"})


def _styles():
    """Endless: colour, dash and marker of one run after another."""
    return zip(cycle(TINTS), cycle(d for d in DASHES for _ in TINTS), cycle(MARKERS), strict=False)


def _line(x: pd.Series, y: pd.Series, name: str, style: tuple[str, str, str]) -> go.Scatter:
    tint, dash, marker = style
    colour = palette.colours()[tint]
    return go.Scatter(
        x=x, y=y, name=palette.plain(name), mode="lines+markers", line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": marker, "size": 8}, hovertemplate=f"{palette.plain(name)}: %{{y:.2f}}<extra></extra>",
    )
