"""Charts of the Conflict map page: nodes by layer and lane, and labels per layer."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from analysis.conflict_map import ConflictMap
from components import conflict_rows, state
from components.palette import colours, plain, style

WIDTH = 560  # pixels that the map has at least; the browser gives it what there is
BARS = {"conflict": ("late", "x"), "free": ("random", "."), "forget": ("early", "/"), "retain": ("retain", "")}  # colour, pattern
LOOKS = {  # what the legend says: symbol, size within its cell, colour; drawn in this order, the most salient last
    "in no circuit": ("circle", 0.24, "muted"),
    "retain": ("circle", 0.5, "retain"),
    "forget": ("triangle-down", 0.6, "early"),
    "free (retain)": ("circle-open", 0.5, "random"),
    "free (forget)": ("triangle-down-open", 0.6, "random"),
    "conflict, varies": ("diamond-open", 0.8, "late"),
    "conflict": ("diamond", 0.8, "late"),
}
STAGES = {"stage 1": "early", "all epochs": "early", "stage 2": "late", "stages 1 and 2": "random"}


def looks(table: pd.DataFrame) -> list[str]:
    """The key of LOOKS for each row of `conflict_rows.nodes`. Hollow = not proven the same in every optimum."""
    return [
        f"free ({row.assigned})" if row.label == "free"
        else "conflict, varies" if row.label == "conflict" and not row.fixed
        else "in no circuit" if row.circuits == "none" else row.label
        for row in table.itertuples()
    ]


def reading(found: ConflictMap, opened: dict[str, str]) -> str:
    """How to read what the map shows beyond its legend."""
    hollow = any("-open" in LOOKS[look][0] for look in looks(conflict_rows.nodes(found)))
    said = {
        "Hollow marks are not proven the same in every optimum; a free one stands for what the masks take it for.": hollow,
        "Shaded: trained by the mask chosen above.": bool(opened),
    }
    return " ".join(text for text, holds in said.items() if holds)


def map_figure(found: ConflictMap, selected: str, opened: dict[str, str]) -> go.Figure:
    """A column per layer, a lane per head and one for the MLPs. `opened`: nodes that a mask trains -> in which stages."""
    c, figure, table = colours(), go.Figure(), conflict_rows.nodes(found)
    n_layers, n_heads = int(table["layer"].max()) + 1, int(table["lane"].max()) + 1
    lane_height = min(44, max(18, 440 / (n_heads + 1)))
    cell = min(36, lane_height, WIDTH / n_layers)
    lane = table["lane"].where(table["lane"] >= 0, n_heads + 0.25)
    table = table.assign(look=looks(table), y=lane, trained=table["node"].map(opened))
    for stages, part in table.groupby("trained"):
        figure.add_scatter(
            x=part["layer"], y=part["y"], mode="markers", name=f"{stages} ({len(part)})", legendrank=2000, hoverinfo="skip",
            marker={"symbol": "square", "size": 0.94 * cell, "color": c[STAGES[stages]], "opacity": 0.22},
        )
    for name, (symbol, share, colour) in LOOKS.items():
        part = table[table["look"] == name]
        if len(part):
            figure.add_scatter(
                x=part["layer"], y=part["y"], mode="markers", name=f"{name} ({len(part)})", customdata=part["node"],
                cliponaxis=False,
                legendrank=-list(LOOKS).index(name),
                text=[_hover(row) for row in part.itertuples()], hovertemplate="%{text}<extra></extra>",
                marker={"symbol": symbol, "size": share * cell, "color": c[colour], "line": {"width": 2, "color": c[colour]}},
                unselected={"marker": {"opacity": 1}},
            )
    chosen = table[table["node"] == selected]
    ring = {"symbol": "square-open", "size": cell, "color": c["text"], "line": {"width": 2.5}}
    figure.add_scatter(x=chosen["layer"], y=chosen["y"], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
    _axes(figure, n_layers, n_heads)
    label = {"align": "left", "bgcolor": c["panel"], "bordercolor": c["muted"], "font_color": c["text"]}  # a mark's own is too pale
    return style(figure, height=int(lane_height * (n_heads + 1.25)) + 120).update_layout(hoverlabel=label)


def _axes(figure: go.Figure, n_layers: int, n_heads: int) -> None:
    every = 1 if n_layers <= 16 else 4
    figure.update_xaxes(title="layer", tickvals=list(range(0, n_layers, every)), range=[-0.6, n_layers - 0.4], zeroline=False)
    heads = list(range(0, n_heads, 1 if n_heads <= 16 else 4))
    figure.update_yaxes(
        tickvals=[*heads, n_heads + 0.25], ticktext=[*(f"h{head}" for head in heads), "MLP"], range=[n_heads + 0.85, -0.6],
        zeroline=False,
    )
    figure.update_layout(dragmode=False)


def _hover(row) -> str:
    """What a node's tooltip says; one line each."""
    scores = f"forget score {row.forget_score:.3g}, retain score {row.retain_score:.3g}"
    trained = "" if pd.isna(row.trained) else f"<br>trained in {row.trained}"
    return f"<b>{plain(row.node)}</b> ({row.kind}): {row.look}<br>in circuits of: {row.circuits}<br>{scores}<br>" \
           f"{row.n_parameters:,} parameters{trained}<br>Click to select"


def selectable(figure: go.Figure, *, key: str) -> None:
    """A chart whose points carry node names in `customdata`; clicking one selects the node on every page."""

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            chosen = points[0]["customdata"]
            state.select_node(chosen[0] if isinstance(chosen, list) else chosen)

    bar = {"displayModeBar": False}  # it would lie over the legend
    st.plotly_chart(figure, theme=None, key=key, on_select=choose, selection_mode="points", config=bar)


def layers_figure(found: ConflictMap) -> go.Figure:
    """Stacked bars: nodes of each label per layer, by colour and pattern."""
    c, figure, counts = colours(), go.Figure(), conflict_rows.layers(found)
    for label, (colour, shape) in BARS.items():
        pattern = {"shape": shape, "fillmode": "overlay", "fgcolor": c["background"], "size": 6, "solidity": 0.25}
        figure.add_bar(
            x=counts.index, y=counts[label], name=f"{label} (n={counts[label].sum()})", marker_color=c[colour],
            marker_pattern=pattern, hovertemplate=f"layer %{{x}}: %{{y}} {label}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.15)
    figure.update_xaxes(title="layer", dtick=1 if len(counts) <= 16 else 4)
    figure.update_yaxes(title="nodes")
    return style(figure, height=280)
