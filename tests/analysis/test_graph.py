"""Counts that the literature gives, and an edge rule checked against a plain restatement of it."""

import pytest

from analysis.graph import GraphIndex


@pytest.mark.parametrize(("layers", "heads", "rows", "columns", "edges"), [
    (12, 12, 157, 445, 32_491),  # GPT-2 small
    (16, 32, 529, 1_553, 386_713),  # Llama-3.2-1B
])
def test_published_sizes(layers, heads, rows, columns, edges):
    index = GraphIndex(layers, heads, heads, 64)
    assert (index.n_forward, index.n_backward) == (rows, columns) == index.real_edges.shape
    assert int(index.real_edges.sum()) == edges


def test_names_rows_and_columns_agree():
    index = GraphIndex(2, 2, 1, 8)
    assert index.forward_names == ["input", "a0.h0", "a0.h1", "m0", "a1.h0", "a1.h1", "m1"]
    assert index.backward_names[:7] == ["a0.h0<q>", "a0.h1<q>", "a0.h0<k>", "a0.h1<k>", "a0.h0<v>", "a0.h1<v>", "m0"]
    assert index.backward_names[-1] == "logits"
    assert index.forward_names[index.mlp_row(1)] == index.backward_names[index.mlp_column(1)] == "m1"
    assert index.forward_names[index.head_rows(1)] == ["a1.h0", "a1.h1"]
    assert all("a1" in name for name in index.backward_names[index.qkv_columns(1)])
    assert index.edge_name(1, 6) == "a0.h0->m0"


@pytest.mark.parametrize("parallel", [False, True])
def test_an_edge_runs_from_an_earlier_writer_to_a_later_reader(parallel):
    index = GraphIndex(3, 2, 2, 8, parallel_attn_mlp=parallel)

    def time(name: str) -> float:  # when a node reads or writes: heads before the MLP of a layer, unless parallel
        if name in ("input", "logits"):
            return -1 if name == "input" else 99
        return int(name[1]) + (0.5 if name[0] == "m" and not parallel else 0)

    for row, source in enumerate(index.forward_names):
        for column, destination in enumerate(index.backward_names):
            assert index.real_edges[row, column] == (time(source) < time(destination)), (source, destination)


def test_owners_and_layers_of_columns():
    index = GraphIndex(2, 2, 2, 8)
    for column, name in enumerate(index.backward_names[:-1]):
        assert index.forward_names[index.backward_nodes[column]] == name.split("<")[0]
        assert index.backward_layers[column] == int(name[1])
    assert index.backward_nodes[-1] == index.n_forward and index.backward_layers[-1] == 2 and index.forward_layers[0] == -1
