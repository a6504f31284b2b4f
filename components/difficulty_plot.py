"""Charts of the Difficulty page."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from components import state
from components.palette import colours, plain, style

SYMBOLS = {"hard": "diamond", "middle": "circle", "easy": "square", "unscored": "x"}


def scatter_figure(table: pd.DataFrame, selected: str | None) -> go.Figure:
    """CUD rank against MRD rank, 1 = hardest, one point per sample; cohorts by colour and symbol."""
    c, figure = colours(), go.Figure()
    for cohort, symbol in SYMBOLS.items():
        part = table[table["cohort"] == cohort]
        if len(part):
            figure.add_scatter(
                x=part["rank_cud"], y=part["rank_mrd"], mode="markers", name=f"{cohort} (n={len(part)})",
                customdata=part["sample_id"], text=part["question"].map(plain),
                marker={"symbol": symbol, "size": 8, "color": c.get(cohort, c["middle"]), "opacity": 0.85},
                hovertemplate="%{text}<br>CUD rank %{x:.1f}, MRD rank %{y:.0f}<extra></extra>",
            )
    chosen = table[table["sample_id"] == selected]
    ring = {"symbol": "circle-open", "size": 18, "color": c["text"], "line": {"width": 2}}
    figure.add_scatter(x=chosen["rank_cud"], y=chosen["rank_mrd"], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    figure.update_xaxes(title="CUD rank (1 = hardest)", autorange="reversed")
    figure.update_yaxes(title="MRD rank (1 = hardest)", autorange="reversed")
    return style(figure, height=360)


def histogram_figure(table: pd.DataFrame, column: str, title: str) -> go.Figure:
    """How a score is spread, each cohort stacked in its colour; cohort cut-offs as lines between the colours."""
    c, figure = colours(), go.Figure()
    low, high = table[column].min(), table[column].max()
    bins = {"start": low, "end": high + 1e-9, "size": (high - low) / 24 or 1}
    for cohort in ("hard", "middle", "easy"):
        part = table[table["cohort"] == cohort]
        figure.add_histogram(x=part[column], xbins=bins, name=f"{cohort} (n={len(part)})", marker_color=c[cohort])
    for cut in cut_offs(table, column):
        figure.add_vline(x=cut, line={"color": c["text"], "width": 1, "dash": "dot"})
    figure.update_layout(barmode="stack", bargap=0.05)
    figure.update_xaxes(title=title)
    figure.update_yaxes(title="samples")
    return style(figure, height=260)


def cut_offs(table: pd.DataFrame, column: str) -> list[float]:
    """Values half-way between the outermost middle sample and the next cohort; empty if the cohorts overlap in this column."""
    groups = {name: part[column] for name, part in table.groupby("cohort") if name != "unscored"}
    ordered = sorted(groups.values(), key=lambda values: values.median())
    pairs = zip(ordered, ordered[1:], strict=False)
    return [(a.max() + b.min()) / 2 for a, b in pairs if a.max() <= b.min()]


def selectable(figure: go.Figure, *, key: str) -> None:
    """A chart whose points carry sample ids in `customdata`; clicking one selects the sample on every page."""

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            chosen = points[0]["customdata"]
            state.select_sample(chosen[0] if isinstance(chosen, list) else chosen)

    st.plotly_chart(figure, theme=None, key=key, on_select=choose, selection_mode="points")
