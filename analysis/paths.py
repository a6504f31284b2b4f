"""The strongest path through a circuit."""

import numpy as np

from analysis.circuit import Circuit


def strongest_path(circuit: Circuit) -> tuple[list[str], float]:
    """Nodes from `input` to `logits` on the path whose weakest edge is strongest by |score|, and that edge's share of |score|.

    The share is of all edges of the circuit. On a tie the source that writes first wins. ([], NaN) if there is no path, or all
    scores are zero.
    """
    index, owner = circuit.index, circuit.index.backward_nodes
    size = np.where(circuit.in_circuit, np.abs(circuit.scores).astype(float), 0.0)
    width = np.zeros(index.n_forward + 1)
    width[0] = np.inf
    before = np.zeros(index.n_forward + 1, dtype=int)
    for column in range(index.n_backward):  # forward order: every source is final before it is read
        through = np.minimum(width[:-1], size[:, column])
        best, node = int(through.argmax()), owner[column]
        if through[best] > width[node]:
            width[node], before[node] = through[best], best
    if not width[-1]:
        return [], float("nan")
    path = [index.n_forward]
    while path[-1]:
        path.append(int(before[path[-1]]))
    names = [*index.forward_names, "logits"]
    return [names[node] for node in reversed(path)], float(width[-1] / size.sum())
