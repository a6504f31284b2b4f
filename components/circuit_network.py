"""A circuit as an interactive node-link diagram: pyvis builds the network, its own bundled vis-network draws it, offline."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis.circuit import Circuit
from components import circuit_layout, network_view, state
from components.network_view import Group, View

HERE = Path(__file__).parent
SIDES = {"early": Group("early", "early"), "late": Group("late", "late", dashed=True)}
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"


def of_circuit(circuit: Circuit, boundary: int, shown: pd.DataFrame | None = None) -> View:
    """The view of a circuit, in two groups: an edge is late if its target stands in a layer >= `boundary`.

    `shown` hides all but some rows of `circuit_layout.edges`; widths, ranks and the share of either side stay those of the whole
    circuit.
    """
    frame = circuit_layout.edges(circuit, boundary)
    frame["group"] = frame["side"]
    frame["title"] = [_title(edge, rank, len(frame)) for rank, edge in enumerate(frame.itertuples(), 1)]
    edges = frame if shown is None else frame.loc[shown.index]
    return network_view.build(circuit.index, edges, SIDES, name=circuit.sample_id, boundary=boundary, whole=frame)


def show(view: View, *, key: str, height: int = 425) -> str | None:
    """Draw a view; returns the selected node (shared by all graphs of a session), None if this view lacks it.

    Dragging the boundary moves the slider of `circuit_panel.boundary_slider`.
    """

    def clicked() -> None:
        state.select_node(st.session_state[key]["node"] or None)

    def moved() -> None:
        state.set_boundary(st.session_state[key]["boundary"])

    data = marked(view) | {"height": f"{height}px"}
    _component()(key=key, data=data, on_node_change=clicked, on_boundary_change=moved)
    return data["selected"]


def marked(view: View) -> View:
    """The view with what the reader marked in it: the selected node."""
    return view | {"selected": state.node() if state.node() in {node["id"] for node in view["nodes"]} else None}


def offline_html(view: View, title: str = "Circuit") -> str:
    """A view as one file that needs no network: everything is inlined, and its policy forbids any request.

    Of a `marked` view it shows the marks too; mark it while the page runs, as a download's callable knows no reader.
    """
    data = {"selected": None} | view | {"height": "80vh"}
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


def _title(edge: Any, rank: int, n_edges: int) -> str:
    effect = "supports" if edge.score >= 0 else "suppresses"
    return (
        f"{edge.edge}\nscore {edge.score:+.3g} ({effect} the answer)\n"
        f"rank {rank} of {n_edges}, {edge.share:.1%} of |score|, {edge.side}"
    )


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
