"""The strongest path against every path, one by one."""

import math
from dataclasses import replace

import networkx as nx
import numpy as np
import pytest

from analysis.circuit import Circuit, select, to_networkx
from analysis.graph import GraphIndex
from analysis.paths import strongest_path

INDEX = GraphIndex(2, 2, 2, 8)


def made(seed: int) -> Circuit:
    scores = (np.random.default_rng(seed).normal(size=INDEX.real_edges.shape) * INDEX.real_edges).astype(np.float32)
    return Circuit("s", "f", INDEX, scores, select(scores, INDEX, 25))


@pytest.mark.parametrize("seed", range(6))
def test_no_path_has_a_stronger_weakest_edge(seed):
    circuit = made(seed)
    graph, found = nx.Graph().to_directed(), strongest_path(circuit)
    for source, target, score in to_networkx(circuit).edges(data="score"):  # of parallel edges the strongest
        old = graph.edges[source, target]["size"] if graph.has_edge(source, target) else 0.0
        graph.add_edge(source, target, size=max(abs(score), old))
    paths = nx.all_simple_paths(graph, "input", "logits")
    widths = {tuple(path): min(graph.edges[edge]["size"] for edge in nx.utils.pairwise(path)) for path in paths}
    assert len(widths) > 3 and len(set(widths.values())) > 1
    total = np.abs(circuit.scores[circuit.in_circuit]).astype(float).sum()
    assert widths[tuple(found[0])] == max(widths.values()) == pytest.approx(found[1] * total, rel=1e-6)


def test_without_a_path_or_a_score_there_is_none():
    circuit = made(0)
    for none in (replace(circuit, in_circuit=np.zeros_like(circuit.in_circuit)), replace(circuit, scores=circuit.scores * 0)):
        path, share = strongest_path(none)
        assert path == [] and math.isnan(share)
