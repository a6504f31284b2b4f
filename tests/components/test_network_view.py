"""Any set of edges becomes a view: groups with a legend, lanes and places, and no early or late half unless asked for."""

import pandas as pd
import pytest

from analysis.graph import GraphIndex
from components import circuit_network, network_view, palette
from components.network_view import Group

INDEX = GraphIndex(2, 2, 2, 8)
GROUPS = {
    "easy": Group("only easy", "easy"), "hard": Group("only hard", "hard", dashed=True), "both": Group("in both", "shared"),
}
EDGES = pd.DataFrame(
    [
        ("input->a0.h1<q>", "input", "a0.h1", "q", -1, 0, 1, 1.0, "easy", 2.0, "one"),
        ("a0.h1->m1", "a0.h1", "m1", "", 0, 1, 1, -3.0, "hard", 4.0, "two"),
        ("m1->logits", "m1", "logits", "", 1, 2, 1, 4.0, "hard", 5.0, "three"),
    ],
    columns=["edge", "source", "target", "input", "source_layer", "target_layer", "span", "score", "group", "width", "title"],
)


def built(edges=EDGES, **options) -> dict:
    return network_view.build(INDEX, edges, GROUPS, name="difference", **({"boundary": None} | options))


def test_the_legend_holds_the_groups_that_are_drawn():
    assert list(built()["groups"]) == ["easy", "hard"]
    assert built()["groups"]["hard"] == {"label": "only hard", "colour": "hard", "dashed": True}
    assert all(group.colour in palette.LIGHT and group.colour in palette.DARK for group in GROUPS.values())


def test_edges_keep_their_group_width_and_title_weakest_first():
    drawn = [(edge["id"], edge["group"], edge["width"], edge["title"]) for edge in built()["edges"]]
    assert drawn == [("input->a0.h1<q>", "easy", 2.0, "one"), ("a0.h1->m1", "hard", 4.0, "two"), ("m1->logits", "hard", 5.0, "three")]


def test_places_are_layers_and_lanes():
    place = {node["id"]: (node["x"], node["y"]) for node in built()["nodes"]}
    assert built()["axes"]["lanes"] == ["h0", "h1", "MLP"]
    assert place == {"input": (-1, 0.5), "a0.h1": (-0.15, 1), "m1": (1.22, 2), "logits": (2, 0.5)}


@pytest.mark.parametrize(("options", "boundary", "late"), [
    ({}, None, None), ({"boundary": 1}, 1, 7 / 8), ({"boundary": 2}, 2, 4 / 8), ({"boundary": 1, "shares": False}, 1, None),
    ({"boundary": 1, "edges": EDGES[:1], "whole": EDGES}, 1, 7 / 8),
])
def test_halves_and_shares_only_where_asked_for(options, boundary, late):
    axes = built(**options)["axes"]
    assert (axes["boundary"], axes["late"]) == (boundary, late)


def test_what_signs_and_width_mean_comes_with_the_view():
    assert built()["legend"] == {"effects": ["supports the answer", "suppresses it"], "width": "|score|"}
    view = built(effects=None, width="frequency")
    assert view["legend"] == {"effects": None, "width": "frequency"} and "frequency in 4" in view["nodes"][-1]["title"]


@pytest.mark.parametrize("payload", ["</script><img src=x onerror=1>", "<!--<script>", '"><svg onload=1>', "`${1}`"])
def test_payloads_stay_inside_the_json_of_the_page(payload):
    groups = {key: Group(payload, "easy") for key in GROUPS}
    view = network_view.build(INDEX, EDGES.assign(edge=payload, title=payload), groups, name=payload, boundary=None)
    page = circuit_network.offline_html(view, payload)
    scripts = page[page.index("drawCircuit(document"):]
    assert scripts.count("<") == scripts.count("</script>") + scripts.count("</body>") + scripts.count("</html>") == 3
    assert "<img" not in page
