"""Faithfulness and completeness over circuit size, by really running the model, next to random circuits of the same size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from analysis.ablation import Ablation
from analysis.circuit import Circuit, Rule, Scores, selected
from analysis.dataset import Sample
from analysis.faithfulness import Between, faithfulness
from analysis.graph import GraphIndex
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch, tokenize

EdgeMasks = Bool[np.ndarray, "n_circuits n_forward n_backward"]


def size_curve(
    handle: ModelHandle, batch: TokenBatch, scores: Scores, ablation: Ablation, *, rule: Rule = "greedy",
    sizes: Sequence[int] | None = None, n_random: int = 3, seed: int = 0,
    reference: TokenBatch | None = None, corrupted: TokenBatch | None = None, between: Between = None,
) -> pd.DataFrame:
    """One row per circuit size: n_edges, faithfulness, completeness, and random_<both>, the mean of `n_random` random circuits.

    `batch` holds one sample. `sizes` (default: `sizes_up_to` the whole graph) are edges chosen; n_edges is what pruning leaves,
    and sizes that leave nothing have no row. Completeness is 1 - faithfulness of the complement: 1 = without the circuit nothing
    is left of the answer. Under `cumulative_mass` sizes are numbers of edges too, and the circuits are those of `top_n`.
    `between` is called before each batch of runs, and may raise to end the work. Raises ValueError where `faithfulness` does.
    """
    index = handle.index
    chosen = "greedy" if rule == "greedy" else "top_n"
    sizes = sizes_up_to(int(index.real_edges.sum())) if sizes is None else sizes
    circuits = {int(kept.sum()): kept for kept in (selected(scores, index, chosen, n) for n in sorted(sizes))}
    circuits.pop(0, None)
    n_edges = list(circuits)
    if not n_edges:
        return pd.DataFrame(columns=["n_edges", "faithfulness", "completeness", "random_faithfulness", "random_completeness"])
    kept = np.stack([*circuits.values(), *(c for draw in range(n_random) for c in random_circuits(index, n_edges, seed + draw))])
    both = np.concatenate([kept, index.real_edges & ~kept])
    values = faithfulness(handle, batch, both, ablation, reference=reference, corrupted=corrupted, between=between)
    faithful, complete = values.reshape(2, 1 + n_random, len(n_edges)) * [[[1]], [[-1]]] + [[[0]], [[1]]]
    return pd.DataFrame({
        "n_edges": n_edges, "faithfulness": faithful[0], "completeness": complete[0],
        "random_faithfulness": faithful[1:].mean(0), "random_completeness": complete[1:].mean(0),
    })


def inputs_of(handle: ModelHandle, samples: list[Sample], circuit: Circuit, ablation: Ablation) -> dict[str, Any]:
    """What measuring a circuit on its own sample takes: `batch`, `ablation`, and `reference` or `corrupted` where it needs one.

    Raises ValueError if the circuit is of another model, or its sample is not among `samples`.
    """
    if handle.fingerprint != circuit.fingerprint:
        raise ValueError("the model's weights have changed since the circuits were computed; compute them again")
    chosen = [sample for sample in samples if sample.id == circuit.sample_id]
    if not chosen:
        raise ValueError("this sample is no longer in the forget set")
    return {
        "batch": tokenize(chosen, handle.tokenizer), "ablation": ablation,
        "reference": tokenize(samples, handle.tokenizer) if ablation == "mean" else None,
        "corrupted": tokenize(chosen, handle.tokenizer, corrupted=True) if ablation == "patching" else None,
    }


def sizes_up_to(n_edges: int, n_sizes: int = 10, smallest: int = 10) -> list[int]:
    """Sizes in even ratios from `smallest` to `n_edges`: small circuits are where the curve bends."""
    return sorted({round(size) for size in np.geomspace(min(smallest, n_edges), n_edges, n_sizes)})


def random_circuits(index: GraphIndex, n_edges: Sequence[int], seed: int) -> EdgeMasks:
    """The control: nested random circuits of these sizes (ascending), every edge on a path from `input` to `logits`.

    Edges come in random order; one whose ends are on no path yet brings random edges that lead it to one. A circuit falls an
    edge short only where no path of the right length is left.
    """
    rng = np.random.default_rng(seed)
    owner, reads = index.backward_nodes, np.array([index.n_sources(v) for v in range(index.n_backward)])
    order = rng.permutation(np.argwhere(index.real_edges)).tolist()
    on_path = {0, index.n_forward}
    kept = np.zeros(index.real_edges.shape, dtype=bool)
    count, grown = 0, []
    for size in n_edges:
        for source, column in order:
            if count == size:
                break
            if kept[source, column]:
                continue
            path = _through(source, column, on_path, owner, reads, rng)
            if count + len(path) <= size:
                kept[tuple(np.transpose(path))] = True
                count += len(path)
                on_path |= {u for u, _ in path} | {int(owner[v]) for _, v in path}
        grown.append(kept.copy())
    return np.stack(grown)


def _through(
    source: int, column: int, on_path: set[int], owner: np.ndarray, reads: np.ndarray, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """This edge with random edges that join it to the nodes on a path; `reads[v]` = number of sources that column v reads."""
    path = [(source, column)]
    node = source
    while node not in on_path:
        into = int(rng.choice(np.nonzero(owner == node)[0]))
        node = int(rng.integers(reads[into]))
        path.append((node, into))
    node = int(owner[column])
    while node not in on_path:
        out = int(rng.integers(np.searchsorted(reads, node, side="right"), len(reads)))
        path.append((node, out))
        node = int(owner[out])
    return path
