"""Circuits written down edge by edge, for tests that check numbers by hand."""

import numpy as np

from analysis.circuit import Circuit
from analysis.graph import GraphIndex


def made_circuit(edges: dict[str, float], n_layers: int = 2, n_heads: int = 1, sample_id: str = "made") -> Circuit:
    """A circuit of exactly these edges (`input->a0.h0<q>`, `m0->logits`, ...) with these scores."""
    index = GraphIndex(n_layers, n_heads, n_heads, 8)
    scores = np.zeros((index.n_forward, index.n_backward), dtype=np.float32)
    in_circuit = np.zeros(scores.shape, dtype=bool)
    for name, score in edges.items():
        source, _, destination = name.partition("->")
        place = index.forward_names.index(source), index.backward_names.index(destination)
        assert index.real_edges[place], f"{name} is not an edge of this graph"
        scores[place], in_circuit[place] = score, True
    return Circuit(sample_id, "f" * 64, index, scores, in_circuit)


def edge_names(circuit: Circuit) -> set[str]:
    return {circuit.index.edge_name(int(u), int(v)) for u, v in np.argwhere(circuit.in_circuit)}
