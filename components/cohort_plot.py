"""Charts that set the easy cohort against the hard one and against chance. No widgets: tables in, plotly figures out."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from components import palette

SYMBOLS = {"easy": "circle", "hard": "diamond"}  # never colour alone
DASHES = {"easy": "solid", "hard": "dash"}


def layer_profile(means: pd.DataFrame, boundary: int) -> go.Figure:
    """`cohort_means` of `layer_shares`: mean share of |score| per destination layer (the last one being `logits`).

    Below it the same less the mean of random cohorts, in percentage points: large layers would hide what differs.
    """
    c = palette.colours()
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.45, 0.55])
    chance = means[means["cohort"] == "random"].set_index("value")
    high, low = (100 * (chance[side] - chance["mean"]) for side in ("high", "low"))
    figure.add_scatter(
        x=[*chance.index, *chance.index[::-1]], y=[*high, *low[::-1]], fill="toself", mode="lines", row=2, col=1,
        line={"width": 0}, fillcolor=c["random"], opacity=0.25, hoverinfo="skip", name=_chance(chance),
    )
    for name in ("easy", "hard"):
        rows = means[means["cohort"] == name].set_index("value")
        drawn = {"mode": "lines+markers", "line": {"color": c[name], "dash": DASHES[name]}, "legendgroup": name}
        drawn |= {"marker": {"symbol": SYMBOLS[name], "size": 8}, "name": f"{name} (n = {_n(rows)})"}
        share, gap = "layer %{x}: %{y:.1%}", "layer %{x}: %{y:+.1f} points"
        end = f"<extra>{name}</extra>"
        figure.add_scatter(x=rows.index, y=rows["mean"], hovertemplate=share + end, **drawn, row=1, col=1)
        difference = 100 * (rows["mean"] - chance["mean"])
        figure.add_scatter(
            x=rows.index, y=difference, error_y=_error(100 * rows[["mean", "low", "high"]]), hovertemplate=gap + end,
            showlegend=False, **drawn, row=2, col=1,
        )
    figure.add_vline(x=boundary - 0.5, line={"color": c["text"], "width": 1.5})
    layers = list(chance.index)
    figure.update_xaxes(title="layer an edge ends in", row=2, tickvals=layers, ticktext=[*map(str, layers[:-1]), "logits"])
    figure.update_yaxes(title={"text": "share of |score|", "standoff": 8}, tickformat=".0%", rangemode="tozero", row=1)
    figure.update_yaxes(title={"text": "points above random", "standoff": 8}, row=2)
    return palette.style(figure, height=400)


def edge_mix(means: pd.DataFrame) -> go.Figure:
    """`cohort_means` of `kind_shares`: mean share of |score| per kind of edge, with chance as a grey bar behind."""
    c, figure = palette.colours(), go.Figure()
    order = means[means["cohort"] == "random"].sort_values("mean")["value"].tolist()
    for name, lift in (("easy", 0.16), ("hard", -0.16)):
        rows = means[means["cohort"] == name].set_index("value").loc[order]
        figure.add_scatter(
            x=rows["mean"], y=[place + lift for place in range(len(order))], mode="markers", name=f"{name} (n = {_n(rows)})",
            marker={"color": c[name], "symbol": SYMBOLS[name], "size": 9}, error_x=_error(rows), text=order,
            hovertemplate="%{text}: %{x:.1%}<extra>" + name + "</extra>",
        )
    chance = means[means["cohort"] == "random"].set_index("value").loc[order]
    figure.add_bar(
        x=chance["high"] - chance["low"], base=chance["low"], y=list(range(len(order))), orientation="h", width=0.7,
        opacity=0.25, marker={"color": c["random"]}, name=_chance(chance), hoverinfo="skip",
    )
    figure.update_xaxes(title="mean share of |score|", tickformat=".0%", rangemode="tozero")
    names = [name.replace("->", " to ") for name in order]
    figure.update_yaxes(title={"text": "kind of edge", "standoff": 8}, tickvals=list(range(len(order))), ticktext=names)
    return palette.style(figure, height=400)


def effects(table: pd.DataFrame, names: dict[str, str]) -> go.Figure:
    """`compare`: Cliff's delta of hard against easy per read-out, over the range that random cohorts reach."""
    c, figure, rows = palette.colours(), go.Figure(), table[::-1]
    labels = [names[value] for value in rows.index]
    figure.add_bar(
        x=2 * rows["chance_delta"], base=-rows["chance_delta"], y=labels, orientation="h", width=0.6, opacity=0.25,
        marker={"color": c["random"]}, name="random pairs of cohorts, 95%", hoverinfo="skip",
    )
    figure.add_scatter(
        x=rows["cliffs_delta"], y=labels, mode="markers", marker={"color": c["hard"], "symbol": "diamond", "size": 11},
        name="hard against easy", hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": c["muted"], "width": 1})
    figure.update_xaxes(title="Cliff's delta (right: larger for hard samples)", range=[-1.05, 1.05])
    return palette.style(figure, height=280)


def _error(rows: pd.DataFrame) -> dict:
    above, below = rows["high"] - rows["mean"], rows["mean"] - rows["low"]
    return {"type": "data", "array": above, "arrayminus": below, "thickness": 1.2, "width": 3}


def _chance(rows: pd.DataFrame) -> str:
    return f"random cohorts (n = {_n(rows)}), 95%"


def _n(rows: pd.DataFrame) -> int:
    return int(rows["n"].max()) if len(rows) else 0
