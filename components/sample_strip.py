"""Where one sample's scores lie among those of all samples, as two strips with the hard end on the right."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from components.palette import colours, style

STRIPS = {"cud": ("CUD", False), "mrd": ("MRD", True)}  # name, and whether low is hard


def figure(scores: pd.DataFrame, sample_id: str) -> go.Figure:
    """`scores`: scores.csv. A tick per sample, a diamond for the chosen one."""
    c = colours()
    chart = make_subplots(rows=len(STRIPS), cols=1, vertical_spacing=0.45)
    for row, (column, (name, low_is_hard)) in enumerate(STRIPS.items(), 1):
        values, mine = scores[column], scores.loc[scores["sample_id"] == sample_id, column]
        tick = {"symbol": "line-ns", "size": 14, "line": {"width": 1, "color": c["middle"]}}
        chart.add_scatter(x=values, y=[0] * len(values), mode="markers", marker=tick, hoverinfo="skip", row=row, col=1)
        diamond = {"symbol": "diamond", "size": 13, "color": c["late"], "line": {"width": 1.5, "color": c["background"]}}
        chart.add_scatter(x=mine, y=[0] * len(mine), mode="markers", marker=diamond, hovertemplate=f"{name} %{{x:.3g}}<extra></extra>",
                          row=row, col=1)
        chart.update_xaxes(title=f"{name}, hard on the right", title_standoff=2, nticks=5, row=row, col=1,
                           autorange="reversed" if low_is_hard else True)
    chart.update_yaxes(visible=False, fixedrange=True)
    return style(chart, height=176).update_layout(showlegend=False, margin={"l": 8, "r": 8, "t": 8, "b": 8})
