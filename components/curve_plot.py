"""Faithfulness and completeness over circuit size, as `analysis.curves.size_curve` gives them."""

import pandas as pd
import plotly.graph_objects as go

from components.palette import colours, style


def figure(table: pd.DataFrame, n_drawn: int, drawn: dict[str, float]) -> go.Figure:
    """Both measures over the number of edges kept (log scale), muted for random circuits, with the drawn circuit marked.

    `drawn` holds the drawn circuit's faithfulness and completeness. 0 and 1 are lines. Faithfulness is solid, completeness dashed.
    """
    c = colours()
    chart = go.Figure()
    for measure, dash, colour in (("faithfulness", "solid", c["text"]), ("completeness", "dash", c["retain"])):
        random = {"color": c["middle"], "width": 1.2, "dash": dash}
        chart.add_scatter(
            x=table["n_edges"], y=table[f"random_{measure}"], mode="lines", line=random, name="random", legendrank=2000,
            showlegend=measure == "faithfulness", hovertemplate=f"random, %{{x}} edges: {measure} %{{y:.2f}}<extra></extra>",
        )
        chart.add_scatter(
            x=table["n_edges"], y=table[measure], mode="lines", line={"color": colour, "width": 2, "dash": dash}, name=measure,
            hovertemplate=f"%{{x}} edges: {measure} %{{y:.2f}}<extra></extra>",
        )
        dot = {"size": 10, "color": colour, "line": {"color": c["background"], "width": 1.5}}
        chart.add_scatter(
            x=[n_drawn], y=[drawn[measure]], mode="markers", marker=dot, showlegend=False,
            hovertemplate=f"the {n_drawn} edges drawn: {measure} %{{y:.2f}}<extra></extra>",
        )
    for level in (0, 1):
        chart.add_hline(y=level, line={"color": c["muted"], "width": 1, "dash": "dot"})
    chart.add_vline(x=n_drawn, line={"color": c["muted"], "width": 1})
    chart.update_xaxes(title="edges kept or removed", type="log", tickvals=ticks(int(table["n_edges"].max())))
    return style(chart, height=250).update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 8})


def ticks(largest: int) -> list[int]:
    """1, 2 and 5 of every power of ten up to `largest`."""
    return [step * 10**power for power in range(len(str(largest))) for step in (1, 2, 5) if step * 10**power <= largest]
