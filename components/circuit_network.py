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
SCRIPTS = tuple(f"network_{part}.js" for part in ("paths", "draw", "svg", "body", "marks", "side", "tools", "pointer"))
PAGE_STYLE = """
:root { --st-background-color: #ffffff; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --st-background-color: #12181f } h1 { color: #e6edf3 } }
body { margin: 1rem; font-family: system-ui, sans-serif; background: var(--st-background-color) }
h1 { margin: 0 0 .6rem; font-size: 1.2rem }
"""
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


def show(view: View, *, key: str, height: int = 425, listed: bool = False) -> str | None:
    """Draw a view; returns the selected node (shared by all graphs of a session), None if this view lacks it.

    `listed` puts the edges of what is selected beside the drawing, where there is room.

    Dragging the boundary moves the slider of `circuit_panel.boundary_slider`. Pins and path are kept in the URL; what other graphs
    pinned and this one does not have stays pinned there.
    """
    data = marked(view) | {"height": f"{height}px", "key": key, "listed": listed}
    elsewhere = [name for name in state.pins() if name not in data["pins"]]

    def marks_changed() -> None:
        marks = st.session_state[key]["marks"]
        if marks["node"] != data["selected"]:  # else the node may be one that only another graph has
            state.select_node(marks["node"])
        if marks["path"] != data["path"]:
            state.set_path(marks["path"] or [])
        state.set_pins(elsewhere + marks["pins"])

    _component()(
        key=key, data=data, on_marks_change=marks_changed,
        on_boundary_change=lambda: state.set_boundary(st.session_state[key]["boundary"]),
    )
    return data["selected"]


def marked(view: View) -> View:
    """The view with what the reader marked in it: the selected node, pinned nodes, and the two ends of a path."""
    names = {node["id"] for node in view["nodes"]}
    return view | {
        "selected": state.node() if state.node() in names else None,
        "pins": [name for name in state.pins() if name in names],
        "path": state.path() if names.issuperset(state.path() or [None]) else None,
    }


def offline_html(view: View, title: str = "Circuit") -> str:
    """A view as one file that needs no network: everything is inlined, and its policy forbids any request.

    Of a `marked` view it shows the marks too; mark it while the page runs, as a download's callable knows no reader.
    """
    data = {"selected": None, "pins": [], "path": None} | view | {"height": "88vh", "key": "circuit", "listed": True}
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>Circuit</title><style>
{PAGE_STYLE}
{_read("circuit_network.css")}</style></head>
<body><main><h1></h1><div id="circuit">{_read("circuit_network.html")}</div></main>
<script>{_vis()}</script><script>{_script()}</script>
<script>
document.title = document.querySelector("h1").textContent = {_json_in_script(title)};
const data = {_json_in_script(data)}, drawing = drawCircuit(document.getElementById("circuit"), data, null);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawing.update(data));
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
    script = f"{_vis()}\n{_script()}\nexport default mountCircuit;"
    html, css = _read("circuit_network.html"), _read("circuit_network.css")
    return st.components.v2.component("lethe_circuit", html=html, css=css, js=script)


def _script() -> str:
    return "\n".join(_read(name) for name in (*SCRIPTS, "circuit_network.js"))


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@cache
def _vis() -> str:
    source = (files("pyvis") / "lib/vis-9.1.2/vis-network.min.js").read_text(encoding="utf-8")
    return source.partition("//# sourceMappingURL")[0]  # the map is not shipped: a debugger would ask for it in vain


def _json_in_script(content: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(content).replace("<", "\\u003c")
