"""Edge scores -> a circuit: selection, pruning, similarity, tables and graphs. Plain numpy, so that pages need no torch."""

import heapq
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from analysis.graph import GraphIndex

Scores = Float[np.ndarray, "n_forward n_backward"]
EdgeMask = Bool[np.ndarray, "n_forward n_backward"]


@dataclass(frozen=True)
class Circuit:
    """The edges kept for one sample (or one mean over samples), next to the scores they were chosen by.

    Scores are signed: positive = the edge supports the answer. `fingerprint` names the model's weights.
    """

    sample_id: str
    fingerprint: str
    index: GraphIndex
    scores: Scores
    in_circuit: EdgeMask

    @property
    def n_edges(self) -> int:
        return int(self.in_circuit.sum())


def select(scores: Scores, index: GraphIndex, n_edges: int) -> EdgeMask:
    """Greedy circuit: grow from `logits` by |score|, then drop what is on no path from `input` to `logits`.

    The best-scoring edge into any node already in the circuit is added, n_edges times; a newly reached source brings all edges
    into it (all of q, k and v for a head). The same rule as EAP-IG's `apply_greedy`; ties go to the lower (source, destination)
    index, so that the result is deterministic. After pruning fewer than `n_edges` edges may remain.

    Raises ValueError if `n_edges` is not positive.
    """
    if n_edges < 1:
        raise ValueError(f"n_edges must be at least 1, got {n_edges}")
    size = np.abs(scores)
    columns_of = _columns_by_node(index)
    chosen = np.zeros(scores.shape, dtype=bool)
    reached = {index.n_forward}
    heap: list[tuple[float, int, int]] = []

    def offer(node: int) -> None:
        for column in columns_of[node]:
            for source in range(index.n_sources(column)):
                heapq.heappush(heap, (-float(size[source, column]), source, column))

    offer(index.n_forward)
    for _ in range(n_edges):
        if not heap:
            break
        _, source, column = heapq.heappop(heap)
        chosen[source, column] = True
        if source not in reached and source != 0:
            reached.add(source)
            offer(source)
    return prune(chosen, index)


def default_n_edges(index: GraphIndex) -> int:
    """A tenth of the graph's edges, at most 200: enough to tell samples apart, too few to be the whole graph."""
    return max(1, min(200, round(int(index.real_edges.sum()) / 10)))


def prune(in_circuit: EdgeMask, index: GraphIndex) -> EdgeMask:
    """Keep only edges on a path from `input` to `logits`."""
    owner = index.backward_nodes
    from_input = np.zeros(index.n_forward + 1, dtype=bool)
    from_input[0] = True
    for column in range(index.n_backward):  # columns are in forward order
        from_input[owner[column]] |= bool((in_circuit[:, column] & from_input[:-1]).any())
    to_logits = np.zeros(index.n_forward + 1, dtype=bool)
    to_logits[-1] = True
    for column in reversed(range(index.n_backward)):
        if to_logits[owner[column]]:
            to_logits[:-1] |= in_circuit[:, column]
    return in_circuit & from_input[:-1, None] & to_logits[owner][None, :]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Cosine of two edge vectors, binary or weighted; 0 if either is all zero."""
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float((a * b).sum()) / norm if norm else 0.0


def edges_frame(circuit: Circuit) -> pd.DataFrame:
    """One row per edge of the circuit, strongest first: edge, source, destination, kind, layers, span, score."""
    sources, columns = np.nonzero(circuit.in_circuit)
    index = circuit.index
    names = np.array(index.backward_names)[columns]
    frame = pd.DataFrame({
        "edge": [index.edge_name(int(u), int(v)) for u, v in zip(sources, columns, strict=True)],
        "source": np.array(index.forward_names)[sources],
        "target": [name.split("<")[0] for name in names],
        "input": [name[-2] if name.endswith(">") else "" for name in names],
        "source_layer": index.forward_layers[sources],
        "target_layer": index.backward_layers[columns],
        "span": index.backward_layers[columns] - index.forward_layers[sources],
        "score": circuit.scores[sources, columns].astype(float),
    })
    order = frame["score"].abs().sort_values(ascending=False, kind="stable").index
    return frame.loc[order].reset_index(drop=True)


def to_networkx(circuit: Circuit) -> nx.MultiDiGraph:
    """Nodes `input`, heads, MLPs, `logits` with a `layer`; one edge per q/k/v input, keyed by it, with `score` and `name`."""
    graph = nx.MultiDiGraph(sample_id=circuit.sample_id, fingerprint=circuit.fingerprint)
    for row in edges_frame(circuit).itertuples():
        graph.add_node(row.source, layer=int(row.source_layer))
        graph.add_node(row.target, layer=int(row.target_layer))
        graph.add_edge(row.source, row.target, key=row.input, score=row.score, name=row.edge)
    return graph


def _columns_by_node(index: GraphIndex) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(index.n_forward + 1)]
    for column, node in enumerate(index.backward_nodes):
        columns[node].append(column)
    return columns
