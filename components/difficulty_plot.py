"""Charts of the Difficulty page."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from analysis.cohorts import VALUES, CohortRule
from components import state
from components.palette import colours, plain, style

SYMBOLS = {"hard": "diamond", "middle": "circle", "easy": "square", "unscored": "x"}
PATTERNS = {"hard": "x", "middle": "", "easy": "/"}  # never colour alone
CORNERS = {  # of the scatter: what it means to stand there, by place in paper coordinates
    "both: hard": (1, 1), "both: easy": (0, 0), "only CUD: hard": (1, 0), "only MRD: hard": (0, 1),
}


def scatter_figure(table: pd.DataFrame, selected: str | None) -> go.Figure:
    """CUD rank against MRD rank, 1 = hardest, one point per sample; cohorts by colour and symbol, the selected sample ringed."""
    c, figure, n = colours(), go.Figure(), len(table)
    figure.add_shape(type="line", x0=1, y0=1, x1=n, y1=n, line={"color": c["muted"], "width": 1, "dash": "dot"}, layer="below")
    for cohort, symbol in SYMBOLS.items():
        part = table[table["cohort"] == cohort]
        if len(part):
            figure.add_scatter(
                x=part["rank_cud"], y=part["rank_mrd"], mode="markers", name=f"{cohort} (n={len(part)})",
                customdata=part["sample_id"], text=part["question"].map(plain),
                marker={"symbol": symbol, "size": 8, "color": c.get(cohort, c["middle"]), "opacity": 0.85},
                hovertemplate="%{text}<br>CUD rank %{x:.0f}, MRD rank %{y:.0f}<br>Click to select<extra></extra>",
                unselected={"marker": {"opacity": 0.85}},
            )
    chosen = table[table["sample_id"] == selected]
    ring = {"symbol": "circle-open", "size": 18, "color": c["text"], "line": {"width": 2.5}}
    figure.add_scatter(x=chosen["rank_cud"], y=chosen["rank_mrd"], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    for text, (x, y) in CORNERS.items():
        figure.add_annotation(text=text, x=x, y=y, xref="paper", yref="paper", xanchor="right" if x else "left",
                              yanchor="top" if y else "bottom", showarrow=False, font_color=c["muted"])
    axis = {"range": [1.09 * n, 1 - 0.09 * n],  # room for the corners' words
            "tickvals": [1, *(n * part // 4 for part in range(1, 5))], "zeroline": False}
    figure.update_xaxes(title="CUD rank (1 = hardest)", **axis)
    figure.update_yaxes(title="MRD rank (1 = hardest)", **axis)
    return style(figure, height=390)


def histogram_figure(table: pd.DataFrame, rule: CohortRule, column: str, title: str, selected: str | None) -> go.Figure:
    """How a score is spread, each cohort stacked in its colour; the cohorts' cut-offs, and the selected sample, as lines.

    CUD has a panel for each half of the set, whose anchors, and so cut-offs, differ.
    """
    parts = panels(table, column)
    figure = make_subplots(rows=len(parts), cols=1, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.09)
    low, high = table[column].min(), table[column].max()
    bins = {"start": low, "end": high + 1e-9, "size": (high - low) / 24 or 1}
    counts = table["cohort"].value_counts()
    for row, (name, part) in enumerate(parts.items(), 1):
        _bars(figure, part, column, bins, counts, row)
        _lines(figure, "cut-off", cut_offs(part, rule, column), {"width": 1.5, "dash": "dot"}, row)
        _lines(figure, "selected", part.loc[part["sample_id"] == selected, column].tolist(), {"width": 3}, row)
        figure.add_annotation(text=f"{name}n={part[column].count()}", x=1, y=1, xref="x domain", yref="y domain", xanchor="right",
                              yanchor="top", showarrow=False, row=row, col=1)
    figure.update_layout(barmode="stack", bargap=0.05)
    figure.update_xaxes(range=[low - bins["size"] / 2, high + 1.5 * bins["size"]])
    figure.update_xaxes(title=title, row=len(parts))
    # plotly's own range of panels that share it takes no account of stacking: bars were cut off
    tallest = max(np.histogram(part[column].dropna(), 24, (low, high))[0].max() for part in parts.values())
    figure.update_yaxes(title="samples", range=[0, 1.08 * tallest])
    return style(figure, height=300).update_layout(margin_t=56, legend_traceorder="normal")


def panels(table: pd.DataFrame, column: str) -> dict[str, pd.DataFrame]:
    """The samples that a score compares: for CUD those of either half, for another score all; by what to call them."""
    if column != "cud":
        return {"": table}
    return {f"half {'AB'[int(fold)]}, ": part for fold, part in table.groupby("fold")}


def _bars(figure: go.Figure, part: pd.DataFrame, column: str, bins: dict, counts: pd.Series, row: int) -> None:
    c = colours()
    for cohort, shape in PATTERNS.items():
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": c["background"], "size": 6, "solidity": 0.25}
        figure.add_histogram(
            x=part.loc[part["cohort"] == cohort, column], xbins=bins, name=f"{cohort} (n={counts.get(cohort, 0)})",
            marker={"color": c[cohort], "pattern": pattern}, legendgroup=cohort, showlegend=row == 1,
            hovertemplate=f"%{{x}}: %{{y}} {cohort}<extra></extra>", row=row, col=1,
        )


def _lines(figure: go.Figure, name: str, values: list[float], line: dict, row: int) -> None:
    """Lines across a panel, and their one entry in the legend."""
    drawn = {"color": colours()["text"]} | line
    for value in values:
        figure.add_vline(x=value, line=drawn, row=row, col=1)
    if values and not any(trace.name == name for trace in figure.data):
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=drawn, legendrank=2000)


def cut_offs(part: pd.DataFrame, rule: CohortRule, column: str) -> list[float]:
    """Values of the ruling score that part the cohorts of a panel; none for another score.

    The limits, where the rule has them; else half-way between the outermost sample of a cohort and that of the next. Samples pinned
    by hand have no part in it.
    """
    if VALUES[rule.by][0] != column:
        return []
    if rule.limits is not None:
        return sorted(rule.limits)
    free = part[~part["sample_id"].isin(rule.easy + rule.hard) & (part["cohort"] != "unscored")]
    groups = sorted((values for _, values in free.groupby("cohort")[column]), key=lambda values: values.median())
    return [float(a.max() + b.min()) / 2 for a, b in zip(groups, groups[1:], strict=False) if a.max() <= b.min()]


def cut_off_words(table: pd.DataFrame, rule: CohortRule) -> str:
    """What the dotted lines are."""
    if rule.by == "Outcome":
        return "The cohorts are by outcome, so they have no cut-off in either score."
    column = VALUES[rule.by][0]
    parts = {"": table} if rule.limits is not None else panels(table, column)
    cuts = {name: cut_offs(part, rule, column) for name, part in parts.items()}
    listed = "; ".join(name + " and ".join(f"{cut:.3g}" for cut in found) for name, found in cuts.items() if found)
    return f"Dotted: the cohorts' cut-offs in {rule.by} ({listed})." if listed else f"No {rule.by} parts the cohorts."


def selectable(figure: go.Figure, *, key: str) -> None:
    """A chart whose points carry sample ids in `customdata`; clicking one selects the sample on every page."""

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            chosen = points[0]["customdata"]
            state.select_sample(chosen[0] if isinstance(chosen, list) else chosen)

    st.plotly_chart(figure, theme=None, key=key, on_select=choose, selection_mode="points", config={"displayModeBar": False})
