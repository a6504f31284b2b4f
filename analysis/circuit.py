"""Edge scores -> a circuit: selection, pruning, tables and graphs. Plain numpy, so that pages need no torch."""

import heapq
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import networkx as nx
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from analysis.graph import GraphIndex

Scores = Float[np.ndarray, "n_forward n_backward"]
EdgeMask = Bool[np.ndarray, "n_forward n_backward"]
Rule = Literal["greedy", "top_n", "cumulative_mass"]


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


def select(scores: Scores, index: GraphIndex, n_edges: int, among: EdgeMask | None = None) -> EdgeMask:
    """Greedy circuit: grow from `logits` by |score|, then drop what is on no path from `input` to `logits`.

    The best-scoring edge into any node already in the circuit is added, n_edges times; a newly reached source brings all edges
    into it (all of q, k and v for a head). The same rule as EAP-IG's `apply_greedy`; ties go to the lower (source, destination)
    index, so that the result is deterministic. After pruning fewer than `n_edges` edges may remain. `among`: no other edges are added.

    Raises ValueError if `n_edges` is not positive or a score is not finite.
    """
    size, allowed = _strength(scores, n_edges), index.real_edges if among is None else among
    columns_of = _columns_by_node(index)
    chosen = np.zeros(scores.shape, dtype=bool)
    reached = {index.n_forward}
    heap: list[tuple[float, int, int]] = []

    def offer(node: int) -> None:
        for column in columns_of[node]:
            for source in np.flatnonzero(allowed[:, column]).tolist():
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


def top_n(scores: Scores, index: GraphIndex, n_edges: int) -> EdgeMask:
    """The n_edges strongest edges of the graph by |score|, pruned (EAP-IG's `apply_topn`); ties as in `select`.

    An edge counts wherever it stands, so more of them than under `select` may be on no path, and are dropped.
    Raises ValueError if `n_edges` is not positive or a score is not finite.
    """
    size = _strength(scores, n_edges)
    sources, columns = np.nonzero(index.real_edges)  # by source, then destination: a stable sort keeps that order in ties
    first = np.argsort(-size[sources, columns], kind="stable")[:n_edges]
    chosen = np.zeros(scores.shape, dtype=bool)
    chosen[sources[first], columns[first]] = True
    return prune(chosen, index)


def cumulative_mass(scores: Scores, index: GraphIndex, share: float) -> EdgeMask:
    """The fewest strongest edges that together hold `share` of the |score| of all edges, pruned (so it may hold less).

    Raises ValueError if `share` is not in (0, 1] or a score is not finite.
    """
    n_edges = n_edges_of_mass(scores, index, share)
    return top_n(scores, index, n_edges) if n_edges else np.zeros(scores.shape, dtype=bool)


def n_edges_of_mass(scores: Scores, index: GraphIndex, share: float) -> int:
    """How many of the strongest edges hold `share` of the |score| of all edges; 0 if all scores are zero."""
    if not 0 < share <= 1:
        raise ValueError(f"the share of |score| must be above 0 and at most 1, got {share}")
    mass = np.cumsum(np.sort(_strength(scores)[index.real_edges].astype(np.float64))[::-1])
    return int(np.searchsorted(mass, share * mass[-1])) + 1 if mass[-1] else 0


def selected(scores: Scores, index: GraphIndex, rule: Rule, size: int | float) -> EdgeMask:
    """The circuit by a rule; `size` is a number of edges, under `cumulative_mass` a share of |score|."""
    if rule == "cumulative_mass":
        return cumulative_mass(scores, index, size)
    return (select if rule == "greedy" else top_n)(scores, index, int(size))


def _strength(scores: Scores, n_edges: int = 1) -> Scores:
    if n_edges < 1:
        raise ValueError(f"n_edges must be at least 1, got {n_edges}")
    if not np.isfinite(scores).all():
        raise ValueError(f"edge scores must be finite, got {int((~np.isfinite(scores)).sum())} that are not; compute them again")
    return np.abs(scores)


def default_n_edges(index: GraphIndex) -> int:
    """A tenth of the graph's edges, at most 200: enough to tell samples apart, too few to be the whole graph."""
    return max(1, min(200, round(int(index.real_edges.sum()) / 10)))


