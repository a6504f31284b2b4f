"""What the graph component draws, as plain JSON: any set of a model's edges, in groups that have a name, a hue and a line style."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from analysis.graph import GraphIndex
from components import circuit_layout, palette

View = dict[str, Any]
SHAPES = {"input": "box", "logits": "box", "head": "dot", "MLP": "square"}
CURVES = {"": 0.5, "q": 0.4, "k": 0.55, "v": 0.7}  # so that the three edges into one head do not hide each other
EFFECTS = ("supports the answer", "suppresses it")
OPTIONS = {
    "physics": {"enabled": False},
    "interaction": {"dragNodes": False, "selectable": False, "tooltipDelay": 120},  # hover and selection are ours
    "nodes": {"borderWidth": 2},
    "edges": {"color": {"inherit": False}, "arrows": {"to": {"enabled": True, "scaleFactor": 0.5}}},
}


@dataclass(frozen=True)
class Group:
    """One entry of the legend; every edge belongs to one. `colour` is a key of the palette."""

    label: str
    colour: str
    dashed: bool = False


def build(
    index: GraphIndex, edges: pd.DataFrame, groups: dict[str, Group], *, name: str, boundary: int | None, shares: bool = True,
    whole: pd.DataFrame | None = None, effects: tuple[str, str] | None = EFFECTS, width: str = "|score|",
) -> View:
    """The view of some edges of a graph: pyvis nodes (x in layers, y in lanes) and edges, weakest first, with axes and legend.

    `edges` has one row per edge: edge, source, target, input, source_layer, target_layer, span, score (signed: an arrow or a bar
    at its end), group (a key of `groups`), width (pixels) and title (plain text). `name` says what is drawn: another name starts
    at the first zoom. `boundary` parts early from late layers (None: no such background); `shares` writes the share of |score|
    on either side. Lanes and shares are those of `whole`, where `edges` are only some of it. `effects` names what an arrow and a
    bar mean (None: every edge ends in an arrow that needs no word), `width` what the width shows.
    """
    from pyvis.network import Network

    whole = edges if whole is None else whole
    lanes = circuit_layout.lanes(index, whole)
    network = Network(directed=True)
    places = circuit_layout.nodes(index, edges, lanes)
    most = places[["into", "out"]].to_numpy().max(initial=0) or 1.0
    for node in places.itertuples():
        title = f"{node.node} ({node.kind})\n{width} in {node.into:.3g}, out {node.out:.3g}"
        size = 5 + 6 * (max(node.into, node.out) / most) ** 0.5
        network.add_node(node.node, shape=SHAPES[node.kind], kind=node.kind, x=node.x, y=node.y, size=size, title=title)
    order = edges["score"].abs().sort_values(ascending=False, kind="stable").index[::-1]
    for edge in edges.loc[order].itertuples():
        network.add_edge(
            edge.source, edge.target, id=edge.edge, group=edge.group, score=float(edge.score), width=float(edge.width),
            smooth=_curve(edge), title=edge.title,
        )
    used = set(edges["group"])
    return {
        "name": name, "nodes": network.nodes, "edges": network.edges, "options": OPTIONS,
        "groups": {key: asdict(group) for key, group in groups.items() if key in used},
        "legend": {"effects": list(effects) if effects else None, "width": width},
        "axes": {
            "n_layers": index.n_layers, "n_heads": index.n_heads, "lanes": lanes, "boundary": boundary,
            "late": None if boundary is None or not shares else _late(whole, boundary),
        },
        "palettes": {"light": palette.LIGHT, "dark": palette.DARK},
    }


def _late(edges: pd.DataFrame, boundary: int) -> float:
    size = edges["score"].abs()
    return float(size[edges["target_layer"] >= boundary].sum() / (size.sum() or 1.0))


def _curve(edge: Any) -> dict[str, Any]:
    """Edges along one lane arc over the nodes between, equally far whatever their span; the others run in an S."""
    lane = [name.partition(".")[2] or name[0] for name in (edge.source, edge.target)]
    if lane[0] == lane[1]:
        kind = "curvedCCW" if lane[0] == "m" else "curvedCW"
        return {"enabled": True, "type": kind, "roundness": CURVES[edge.input] / 2.5 / max(1, edge.span / 2)}
    return {"enabled": True, "type": "cubicBezier", "forceDirection": "horizontal", "roundness": CURVES[edge.input]}
