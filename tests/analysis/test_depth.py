"""Depth read-outs against numbers worked out by hand, and path counts against networkx."""

import networkx as nx
import numpy as np
import pytest

from analysis.circuit import Circuit, prune, to_networkx
from analysis.depth import depth_readouts, edge_kind_shares, path_lengths
from analysis.graph import GraphIndex
from tests.made_circuits import made_circuit

# target layers 0, 1, 2 with |score| 1, 3, 4; spans 1, 1, 1
CHAIN = made_circuit({"input->a0.h0<q>": 1.0, "a0.h0->m1": -3.0, "m1->logits": 4.0})


def test_chain():
    values = depth_readouts(CHAIN, boundary=1)
    assert values["mean_layer"] == pytest.approx((1 * 0 + 3 * 1 + 4 * 2) / 8)
    assert values["late_share"] == pytest.approx(7 / 8)
    assert values["mean_span"] == pytest.approx(1.0)
    assert values["max_layer"] == 1 and values["longest_path"] == values["mean_path"] == 3


@pytest.mark.parametrize(("boundary", "late"), [(0, 1.0), (1, 7 / 8), (2, 4 / 8), (3, 0.0)])
def test_an_edge_into_the_boundary_layer_is_late(boundary, late):
    assert depth_readouts(CHAIN, boundary)["late_share"] == pytest.approx(late)


def test_parallel_inputs_are_separate_paths():
    circuit = made_circuit({"input->a0.h0<q>": 1, "input->a0.h0<k>": 1, "a0.h0->logits": 1, "input->logits": 1})
    longest, mean = path_lengths(circuit)
    assert longest == 2 and mean == pytest.approx((2 + 2 + 1) / 3)


def test_kind_shares():
    shares = edge_kind_shares(CHAIN)
    assert shares == pytest.approx({"share_input->attn": 1 / 8, "share_attn->mlp": 3 / 8, "share_mlp->logits": 4 / 8})


def test_an_empty_circuit_has_no_depth():
    assert all(np.isnan(value) for value in depth_readouts(made_circuit({}), boundary=1).values())
    assert np.isnan(path_lengths(made_circuit({"input->m0": 1.0}))).all()  # never reaches logits


def test_paths_against_networkx():
    rng = np.random.default_rng(2)
    index = GraphIndex(3, 2, 2, 8)
    for _ in range(5):
        mask = prune((rng.random((index.n_forward, index.n_backward)) < 0.15) & index.real_edges, index)
        circuit = Circuit("made", "f", index, rng.normal(size=mask.shape), mask)
        paths = nx.all_simple_edge_paths(to_networkx(circuit), "input", "logits") if mask.any() else []
        lengths = [len(path) for path in paths]
        if lengths:
            assert path_lengths(circuit) == pytest.approx((max(lengths), np.mean(lengths)))
