"""The drawn view follows the circuit, and the offline page neither asks the network for anything nor runs its data."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from analysis.circuit import edges_frame, strongest
from components import circuit_layout, circuit_network, state
from tests.made_circuits import edge_names, made_circuit

EDGES = {"input->a0.h0<q>": 1.0, "a0.h0->m1": -3.0, "m1->logits": 4.0, "input->logits": 2.0}
CIRCUIT = made_circuit(EDGES)


def drawn(boundary: int = 1, circuit=CIRCUIT, shown=None) -> dict[str, dict]:
    return {edge["id"]: edge for edge in circuit_network.of_circuit(circuit, boundary, shown)["edges"]}


def test_every_edge_is_drawn_once_the_strongest_last():
    edges = circuit_network.of_circuit(CIRCUIT, 1)["edges"]
    assert [edge["id"] for edge in edges] == edges_frame(CIRCUIT)["edge"].tolist()[::-1]
    assert all(edge["from"] + "->" + edge["to"] == re.sub("<.>", "", edge["id"]) for edge in edges)


def test_width_grows_with_the_root_of_the_absolute_score():
    widths = {name: edge["width"] for name, edge in drawn().items()}
    thin, wide = circuit_layout.THINNEST, circuit_layout.WIDEST
    assert widths["m1->logits"] == wide and widths["a0.h0->m1"] == pytest.approx(thin + (3 / 4) ** 0.5 * (wide - thin))


@pytest.mark.parametrize("boundary", [0, 1, 2, 3])
def test_sides_dashes_and_share_move_with_the_boundary(boundary):
    target_layer = {"input->a0.h0<q>": 0, "a0.h0->m1": 1, "m1->logits": 2, "input->logits": 2}
    for name, edge in drawn(boundary).items():
        assert edge["group"] == ("late" if target_layer[name] >= boundary else "early")
    late = sum(abs(EDGES[name]) for name, layer in target_layer.items() if layer >= boundary) / 10
    assert circuit_network.of_circuit(CIRCUIT, boundary)["axes"]["late"] == pytest.approx(late)


def test_time_runs_left_to_right_and_lanes_keep_heads_and_mlps_apart():
    circuit = made_circuit(EDGES | {"input->a1.h0<k>": 1.0, "a1.h0->m1": 1.0})
    x = {node["id"]: node["x"] for node in circuit_network.of_circuit(circuit, 1)["nodes"]}
    assert all(x[edge["from"]] < x[edge["to"]] for edge in drawn(circuit=circuit).values())
    y = {node["id"]: node["y"] for node in circuit_network.of_circuit(circuit, 1)["nodes"]}
    assert y["a0.h0"] == y["a1.h0"] != y["m1"]


def test_nodes_without_edges_are_left_out():
    assert {node["id"] for node in circuit_network.of_circuit(CIRCUIT, 1)["nodes"]} == {"input", "a0.h0", "m1", "logits"}


def test_filters_hide_edges_but_keep_shares_ranks_and_widths():
    whole = circuit_layout.edges(CIRCUIT, 1)
    assert set(drawn(shown=circuit_layout.only(whole, sign="suppresses"))) == {"a0.h0->m1"}
    into_q_or_logits = circuit_layout.only(whole, inputs=["q", "logits"])
    assert set(drawn(shown=into_q_or_logits)) == {"input->a0.h0<q>", "m1->logits", "input->logits"}
    shown = circuit_layout.only(whole, inputs=["MLP"])
    assert drawn(shown=shown)["a0.h0->m1"] == drawn()["a0.h0->m1"]
    assert circuit_network.of_circuit(CIRCUIT, 1, shown)["axes"] == circuit_network.of_circuit(CIRCUIT, 1)["axes"]


def test_an_empty_circuit_draws_only_its_ends():
    assert circuit_network.of_circuit(made_circuit({}), 1)["edges"] == []


def test_a_budget_gives_the_largest_nested_part_that_fits():
    sizes = [strongest(CIRCUIT, n) for n in (1, 2, 3, 4, 9)]
    assert [part.n_edges for part in sizes] == [1, 1, 1, 4, 4]  # m1's path comes whole or not at all
    assert edge_names(sizes[0]) == {"input->logits"}


def test_a_budget_adds_no_edge_of_outside_however_strong():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=CIRCUIT.scores.shape).astype(np.float32) + 9 * ~CIRCUIT.in_circuit * CIRCUIT.index.real_edges
    part = strongest(replace(CIRCUIT, scores=scores.astype(np.float32)), 3)
    assert part.n_edges and edge_names(part) <= set(EDGES)


@pytest.mark.parametrize(("n_heads", "lanes", "pixels"), [(4, 5, 425), (12, 13, 492), (32, 2, 500)])
def test_many_heads_get_more_room_and_only_lanes_that_are_needed(n_heads, lanes, pixels):
    circuit = made_circuit({"input->a0.h3<q>": 1.0, "a0.h3->logits": 1.0}, n_heads=n_heads)
    axes = circuit_network.of_circuit(circuit, 1)["axes"]
    assert (len(axes["lanes"]), axes["n_heads"]) == (lanes, n_heads)
    assert circuit_layout.height(circuit.index) == pixels


def test_the_view_is_plain_json():
    view = circuit_network.of_circuit(CIRCUIT, 1)
    assert json.loads(json.dumps(view, allow_nan=False)) == view


def test_the_offline_page_links_nothing():
    page = circuit_network.offline_html(circuit_network.of_circuit(CIRCUIT, 1))
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "http" not in markup.replace("http-equiv", "") and "cdn" not in markup.lower()
    assert not re.search(r"<(link|img|iframe|script\s)", markup) and "@import" not in markup and "url(" not in markup
    assert "connect-src" not in page and "default-src 'none'" in page
    assert "vis-network" in page and "sourceMappingURL" not in page


def test_data_cannot_end_the_script_of_the_offline_page():
    page = circuit_network.offline_html(circuit_network.of_circuit(CIRCUIT, 1), title="</script><img src=x onerror=alert(1)>")
    assert "<img" not in page and "\\u003c/script>\\u003cimg" in page


def test_the_offline_page_shows_what_the_reader_marked():
    marks = {"selected": "m1", "pins": ["a0.h0"], "path": ["input", "m1"]}
    page = circuit_network.offline_html(circuit_network.of_circuit(CIRCUIT, 1) | marks, "Marked")
    data = json.loads(re.search(r"const data = (.*), drawing = ", page)[1])
    assert {key: data[key] for key in marks} == marks and data["axes"]["boundary"] == 1
    assert not re.search(r"""(src|href)\s*=\s*["']?https?:""", page)


