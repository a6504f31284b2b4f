"""A circuit as an interactive node-link diagram: pyvis builds the network, its own bundled vis-network draws it, offline."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis.circuit import Circuit
from components import circuit_layout, palette, state

HERE = Path(__file__).parent
SHAPES = {"input": "box", "logits": "box", "head": "dot", "MLP": "square"}
CURVES = {"": 0.5, "q": 0.4, "k": 0.55, "v": 0.7}  # so that the three edges into one head do not hide each other
OPTIONS = {
    "physics": {"enabled": False},
    "interaction": {"hover": True, "dragNodes": False, "tooltipDelay": 120, "selectConnectedEdges": False},
    "nodes": {"borderWidth": 2},
    "edges": {"selectionWidth": 0, "hoverWidth": 0},
}
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def view(circuit: Circuit, boundary: int, shown: pd.DataFrame | None = None) -> dict[str, Any]:
    """What the front end draws, as plain JSON: pyvis nodes (x in layers, y in lanes), edges weakest first, axes, palettes.

    An edge is late, dashed and in the late hue if its target stands in a layer >= `boundary`; its width grows with |score|; it
    ends in an arrow if it supports the answer and in a bar if it suppresses it. `shown` hides all but some rows of
    `circuit_layout.edges`; widths, ranks and the share of either side stay those of the whole circuit.
    """
    from pyvis.network import Network

    network = Network(directed=True)
    frame = circuit_layout.edges(circuit, boundary)
    places = circuit_layout.nodes(circuit, frame if shown is None else shown)
    most = places[["into", "out"]].to_numpy().max(initial=0) or 1.0
    for node in places.itertuples():
        title = f"{node.node} ({node.kind})\n|score| in {node.into:.3g}, out {node.out:.3g}\nClick to select"
        size = 5 + 6 * (max(node.into, node.out) / most) ** 0.5
        network.add_node(node.node, shape=SHAPES[node.kind], x=node.x, y=node.y, size=size, title=title)
    for rank, edge in reversed(list(enumerate(frame.itertuples(), 1))):
        if shown is None or edge.Index in shown.index:
            network.add_edge(edge.source, edge.target, **_edge_options(edge, rank, len(frame)))
    axes = {
        "n_layers": circuit.index.n_layers, "lanes": circuit_layout.lanes(circuit), "boundary": boundary,
        "late": float(frame.loc[frame["side"] == "late", "share"].sum()),
    }
    return {
        "circuit": circuit.sample_id, "nodes": network.nodes, "edges": network.edges, "options": OPTIONS, "axes": axes,
        "palettes": {"light": palette.LIGHT, "dark": palette.DARK},
    }


def show(
    circuit: Circuit, boundary: int, *, key: str, shown: pd.DataFrame | None = None, height: int = 425
) -> str | None:
    """Draw the circuit; returns the selected node (shared by all graphs of a session), None if this circuit lacks it.

    Dragging the boundary moves the slider of `circuit_panel.boundary_slider`.
    """

    def clicked() -> None:
        state.select_node(st.session_state[key]["node"] or None)

    def moved() -> None:
        state.set_boundary(st.session_state[key]["boundary"])

    data = view(circuit, boundary, shown)
    selected = state.node() if state.node() in {node["id"] for node in data["nodes"]} else None
    data |= {"selected": selected, "height": f"{height}px"}
    _component()(key=key, data=data, on_node_change=clicked, on_boundary_change=moved)
    return selected


def offline_html(circuit: Circuit, boundary: int, title: str = "Circuit") -> str:
    """The same diagram as one file that needs no network: everything is inlined, and its policy forbids any request."""
    data = view(circuit, boundary) | {"selected": None, "height": "80vh"}
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>Circuit</title><style>
body {{ margin: 1rem; font-family: system-ui, sans-serif }} h1 {{ font-size: 1.2rem }}
{_read("circuit_network.css")}</style></head>
<body><h1></h1><div id="circuit">{_read("circuit_network.html")}</div>
<script>{_vis()}</script><script>{_read("circuit_network.js")}</script>
<script>
document.title = document.querySelector("h1").textContent = {_json_in_script(title)};
drawCircuit(document.getElementById("circuit"), {_json_in_script(data)}, () => {{}});
</script></body></html>
"""


def _edge_options(edge: Any, rank: int, n_edges: int) -> dict[str, Any]:
    supports = edge.score >= 0
    effect = "supports" if supports else "suppresses"
    return {
        "id": edge.edge, "side": edge.side, "dashes": [7, 5] if edge.side == "late" else False,
        "width": edge.width, "opacity": 0.4 + 0.5 * edge.width / circuit_layout.WIDEST, "smooth": _curve(edge),
        "arrows": {"to": {"enabled": True, "type": "arrow" if supports else "bar", "scaleFactor": 0.5}},
        "title": f"{edge.edge}\nscore {edge.score:+.3g} ({effect} the answer)\n"
                 f"rank {rank} of {n_edges}, {edge.share:.1%} of |score|, {edge.side}",
    }


def _curve(edge: Any) -> dict[str, Any]:
    """Edges along one lane arc over the nodes between, equally far whatever their span; the others run in an S."""
    lane = [name.partition(".")[2] or name[0] for name in (edge.source, edge.target)]
    if lane[0] == lane[1]:
        kind = "curvedCCW" if lane[0] == "m" else "curvedCW"
        return {"enabled": True, "type": kind, "roundness": CURVES[edge.input] / 2.5 / max(1, edge.span / 2)}
    return {"enabled": True, "type": "cubicBezier", "forceDirection": "horizontal", "roundness": CURVES[edge.input]}


@cache
def _component():
    script = f"{_vis()}\n{_read('circuit_network.js')}\nexport default mountCircuit;"
    html, css = _read("circuit_network.html"), _read("circuit_network.css")
    return st.components.v2.component("lethe_circuit", html=html, css=css, js=script)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _vis() -> str:
    source = (files("pyvis") / "lib/vis-9.1.2/vis-network.min.js").read_text(encoding="utf-8")
    return source.partition("//# sourceMappingURL")[0]  # the map is not shipped: a debugger would ask for it in vain


def _json_in_script(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(content).replace("<", "\\u003c")