def strongest(circuit: Circuit, n_edges: int) -> Circuit:
    """The largest part of the circuit, at most `n_edges`, that the same greedy selection and pruning would give.

    Selection adds edges one by one, so parts are nested and their size never falls: a search by halving finds the largest.
    """
    if n_edges >= circuit.n_edges:
        return circuit
    grown = partial(select, circuit.scores, circuit.index, among=circuit.in_circuit)
    low, high = 1, circuit.n_edges  # `low` choices fit; with `high` and more, all of the circuit is there
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if grown(middle).sum() <= n_edges else (low, middle)
    return replace(circuit, in_circuit=grown(low))


def prune(in_circuit: EdgeMask, index: GraphIndex) -> EdgeMask:
    """Keep only edges on a path from `input` to `logits`."""
    owner, columns = index.backward_nodes, np.flatnonzero(in_circuit.any(axis=0))  # in forward order
    from_input = np.zeros(index.n_forward + 1, dtype=bool)
    from_input[0] = True
    for column in columns:
        from_input[owner[column]] |= bool((in_circuit[:, column] & from_input[:-1]).any())
    to_logits = np.zeros(index.n_forward + 1, dtype=bool)
    to_logits[-1] = True
    for column in reversed(columns):
        if to_logits[owner[column]]:
            to_logits[:-1] |= in_circuit[:, column]
    return in_circuit & from_input[:-1, None] & to_logits[owner][None, :]


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


def nodes_frame(edges: pd.DataFrame) -> pd.DataFrame:
    """One row per node of an `edges_frame`, `input` first: node, kind, layer, in/out degree and |score|, and net_score.

    `net_score` is the signed sum over the edges out of the node, to first order what ablating them all costs the answer (over
    the edges in, for `logits`).
    """
    size = edges["score"].abs()
    ends = pd.concat([
        pd.DataFrame({"node": edges["source"], "layer": edges["source_layer"], "out_degree": 1, "out_mass": size,
                      "net_score": edges["score"]}),
        pd.DataFrame({"node": edges["target"], "layer": edges["target_layer"], "in_degree": 1, "in_mass": size,
                      "net_score": edges["score"].where(edges["target"] == "logits", 0.0)}),
    ])
    table = ends.fillna(0.0).groupby(["node", "layer"], as_index=False).sum()
    table = table.assign(kind=table["node"].map(kind), place=table["node"].map(_place)).sort_values("place", kind="stable")
    degrees = {"in_degree": int, "out_degree": int}
    names = ["node", "kind", "layer", *degrees, "in_mass", "out_mass", "net_score"]
    return table.astype(degrees)[names].reset_index(drop=True)


def kind(node: str) -> str:
    """`input`, `head`, `MLP` or `logits`."""
    return {"i": "input", "a": "head", "m": "MLP", "l": "logits"}[node[0]]


def to_networkx(circuit: Circuit) -> nx.MultiDiGraph:
    """Nodes with `kind` and `layer`; one edge per q/k/v input, keyed by it, with `score`, `name` and `input`."""
    graph = nx.MultiDiGraph(sample_id=circuit.sample_id, fingerprint=circuit.fingerprint)
    edges = edges_frame(circuit)
    for row in nodes_frame(edges).itertuples():
        graph.add_node(row.node, kind=row.kind, layer=int(row.layer))
    for row in edges.itertuples():
        graph.add_edge(row.source, row.target, key=row.input, score=float(row.score), name=row.edge, input=row.input)
    return graph


def _place(node: str) -> tuple[int, int]:
    """Sorts as a forward pass runs: `input`, then per layer its heads and its MLP, then `logits`."""
    if node in ("input", "logits"):
        return (-1 if node == "input" else 10**9), 0
    layer, _, head = node[1:].partition(".h")
    return int(layer), int(head) if head else 10**9


def _columns_by_node(index: GraphIndex) -> list[list[int]]:
    columns: list[list[int]] = [[] for _ in range(index.n_forward + 1)]
    for column, node in enumerate(index.backward_nodes):
        columns[node].append(column)
    return columns