def test_marks_come_from_the_address_and_those_that_only_other_graphs_have_stay(monkeypatch):
    kept = {"node": "a9.h0", "pins": ["m1", "a9.h0"], "path": ["input", "a9.h0"]}
    for name in kept:
        monkeypatch.setattr(state, name, lambda name=name: kept[name])
    for setter, name in (("select_node", "node"), ("set_pins", "pins"), ("set_path", "path")):
        monkeypatch.setattr(state, setter, lambda value, name=name: kept.update({name: value}))
    drawn = []
    monkeypatch.setattr(circuit_network, "_component", lambda: lambda **given: drawn.append(given))
    view = circuit_network.of_circuit(CIRCUIT, 1)
    assert circuit_network.show(view, key="graph") is None
    marks = {"node": None, "pins": ["m1"], "path": None}
    assert {name: drawn[0]["data"][key] for name, key in zip(marks, ("selected", "pins", "path"), strict=True)} == marks
    for marked, expected in (
        (marks, {"node": "a9.h0", "pins": ["a9.h0", "m1"], "path": ["input", "a9.h0"]}),
        ({"node": "m1", "pins": [], "path": ["input", "m1"]}, {"node": "m1", "pins": ["a9.h0"], "path": ["input", "m1"]}),
    ):
        monkeypatch.setattr(circuit_network.st, "session_state", {"graph": {"marks": marked}})
        drawn[-1]["on_marks_change"]()
        assert kept == expected
    assert circuit_network.show(view, key="graph") == "m1" and drawn[-1]["data"]["path"] == ["input", "m1"]
