"""Depth read-outs of a circuit: how late, how long and through which kinds of edges it runs."""

import numpy as np

from analysis.circuit import Circuit


def depth_readouts(circuit: Circuit, boundary: int) -> dict[str, float]:
    """Depth of a circuit in numbers. Layers count from 0; `input` stands at -1 and `logits` at n_layers.

    An edge is *early* if its destination stands in a layer below `boundary`, else *late*. Returns, each NaN for an empty circuit:
    `mean_layer` (of destinations, weighted by |score|), `max_layer` (of sources), `late_share` (share of |score| on late edges),
    `mean_span` (layers an edge crosses), `longest_path` and `mean_path` (edges per input->logits path; the mean is over all
    paths), and `share_<kind>` (share of |score|) for the kinds input->attn, attn->attn, ..., *->logits.
    """
    sources, columns = np.nonzero(circuit.in_circuit)
    index = circuit.index
    size = np.abs(circuit.scores[sources, columns]).astype(float)
    total = size.sum()
    if not len(sources) or total == 0:
        return dict.fromkeys(("mean_layer", "max_layer", "late_share", "mean_span", "longest_path", "mean_path"), np.nan)
    target_layers, source_layers = index.backward_layers[columns], index.forward_layers[sources]
    longest, mean = path_lengths(circuit)
    return {
        "mean_layer": float((size * target_layers).sum() / total),
        "max_layer": float(source_layers.max()),
        "late_share": float(size[target_layers >= boundary].sum() / total),
        "mean_span": float((target_layers - source_layers).mean()),
        "longest_path": longest,
        "mean_path": mean,
    } | edge_kind_shares(circuit)


def edge_kind_shares(circuit: Circuit) -> dict[str, float]:
    """Share of |score| per kind of edge (`share_input->attn`, `share_attn->mlp`, ...); only kinds that occur."""
    sources, columns = np.nonzero(circuit.in_circuit)
    index = circuit.index
    size = np.abs(circuit.scores[sources, columns]).astype(float)
    shares: dict[str, float] = {}
    for source, column, value in zip(sources, columns, size, strict=True):
        name = f"share_{_kind(index.forward_names[source])}->{_kind(index.backward_names[column])}"
        shares[name] = shares.get(name, 0.0) + float(value / size.sum()) if size.sum() else np.nan
    return dict(sorted(shares.items()))


def path_lengths(circuit: Circuit) -> tuple[float, float]:
    """Longest and mean number of edges on the paths from `input` to `logits`; NaN if there is none.

    Parallel q/k/v edges between two nodes are separate paths.
    """
    index = circuit.index
    owner = index.backward_nodes
    n_paths = np.zeros(index.n_forward + 1)
    n_steps = np.zeros(index.n_forward + 1)  # summed over the paths that reach a node
    longest = np.full(index.n_forward + 1, -np.inf)
    n_paths[0], longest[0] = 1, 0
    for column in range(index.n_backward):  # forward order: every source is final before it is read
        rows = np.nonzero(circuit.in_circuit[:, column])[0]
        if len(rows):
            node = owner[column]
            n_paths[node] += n_paths[rows].sum()
            n_steps[node] += (n_steps[rows] + n_paths[rows]).sum()
            longest[node] = max(longest[node], longest[rows].max() + 1)
    if not n_paths[-1]:
        return float("nan"), float("nan")
    return float(longest[-1]), float(n_steps[-1] / n_paths[-1])


def _kind(name: str) -> str:
    return name if name in ("input", "logits") else {"a": "attn", "m": "mlp"}[name[0]]
