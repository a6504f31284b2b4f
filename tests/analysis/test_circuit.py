"""Selection, pruning and tables on graphs small enough to work out by hand."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from analysis.circuit import edges_frame, nodes_frame, prune, select, to_networkx
from analysis.graph import GraphIndex
from tests.made_circuits import edge_names, made_circuit

SCORES = {
    "m1->logits": 5.0, "a0.h0->m1": -4.0, "input->a0.h0<q>": 0.5, "input->m1": 3.0, "input->logits": 0.1,
    "m0->a1.h0<k>": 90.0,  # strong, but a1.h0 is reached only through its weak edge to m1
    "a1.h0->m1": 0.2,
}
GRAPH = made_circuit(SCORES)


def chosen(n_edges: int) -> set[str]:
    return edge_names(replace(GRAPH, in_circuit=select(GRAPH.scores, GRAPH.index, n_edges)))


def test_greedy_order_by_absolute_score_from_logits():
    assert chosen(1) == set()  # m1->logits alone is on no path from input
    assert chosen(2) == set()  # the sign does not matter: a0.h0->m1 (-4) comes before input->m1 (3)
    assert chosen(3) == {"m1->logits", "input->m1"}
    assert chosen(4) == {"m1->logits", "input->m1", "a0.h0->m1", "input->a0.h0<q>"}


def test_an_edge_counts_only_when_its_target_is_reached():
    assert "m0->a1.h0<k>" not in chosen(5)  # a1.h0->m1 is the fifth choice
    assert "m0->a1.h0<k>" not in chosen(6)  # chosen sixth, but nothing leads into m0 yet


def test_ties_go_to_the_lower_index():
    index = GraphIndex(2, 1, 1, 8)
    kept = select(np.ones((index.n_forward, index.n_backward), dtype=np.float32), index, 1)
    assert np.argwhere(kept).tolist() == [[0, index.n_backward - 1]]  # input->logits, the first of the equals


def test_more_edges_never_drop_one():
    rng = np.random.default_rng(0)
    index = GraphIndex(3, 2, 2, 8)
    scores = rng.normal(size=(index.n_forward, index.n_backward)) * index.real_edges
    parts = [select(scores, index, n) for n in range(1, 80)]
    assert all((small <= large).all() for small, large in zip(parts, parts[1:], strict=False))
    assert all((part <= index.real_edges).all() for part in parts)


def test_select_refuses_an_empty_budget():
    with pytest.raises(ValueError, match="n_edges must be at least 1, got 0"):
        select(GRAPH.scores, GRAPH.index, 0)


def test_prune_keeps_exactly_the_edges_on_a_path():
    rng = np.random.default_rng(1)
    index = GraphIndex(3, 2, 2, 8)
    for share in (0.05, 0.1, 0.3):
        mask = (rng.random((index.n_forward, index.n_backward)) < share) & index.real_edges
        graph = nx.DiGraph()
        graph.add_nodes_from(["input", "logits"])
        edges = [(index.forward_names[u], index.backward_names[v].split("<")[0]) for u, v in np.argwhere(mask)]
        graph.add_edges_from(edges)
        on_path = (nx.descendants(graph, "input") | {"input"}) & (nx.ancestors(graph, "logits") | {"logits"})
        expected = [source in on_path and target in on_path for source, target in edges]
        assert prune(mask, index)[mask].tolist() == expected


def test_edges_frame_is_strongest_first():
    frame = edges_frame(made_circuit({"input->a0.h0<q>": 1.0, "a0.h0->m1": -3.0, "m1->logits": 2.0}))
    assert frame["edge"].tolist() == ["a0.h0->m1", "m1->logits", "input->a0.h0<q>"]
    row = frame.iloc[2]
    assert (row["source"], row["target"], row["input"], row["source_layer"], row["target_layer"], row["span"]) == (
        "input", "a0.h0", "q", -1, 0, 1
    )
    assert frame.iloc[0]["score"] == -3.0 and frame.iloc[1]["target_layer"] == 2


def test_networkx_keeps_parallel_inputs_apart():
    graph = to_networkx(made_circuit({"input->a0.h0<q>": 1.0, "input->a0.h0<k>": 2.0, "a0.h0->logits": 3.0}))
    assert graph.number_of_edges("input", "a0.h0") == 2
    assert graph["input"]["a0.h0"]["k"]["score"] == 2.0 and graph.nodes["logits"]["layer"] == 2


def test_the_default_budget_is_a_tenth_of_a_small_graph_and_never_more_than_200():
    from analysis.circuit import default_n_edges
    from analysis.graph import GraphIndex

    sizes = [(1, 1, 1), (2, 2, 2), (8, 4, 4), (12, 12, 12)]  # 6, 46, 1997 and 32491 edges
    assert [default_n_edges(GraphIndex(*size, 8)) for size in sizes] == [1, 5, 200, 200]


def test_nodes_frame_counts_and_sums_what_runs_in_and_out():
    frame = nodes_frame(edges_frame(made_circuit({
        "input->a0.h0<q>": 1.0, "input->a0.h0<k>": 2.0, "a0.h0->m1": -3.0, "a0.h0->logits": 0.5, "m1->logits": 4.0,
    })))
    assert frame["node"].tolist() == ["input", "a0.h0", "m1", "logits"]
    assert frame["kind"].tolist() == ["input", "head", "MLP", "logits"] and frame["layer"].tolist() == [-1, 0, 1, 2]
    assert frame["in_degree"].tolist() == [0, 2, 1, 2] and frame["out_degree"].tolist() == [2, 2, 1, 0]
    assert frame["in_mass"].tolist() == [0.0, 3.0, 3.0, 4.5] and frame["out_mass"].tolist() == [3.0, 3.5, 4.0, 0.0]
    assert frame["net_score"].tolist() == [3.0, -2.5, 4.0, 4.5]


def test_nodes_come_in_the_order_of_a_forward_pass():
    edges = {f"input->a{layer}.h{head}<v>": 1.0 for layer in (2, 10) for head in (10, 2)} | {"input->m2": 1.0}
    frame = nodes_frame(edges_frame(made_circuit(edges, n_layers=12, n_heads=12)))
    assert frame["node"].tolist() == ["input", "a2.h2", "a2.h10", "m2", "a10.h2", "a10.h10"]


def test_no_edges_no_nodes():
    assert len(nodes_frame(edges_frame(made_circuit({})))) == 0
