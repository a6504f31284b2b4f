"""What runs left of the samples that a score calls hardest, down to those that it calls easiest: prediction in plain units."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.predictors import predictors
from analysis.runs import bootstrap_mean
from components.palette import colours, plain, style

QUARTERS = ("hardest", "second", "third", "easiest")
LOOKS = (  # of CUD, MRD and the baseline: colour, line, symbol, shift to the right
    ("early", "solid", "circle", -0.09), ("late", "dash", "diamond", 0.0), ("middle", "dot", "square", 0.09),
)


def quarters(scores: pd.DataFrame, left: pd.Series, baseline: str | None) -> pd.DataFrame:
    """Per predictor (CUD, MRD and `baseline`, where that is a column of `predictors`) and quarter of its ranking: mean of `left`, an
    answer probability by sample id, with its 95 % bootstrap interval over samples, and n. Samples without an outcome have no part;
    nor has a predictor that does not vary."""
    values = predictors(scores[scores["sample_id"].isin(left.dropna().index)], {})
    rows = []
    for name in dict.fromkeys(("CUD", "MRD", baseline)):
        if name in values and values[name].nunique() > 1:
            place = np.ceil(4 * values[name].dropna().rank(ascending=False, method="first", pct=True)).astype(int)
            for quarter, ids in place.groupby(place).groups.items():
                rows.append((name, QUARTERS[quarter - 1], *bootstrap_mean(left[ids].to_numpy()), len(ids)))
    return pd.DataFrame(rows, columns=["predictor", "quarter", "mean", "low", "high", "n"])


def figure(table: pd.DataFrame, overall: float) -> go.Figure:
    """A line per predictor over its quarters; flat at `overall`, the mean of all samples, would be a score that tells nothing."""
    c, chart = colours(), go.Figure()
    chart.add_hline(y=overall, line={"color": c["text"], "width": 1}, annotation_text="all samples", annotation_position="top right")
    for (name, part), (colour, dash, symbol, shift) in zip(table.groupby("predictor", sort=False), LOOKS, strict=False):
        bars = {"array": part["high"] - part["mean"], "arrayminus": part["mean"] - part["low"], "thickness": 1.5, "width": 3}
        chart.add_scatter(
            x=part["quarter"].map(QUARTERS.index) + shift, y=part["mean"], name=plain(f"by {name}"), mode="lines+markers",
            line={"color": c[colour], "width": 2, "dash": dash}, marker={"size": 9, "symbol": symbol},
            error_y={"type": "data", "symmetric": False} | bars, customdata=part[["low", "high", "n"]],
            hovertemplate="%{y:.2f} (%{customdata[0]:.2f} to %{customdata[1]:.2f}), n=%{customdata[2]}",
        )
    n = " to ".join(str(n) for n in sorted({table["n"].min(), table["n"].max()}))
    chart.update_xaxes(title=f"quarter of the samples, as said beforehand (n={n} each)", tickvals=list(range(4)), ticktext=QUARTERS)
    chart.update_yaxes(title="answer probability left (95% interval)", rangemode="tozero")
    return style(chart, height=340)
