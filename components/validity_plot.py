"""Forest plot of how well predictors, or CUD under other settings, foretell the outcome."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components.palette import colours, style

MEASURES = (  # name, columns of validity.csv, symbol, shift upwards
    ("all samples", ("spearman", "low", "high"), "circle", 0.17),
    ("within question template", ("within_template", "within_low", "within_high"), "diamond-open", -0.17),
)
HOVER = "%{text}: %{x:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f}), n=%{customdata[2]}"


def forest_figure(rows: pd.DataFrame, muted: pd.Series, *, row_height: int = 34) -> go.Figure:
    """One line per row of validity.csv named by its column `label`, the first on top; `muted` rows (baselines) in grey."""
    c, figure = colours(), go.Figure()
    tint = np.where(muted, c["middle"], c["early"])
    height = np.arange(len(rows))[::-1]
    for name, columns, symbol, shift in MEASURES:
        value, low, high = (rows[column].to_numpy(dtype=float) for column in columns)
        figure.add_scatter(  # one line for all intervals: error bars cannot differ in colour
            x=np.column_stack([low, high, np.full(len(rows), np.nan)]).ravel(), y=np.repeat(height + shift, 3), mode="lines",
            line={"color": c["muted"], "width": 1.5}, hoverinfo="skip", showlegend=False,
        )
        figure.add_scatter(
            x=value, y=height + shift, mode="markers", name=name, customdata=np.column_stack([low, high, rows["n"]]),
            marker={"size": 10, "color": tint, "symbol": symbol, "line": {"width": 2, "color": tint}}, text=rows["label"],
            hovertemplate=f"{HOVER}<extra>{name}</extra>",
        )
    figure.add_vline(x=0, line={"color": c["text"], "width": 1})
    figure.update_yaxes(tickvals=height.tolist(), ticktext=rows["label"].tolist(), range=[-0.6, len(rows) - 0.4], zeroline=False)
    edge = np.nanmax(np.abs(rows[["low", "high", "within_low", "within_high"]].to_numpy(dtype=float)), initial=0.5)
    n = " to ".join(str(v) for v in sorted({int(rows["n"].min()), int(rows["n"].max())}))
    figure.update_xaxes(
        title=f"Spearman with observed difficulty (95% interval, n={n}); right = predicts as claimed",
        range=[-min(1, edge + 0.05), min(1, edge + 0.05)],
    )
    return style(figure, height=110 + row_height * len(rows))
