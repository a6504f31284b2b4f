"""Charts of the Difficulty page."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.cohorts import VALUES, CohortRule
from components import state
from components.palette import colours, plain, style

SYMBOLS = {"hard": "diamond", "middle": "circle", "easy": "square", "unscored": "x"}
PATTERNS = {"hard": "x", "middle": "", "easy": "/"}  # never colour alone


def scatter_figure(table: pd.DataFrame, selected: str | None) -> go.Figure:
    """CUD rank against MRD rank, 1 = hardest, one point per sample; cohorts by colour and symbol, the selected sample ringed."""
    c, figure = colours(), go.Figure()
    for cohort, symbol in SYMBOLS.items():
        part = table[table["cohort"] == cohort]
        if len(part):
            figure.add_scatter(
                x=part["rank_cud"], y=part["rank_mrd"], mode="markers", name=f"{cohort} (n={len(part)})",
                customdata=part["sample_id"], text=part["question"].map(plain),
                marker={"symbol": symbol, "size": 8, "color": c.get(cohort, c["middle"]), "opacity": 0.85},
                hovertemplate="%{text}<br>CUD rank %{x:.1f}, MRD rank %{y:.0f}<br>Click to select<extra></extra>",
                unselected={"marker": {"opacity": 0.85}},
            )
    chosen = table[table["sample_id"] == selected]
    if len(chosen):
        ring = {"symbol": "circle-open", "size": 18, "color": c["text"], "line": {"width": 2.5}}
        figure.add_scatter(x=chosen["rank_cud"], y=chosen["rank_mrd"], mode="markers", marker=ring, hoverinfo="skip", name="selected")
    figure.update_xaxes(title="CUD rank (1 = hardest)", autorange="reversed", zeroline=False)
    figure.update_yaxes(title="MRD rank (1 = hardest)", autorange="reversed", zeroline=False)
    return style(figure, height=390)


def histogram_figure(table: pd.DataFrame, rule: CohortRule, column: str, title: str, selected: str | None) -> go.Figure:
    """How a score is spread, each cohort stacked in its colour; the cohorts' cut-offs, and the selected sample, as lines."""
    c, figure = colours(), go.Figure()
    low, high = table[column].min(), table[column].max()
    bins = {"start": low, "end": high + 1e-9, "size": (high - low) / 24 or 1}
    for cohort, shape in PATTERNS.items():
        part = table[table["cohort"] == cohort]
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": c["background"], "size": 6, "solidity": 0.25}
        figure.add_histogram(
            x=part[column], xbins=bins, name=f"{cohort} (n={len(part)})", marker={"color": c[cohort], "pattern": pattern},
            hovertemplate=f"%{{x}}: %{{y}} {cohort}<extra></extra>",
        )
    chosen = table.loc[table["sample_id"] == selected, column].tolist()
    _lines(figure, "cut-off", cut_offs(table, rule, column), {"width": 1.5, "dash": "dot"})
    _lines(figure, "selected", chosen, {"width": 3})
    figure.update_layout(barmode="stack", bargap=0.05)
    figure.update_xaxes(title=title, range=[low - bins["size"] / 2, high + 1.5 * bins["size"]])
    figure.update_yaxes(title=f"samples (n={table[column].count()})")
    return style(figure, height=280).update_layout(margin_t=56, legend_traceorder="normal")


def _lines(figure: go.Figure, name: str, values: list[float], line: dict) -> None:
    """Lines across the plot, and their one entry in the legend."""
    drawn = {"color": colours()["text"]} | line
    for value in values:
        figure.add_vline(x=value, line=drawn)
    if values:
        figure.add_scatter(x=[None], y=[None], mode="lines", name=name, line=drawn, legendrank=2000)


def cut_offs(table: pd.DataFrame, rule: CohortRule, column: str) -> list[float]:
    """Values of the ruling score that part its cohorts; none for another score.

    The limits, where the rule has them; else half-way between the outermost sample of a cohort and that of the next. CUD is ranked
    within each half of the set (`fold`), so each half has its own. Samples pinned by hand have no part in it.
    """
    if VALUES[rule.by][0] != column:
        return []
    if rule.limits is not None:
        return sorted(rule.limits)
    free = table[~table["sample_id"].isin(rule.easy + rule.hard) & (table["cohort"] != "unscored")]
    parts = [part for _, part in free.groupby("fold")] if column == "cud" else [free]
    cuts = []
    for part in parts:
        groups = sorted((values for _, values in part.groupby("cohort")[column]), key=lambda values: values.median())
        cuts += [float(a.max() + b.min()) / 2 for a, b in zip(groups, groups[1:], strict=False) if a.max() <= b.min()]
    return sorted(cuts)


def cut_off_words(table: pd.DataFrame, rule: CohortRule) -> str:
    """What the dotted lines are."""
    if rule.by == "Outcome":
        return "The cohorts are by outcome, so they have no cut-off in either score."
    if not (cuts := cut_offs(table, rule, VALUES[rule.by][0])):
        return f"No {rule.by} parts the cohorts."
    halves = ", one for each half of the set, whose anchors differ" if rule.by == "CUD" and rule.limits is None else ""
    listed = ", ".join(f"{cut:.3g}" for cut in cuts)
    return f"Dotted: the cohorts' cut-offs in {rule.by} ({listed}){halves}. Both scores are without unit."


def selectable(figure: go.Figure, *, key: str) -> None:
    """A chart whose points carry sample ids in `customdata`; clicking one selects the sample on every page."""

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            chosen = points[0]["customdata"]
            state.select_sample(chosen[0] if isinstance(chosen, list) else chosen)

    st.plotly_chart(figure, theme=None, key=key, on_select=choose, selection_mode="points", config={"displayModeBar": False})
