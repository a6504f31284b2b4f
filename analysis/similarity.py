"""How alike two circuits are, as edge vectors: binary (bool, 1 = in the circuit) or weighted (float, scores on its edges, else 0)."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

Kind = Literal["cosine", "jaccard", "hamming"]


def similarity(
    a: Shaped[np.ndarray, "*a n_edges"], b: Shaped[np.ndarray, "*b n_edges"], kind: Kind
) -> float | Float[np.ndarray, "..."]:
    """Similarity along the last axis, a number for two vectors; 1 = the same. Both binary (bool) or both weighted.

    Give the graph's real edges only: Hamming counts all of them. None depends on the scale of a weighted vector.

    * cosine: of signed scores, so that edges which support one answer and oppose the other part two circuits: -1 to 1.
    * jaccard: sum min / sum max; binary: shared edges / edges of either. Weighted: of |score| as a share of its sum (Ruzicka).
    * hamming: binary: 1 - share of edges on which they differ. Weighted: 1 - sum |a - b| / 2 of these shares, the mass in common.

    Weighted Jaccard and Hamming normalise the scores, because the mean of many score matrices (an anchor) is smaller than each
    of them and would be far from every sample. The three are released as options of CUD (arXiv 2601.09624); how its code
    weights them is not known to us. An empty circuit is like nothing by cosine and Jaccard: 0.
    """
    if kind == "cosine":
        return _share(np.multiply(a, b, dtype=np.float64).sum(-1), _norm(a) * _norm(b))
    most = a.shape[-1] if a.dtype == bool else 2
    a, b = _weights(a), _weights(b)
    if kind == "jaccard":
        return _share(np.minimum(a, b).sum(-1), np.maximum(a, b).sum(-1))
    return 1 - np.abs(a - b).sum(-1) / most


def _norm(vectors: np.ndarray) -> np.ndarray | np.floating:
    return np.sqrt(np.square(vectors, dtype=np.float64).sum(-1))


def _weights(vectors: np.ndarray) -> np.ndarray:
    if vectors.dtype == bool:
        return vectors.astype(np.float64)
    size = np.abs(vectors, dtype=np.float64)
    return _share(size, size.sum(-1, keepdims=True))


def _share(part: np.ndarray | np.generic, whole: np.ndarray | np.generic) -> np.ndarray | np.floating:
    """part / whole; 0 where there is no whole."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)[()]
