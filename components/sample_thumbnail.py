"""Small pictures for the sample card: its circuit by layer, and what each run left of it. No widgets: records in, figures out."""

import pandas as pd
import plotly.graph_objects as go

from analysis.circuit import Circuit, strongest
from analysis.observed import CONTROL
from analysis.runs import FORGOTTEN_BELOW
from components import circuit_layout
from components.palette import colours, plain, style

N_EDGES = 60
BULGE = 0.35  # lanes; edges that run along a lane would lie on each other
HEIGHT = 176


def circuit(whole: Circuit, boundary: int) -> go.Figure:
    """The strongest edges by layer and lane, early ones solid and late ones dashed, the stronger half of each side bold."""
    c, edges = colours(), circuit_layout.edges(strongest(whole, N_EDGES), boundary)
    lanes = circuit_layout.lanes(whole.index, edges)
    places = circuit_layout.nodes(whole.index, edges, lanes).set_index("node")
    chart = go.Figure()
    bold = edges["width"] >= edges["width"].median()
    for side, dash in (("early", "solid"), ("late", "4px,3px")):
        for heavy, width in ((False, 0.8), (True, 1.8)):
            x, y = _lines(edges[(edges["side"] == side) & (bold == heavy)], places)
            chart.add_scatter(x=x, y=y, mode="lines", hoverinfo="skip", opacity=0.8,
                              line={"color": c[side], "dash": dash, "width": width, "shape": "spline"})
    symbols = places["kind"].map({"MLP": "square", "head": "circle"}).fillna("diamond")
    marker = {"symbol": symbols, "size": 6, "color": c["background"], "line": {"width": 1.4, "color": c["text"]}}
    chart.add_scatter(x=places["x"], y=places["y"], mode="markers", text=places.index, marker=marker,
                      hovertemplate="%{text}<extra></extra>")
    chart.add_vline(x=boundary - 0.5, line={"color": c["text"], "width": 1.5})
    n_layers = whole.index.n_layers
    layers = list(range(0, n_layers, 1 + n_layers // 9))
    chart.update_xaxes(range=[-1.6, n_layers + 0.6], fixedrange=True, title="layer", title_standoff=2,
                       tickvals=[-1, *layers, n_layers], ticktext=["input", *map(str, layers), "logits"])
    chart.update_yaxes(visible=False, fixedrange=True, range=[len(lanes) - 0.5, -0.7])
    return _small(chart)


def outcomes(runs: pd.DataFrame) -> go.Figure:
    """A mark per run, a row per method, the control last: filled = it stays, open = forgotten. `runs`: SampleRecord.runs."""
    c, chart = colours(), go.Figure()
    order = sorted(runs["method"].unique(), key=lambda method: (method == CONTROL, method))
    for stays, name, fill in ((True, "stays", c["hard"]), (False, "forgotten", c["background"])):
        part = runs[(runs["after"] >= FORGOTTEN_BELOW) == stays]
        chart.add_scatter(
            x=part["after"], y=part["method"].map(plain), text=part["run"].map(plain), mode="markers", name=name,
            marker={"size": 9, "color": fill, "line": {"width": 1.6, "color": c["hard" if stays else "easy"]}},
            hovertemplate="%{text}: %{x:.2f}<extra></extra>",
        )
    chart.add_vline(x=FORGOTTEN_BELOW, line={"color": c["muted"], "width": 1, "dash": "dot"})
    chart.update_xaxes(title="its probability after each run; filled: it stays", title_standoff=2, range=[-0.03, 1.03], fixedrange=True,
                       tickvals=[0, FORGOTTEN_BELOW, 1])
    chart.update_yaxes(categoryorder="array", categoryarray=[plain(method) for method in order[::-1]], fixedrange=True)
    return _small(chart)


def _lines(edges: pd.DataFrame, places: pd.DataFrame) -> tuple[list[float | None], list[float | None]]:
    """Start, middle and end of each edge, parted by None."""
    x: list[float | None] = []
    y: list[float | None] = []
    for edge in edges.itertuples():
        start, end = places.loc[edge.source], places.loc[edge.target]
        lift = BULGE if start["y"] == end["y"] else 0.0
        x += [start["x"], (start["x"] + end["x"]) / 2, end["x"], None]
        y += [start["y"], (start["y"] + end["y"]) / 2 + lift, end["y"], None]
    return x, y


def _small(chart: go.Figure) -> go.Figure:
    return style(chart, height=HEIGHT).update_layout(showlegend=False, margin={"l": 4, "r": 8, "t": 6, "b": 4})
