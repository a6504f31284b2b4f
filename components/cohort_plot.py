"""Charts that set the easy cohort against the hard one and against chance. No widgets: tables in, plotly figures out."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from components import palette

SYMBOLS, DASHES = ("circle", "diamond"), ("solid", "dash")  # of the first and the second cohort: never colour alone
COLOURS = {"easy": "easy", "middle": "middle", "hard": "hard", "others": "retain", "random": "random",  # keys of the palette
           "pinned_easy": "easy", "pinned_hard": "hard"}
NAMES = {"easy": "Easy", "middle": "Middle", "hard": "Hard", "others": "All others", "random": "Random",
         "pinned_easy": "Pinned easy", "pinned_hard": "Pinned hard"}
Names = tuple[str, str]


def layer_profile(means: pd.DataFrame, names: Names, boundary: int) -> go.Figure:
    """`cohort_means` of `layer_shares`: mean share of |score| per destination layer (the last one being `logits`).

    Below it the same less the mean of random cohorts, in percentage points: large layers would hide what differs.
    """
    c = palette.colours()
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.45, 0.55])
    chance = means[means["cohort"] == "chance"].set_index("value")
    high, low = (100 * (chance[side] - chance["mean"]) for side in ("high", "low"))
    figure.add_scatter(
        x=[*chance.index, *chance.index[::-1]], y=[*high, *low[::-1]], fill="toself", mode="lines", row=2, col=1,
        line={"width": 0}, fillcolor=c["random"], opacity=0.25, hoverinfo="skip", name=_chance(chance),
    )
    for name, dash, symbol in zip(names, DASHES, SYMBOLS, strict=True):
        rows = means[means["cohort"] == name].set_index("value")
        drawn = {"mode": "lines+markers", "line": {"color": c[COLOURS[name]], "dash": dash}, "legendgroup": name}
        drawn |= {"marker": {"symbol": symbol, "size": 8}, "name": f"{NAMES[name].lower()} (n = {_n(rows)})"}
        share, gap = "layer %{x}: %{y:.1%}", "layer %{x}: %{y:+.1f} points"
        end = f"<extra>{NAMES[name].lower()}</extra>"
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


def edge_mix(means: pd.DataFrame, names: Names) -> go.Figure:
    """`cohort_means` of `kind_shares`: mean share of |score| per kind of edge, with chance as a grey bar behind."""
    c, figure = palette.colours(), go.Figure()
    order = means[means["cohort"] == "chance"].sort_values("mean")["value"].tolist()
    for name, symbol, lift in zip(names, SYMBOLS, (0.16, -0.16), strict=True):
        rows = means[means["cohort"] == name].set_index("value").loc[order]
        figure.add_scatter(
            x=rows["mean"], y=[place + lift for place in range(len(order))], mode="markers",
            name=f"{NAMES[name].lower()} (n = {_n(rows)})",
            marker={"color": c[COLOURS[name]], "symbol": symbol, "size": 9}, error_x=_error(rows), text=order,
            hovertemplate="%{text}: %{x:.1%}<extra>" + NAMES[name].lower() + "</extra>",
        )
    chance = means[means["cohort"] == "chance"].set_index("value").loc[order]
    figure.add_bar(
        x=chance["high"] - chance["low"], base=chance["low"], y=list(range(len(order))), orientation="h", width=0.7,
        opacity=0.25, marker={"color": c["random"]}, name=_chance(chance), hoverinfo="skip",
    )
    figure.update_xaxes(title="mean share of |score|", tickformat=".0%", rangemode="tozero")
    kinds = [kind.replace("->", " to ").replace("mlp", "MLP") for kind in order]
    figure.update_yaxes(title={"text": "kind of edge", "standoff": 8}, tickvals=list(range(len(order))), ticktext=kinds)
    return palette.style(figure, height=400)


def effects(table: pd.DataFrame, readouts: dict[str, str], names: Names) -> go.Figure:
    """`compare`: Cliff's delta of the second cohort against the first per read-out, over the range that random cohorts reach."""
    c, figure, rows = palette.colours(), go.Figure(), table[::-1]
    labels, (first, second) = [readouts[value] for value in rows.index], (NAMES[name].lower() for name in names)
    figure.add_bar(
        x=2 * rows["chance_delta"], base=-rows["chance_delta"], y=labels, orientation="h", width=0.6, opacity=0.25,
        marker={"color": c["random"]}, name="random pairs of cohorts, 95%", hoverinfo="skip",
    )
    figure.add_scatter(
        x=rows["cliffs_delta"], y=labels, mode="markers", marker={"color": c[COLOURS[names[1]]], "symbol": SYMBOLS[1], "size": 11},
        name=f"{second} against {first}", hovertemplate="%{y}: %{x:+.2f}<extra></extra>",
    )
    figure.add_vline(x=0, line={"color": c["muted"], "width": 1})
    figure.update_xaxes(title=f"Cliff's delta (right: larger in {second} samples)", range=[-1.05, 1.05])
    return palette.style(figure, height=280)


def changes(table: pd.DataFrame, readouts: dict[str, str]) -> go.Figure:
    """`circuits_after.summary`: mean change of each read-out with its interval, a panel per read-out as their units differ."""
    c, values = palette.colours(), list(dict.fromkeys(table["value"]))
    figure = make_subplots(rows=1, cols=len(values), subplot_titles=[readouts[value] for value in values], horizontal_spacing=0.03)
    for name, colour, symbol in (("easy", "easy", "circle"), ("hard", "hard", "diamond"), ("all", "muted", "square")):
        for place, value in enumerate(values, 1):
            row = table[(table["cohort"] == name) & (table["value"] == value)]
            figure.add_scatter(
                x=row["mean"], y=[name], error_x=_error(row), mode="markers", name=name, showlegend=False, row=1, col=place,
                marker={"color": c[colour], "symbol": symbol, "size": 10}, hovertemplate="%{x:+.2f}<extra>" + name + "</extra>",
            )
    figure.add_vline(x=0, line={"color": c["muted"], "width": 1})
    figure.update_yaxes(showticklabels=False)
    figure.update_yaxes(showticklabels=True, col=1)
    figure.update_xaxes(title="change", nticks=4)
    figure.update_annotations(font_size=13)
    return palette.style(figure, height=190)


def _error(rows: pd.DataFrame) -> dict:
    above, below = rows["high"] - rows["mean"], rows["mean"] - rows["low"]
    return {"type": "data", "array": above, "arrayminus": below, "thickness": 1.2, "width": 3}


def _chance(rows: pd.DataFrame) -> str:
    return f"random cohorts (n = {_n(rows)}), 95%"


def _n(rows: pd.DataFrame) -> int:
    return int(rows["n"].max()) if len(rows) else 0
