"""The answer's log-probability by layer, as `analysis.logit_lens.answer_by_layer` gives it."""

import pandas as pd
import plotly.graph_objects as go

from components.palette import colours, style


def figure(table: pd.DataFrame, boundary: int) -> go.Figure:
    """Mean log-probability per answer token over layers; gray, other answers: mean, and band from least to most likely.

    The boundary parts early from late layers. What stands far below the layers (mostly the embedding) leaves the picture; its
    value is written at the edge.
    """
    c = colours()
    chart = go.Figure()
    names = ["embed" if layer < 0 else str(layer) for layer in table["layer"]]
    if table["control"].notna().all():
        band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False, "x": table["layer"]}
        chart.add_scatter(y=table["control_high"], **band)
        chart.add_scatter(y=table["control_low"], fill="tonexty", fillcolor=_faint(c["middle"]), **band)
        chart.add_scatter(
            x=table["layer"], y=table["control"], mode="lines", line={"color": c["middle"], "width": 1.5, "dash": "dash"},
            name="other answers: mean, range", customdata=names, hovertemplate="other answers, %{customdata}: %{y:.2f}<extra></extra>",
        )
    chart.add_scatter(
        x=table["layer"], y=table["log_prob"], mode="lines+markers", line={"color": c["text"], "width": 2}, marker={"size": 6},
        name="the answer", customdata=names, hovertemplate="the answer, %{customdata}: %{y:.2f}<extra></extra>",
    )
    low = bottom(table)
    for row in table[table["log_prob"] < low].itertuples():
        chart.add_annotation(x=row.layer, y=low, text=f"↓ {row.log_prob:.1f}", showarrow=False, yanchor="bottom")
    chart.add_vline(x=boundary - 0.5, line={"color": c["text"], "width": 1.5})
    for side, place, anchor in (("early", -4, "right"), ("late", 4, "left")):
        chart.add_annotation(
            x=boundary - 0.5, y=1, yref="paper", xshift=place, xanchor=anchor, yanchor="top", text=side, showarrow=False,
            font={"color": c[side]},
        )
    every = -(-len(table) // 14)
    chart.update_xaxes(title="after layer", tickvals=table["layer"][::every], ticktext=names[::every])
    chart.update_yaxes(title="log-probability, nats/token", range=[low, -0.08 * low])
    return style(chart, height=250).update_layout(margin={"l": 8, "r": 8, "t": 30, "b": 8})


def bottom(table: pd.DataFrame) -> float:
    """Lower end of the axis: below all layers of the answer, and the control's mean, but not the embedding."""
    layers = table[table["layer"] >= 0]
    return min(1.15 * float(layers[["log_prob", "control"]].min().min()), -0.1)


def _faint(colour: str) -> str:
    return f"rgba({', '.join(str(int(colour[at : at + 2], 16)) for at in (1, 3, 5))}, 0.22)"
