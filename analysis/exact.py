"""The real effect of every edge, one ablation each: the oracle of attribution, for small graphs."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float

from analysis.ablation import Ablation
from analysis.faithfulness import ablated_log_prob
from analysis.losses import Metric, answer_metric, n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch
from analysis.writes import score_type

MAX_EDGES = 5000  # runs per sample; the embedded model has 1,997 edges, GPT-2 small 32,491


def exact_scores(
    handle: ModelHandle, batch: TokenBatch, ablation: Ablation, metric: Metric, reference: TokenBatch,
    corrupted: TokenBatch | None, memory_budget: int, report: Callable[[int, int], None],
    keep: Callable[[list[int], np.ndarray], None],
) -> Float[np.ndarray, "n_samples n_forward n_backward"]:
    """M(clean) - M(this edge ablated, all others as they come) of every edge for every sample; 0 where there is no edge.

    Raises ValueError for a graph of more than MAX_EDGES edges, or where one run needs more than `memory_budget` bytes.
    """
    real = handle.index.real_edges
    if (n_edges := int(real.sum())) > MAX_EDGES:
        raise ValueError(
            f"method: exact runs the model once per edge and sample; expected at most {MAX_EDGES:,} edges, got {n_edges:,}; "
            "use EAP-IG-inputs"
        )
    scores = np.zeros((len(batch), *real.shape), score_type(handle))
    single_edges = np.zeros((n_edges, *real.shape), dtype=bool)
    single_edges[np.arange(n_edges), *np.nonzero(real)] = True
    kept = np.concatenate([real[None], real & ~single_edges])
    for row in range(len(batch)):
        sample, other = batch.select([row]), corrupted and corrupted.select([row])
        n_rows = _rows_that_fit(handle, sample, memory_budget - 3 * kept.nbytes)
        log_prob = torch.from_numpy(
            ablated_log_prob(handle, sample, kept, ablation, reference=reference, corrupted=other, n_rows=n_rows)
        )
        values = answer_metric(log_prob, log_prob[:1].expand_as(log_prob), metric).numpy()
        scores[row][real] = values[0] - values[1:]
        keep([row], scores[[row]])
        report(row + 1, len(batch))
    return scores


def _rows_that_fit(handle: ModelHandle, sample: TokenBatch, budget: int) -> int:
    """How many runs at once: every node's output, and what every head reads, each apart."""
    index, n_pos = handle.index, sample.input_ids.shape[1]
    per_row = n_pos * index.d_model * (4 * index.n_forward + 20 * index.n_heads) * handle.model.dtype.itemsize
    per_row += n_kept(sample.labels) * handle.model.config.vocab_size * 16
    if budget < per_row:
        raise ValueError(
            f"memory_budget: one run with an edge ablated needs about {per_row / 1e9:.2g} GB beside the edges, got "
            f"{budget / 1e9:.2g}; give more memory or shorter samples"
        )
    return min(32, budget // per_row)
