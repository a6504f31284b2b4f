"""The smallest circuit of a set that reaches a target: greedy growth by a score, then thinning, measured in ablated runs."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analysis.ablation import exchanged, node_outputs
from analysis.circuit import EdgeMask, Scores, prune, select
from analysis.faithfulness import masked_log_prob
from analysis.graph import GraphIndex
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch

Goal = Literal["maintain", "break"]
Masks = Bool[np.ndarray, "n_masks n_forward n_backward"]
Shares = Float[np.ndarray, " n_masks"]
N_SIZES = 12  # of the first round; every further one halves the gap
N_TRIALS = 64
TOLERANCE = 1e-6  # of a share


class Runs:
    """Ablated runs of some samples for one goal, and what share of the way from no edge to all edges a circuit goes.

    maintain: from the clean input, edges that are not kept carry `ablated`: fixed, or what the run of corrupted samples writes.
    break: from the ablated input, edges that are not kept carry what the clean run writes.

    Keeps what every node of these samples writes: samples x nodes x tokens x d_model numbers, twice under patching. Raises ValueError
    where M is the same with all edges and with none.
    """

    def __init__(self, handle: ModelHandle, batch: TokenBatch, goal: Goal, ablated: Tensor | TokenBatch, n_rows: int = 16):
        self.handle, self.goal, self.n_samples = handle, goal, len(batch)
        self.parts = []
        for rows in torch.arange(len(batch)).split(n_rows):
            part, instead = batch.select(rows).to(handle.device), ablated
            if isinstance(instead, TokenBatch):
                instead = node_outputs(handle, instead.select(rows).to(handle.device))[0]
            self.parts.append((part, node_outputs(handle, part)[0] if goal == "break" else None, instead))
        real = handle.index.real_edges
        self.none, self.all = self.log_prob(np.stack([real & False, real]))
        if not abs(self.all - self.none) > 1e-9:
            raise ValueError(
                f"expected ablation to change the answers' mean log-probability, but it is {self.all:.6g} with all edges and "
                f"{self.none:.6g} with none ({goal} run); take another ablation"
            )

    def shares(self, kept: Masks) -> Shares:
        """(M(kept) - M(no edge)) / (M(all edges) - M(no edge)), M = mean answer log-probability over the samples."""
        return (self.log_prob(kept) - self.none) / (self.all - self.none)

    def share(self, kept: EdgeMask) -> float:
        return float(self.shares(kept[None])[0])

    @torch.no_grad()
    def log_prob(self, kept: Masks) -> Shares:
        """Mean answer log-probability over the samples under each mask."""
        masks = torch.from_numpy(kept).to(self.handle.device).float()
        return np.array([sum(self.run(mask[None], *part) for part in self.parts) for mask in masks]) / self.n_samples

    def run(self, kept: Tensor, part: TokenBatch, clean: Tensor | None, ablated: Tensor) -> float:
        kept, instead = (kept, ablated) if clean is None else exchanged(kept, clean, ablated)
        return masked_log_prob(self.handle, part, kept, instead).sum().item()


def smallest(
    scores: Scores, index: GraphIndex, target: float, runs: Runs, report: Callable[[int, int], None] = lambda done, total: None
) -> EdgeMask:
    """A circuit at the target share, grown by |score| and thinned."""
    return _thinned(_grown(scores, index, target, runs), scores, index, target, runs, report)


def _grown(scores: Scores, index: GraphIndex, target: float, runs: Runs) -> EdgeMask:
    """The smallest greedy circuit at the target: the first on a geometric grid of sizes, then halving the gap to the size before.

    The whole graph is at 1 by definition, so that there is one.
    """
    sizes = np.unique(np.geomspace(1, int(index.real_edges.sum()), N_SIZES).round().astype(int))
    circuits = np.stack([select(scores, index, int(size)) for size in sizes])
    first = int(np.argmax(runs.shares(circuits) >= target - TOLERANCE))
    kept, low, high = circuits[first], int(sizes[first - 1]) if first else 0, int(sizes[first])
    while high - low > 1:
        middle = (low + high) // 2
        circuit = select(scores, index, middle)
        if runs.share(circuit) >= target - TOLERANCE:
            kept, high = circuit, middle
        else:
            low = middle
    return kept


def _thinned(
    kept: EdgeMask, scores: Scores, index: GraphIndex, target: float, runs: Runs, report: Callable[[int, int], None]
) -> EdgeMask:
    """Without what it does not need to stay at the target: edges are left out by blocks, weakest first, each pass with smaller ones.

    Growth passes over the inputs of a saturated gate, which score next to nothing at their own end, until much that is of no use is
    in; and it takes them all where one would do. No pass begins after `N_TRIALS` runs (the last may double them), so that of a large
    circuit only blocks are tried.
    """
    n_trials, size = 0, int(kept.sum())
    while size > 1 and n_trials < N_TRIALS:
        size = -(-size // 2)
        edges = np.argwhere(kept)
        edges = edges[np.argsort(np.abs(scores[kept]), kind="stable")]
        for start in range(0, len(edges), size):
            report(min(n_trials, N_TRIALS), N_TRIALS)
            without = kept.copy()
            without[tuple(edges[start : start + size].T)] = False
            without = prune(without, index)
            n_trials += 1
            if runs.share(without) >= target - TOLERANCE:
                kept = without
    report(N_TRIALS, N_TRIALS)
    return kept
