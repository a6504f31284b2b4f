"""Circuits by edge pruning: a gate on every edge, trained on a set of samples with the weights frozen.

Gates are hard concrete (arXiv 1712.01312, stretch and temperature as there), one for each edge as in Edge Pruning (2406.16778).
The code released with that paper trains towards a given sparsity, has gates for nodes besides, and starts from gates that are all but
certain (log-alpha 10). Here sparsity is what is minimised, and what the set must reach is given: faithfulness or completeness of its
answers, by one multiplier. Slower than ranking edges by a score, and sharper: gates are trained together, scores know one edge each.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis.ablation import Ablation, exchanged, node_outputs, replacement
from analysis.circuit import EdgeMask, prune
from analysis.faithfulness import masked_log_prob
from analysis.growth import Goal
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch
from analysis.writes import wide_type

Gates = Float[Tensor, " n_edges"]  # of the real edges, by source, then destination

LOW, HIGH = -0.1, 1.1  # the stretch: what falls below 0 or above 1 is a gate that is shut or open for certain
TEMPERATURE = 2 / 3
FIRST_LOG_ALPHA = 2.0  # gates at 0.96 on average
N_ROWS = 8  # samples in a step
LEARNING_RATE, BETAS = 0.1, (0.9, 0.95)  # Adam; halfway through, the rate starts to fall to 0
FIRST_MULTIPLIER, MULTIPLIER_RATE = 0.2, 0.05


def prune_edges(
    handle: ModelHandle, batch: TokenBatch, goal: Goal, ablation: Ablation, *, target: float,
    reference: TokenBatch | None = None, corrupted: TokenBatch | None = None, n_steps: int = 400, seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> EdgeMask:
    """A small set of edges that reaches `target` on the samples of `batch` together, in really ablated runs.

    `maintain`: run from the clean input with all other edges ablated, faithfulness is at least the target. `break`: run from the
    ablated input with all other edges as in the clean run, completeness is. Both are the shares of `growth.Runs`, and both circuits
    hold only edges on a path from `input` to `logits`. The weights stay as they are, bit for bit; the same seed gives the same edges.

    A step keeps for its way back, per layer and sample, some four times sources x tokens x d_model numbers, of at most 8 samples.
    Raises ValueError if `target` is not in (0, 1], `n_steps` is not positive, or ablating every edge changes nothing on average.
    """
    if not 0 < target <= 1:
        raise ValueError(f"target: expected a share above 0 and at most 1, got {target}")
    if n_steps < 1:
        raise ValueError(f"n_steps: expected at least 1, got {n_steps}")
    batch, corrupted = batch.to(handle.device), None if corrupted is None else corrupted.to(handle.device)
    with torch.no_grad():
        task = _Task(handle, batch, goal, replacement(handle, batch, ablation, reference, corrupted))
    return _hardened(task, target, _trained(task, target, n_steps, seed, report))


def sampled_gates(log_alpha: Gates, uniform: Gates) -> Gates:
    """Gates drawn from the hard concrete distribution by uniform noise in (0, 1)."""
    return _stretched(((torch.logit(uniform) + log_alpha) / TEMPERATURE).sigmoid())


def settled_gates(log_alpha: Gates) -> Gates:
    """The gate that stands for the distribution once trained (its estimate in arXiv 1712.01312, not its exact mean)."""
    return _stretched(log_alpha.sigmoid())


def open_probability(log_alpha: Gates) -> Gates:
    """Probability of a gate above 0: the summands of the expected L0 norm."""
    return (log_alpha - TEMPERATURE * math.log(-LOW / HIGH)).sigmoid()


def _stretched(gates: Gates) -> Gates:
    return (gates * (HIGH - LOW) + LOW).clamp(0, 1)


class _Task:
    """What gates are trained for: how much of the answer their edges keep alone, or lose alone."""

    def __init__(self, handle: ModelHandle, batch: TokenBatch, goal: Goal, ablated: Tensor):
        self.handle, self.batch, self.ablated = handle, batch, ablated
        self.clean = node_outputs(handle, batch)[0] if goal == "break" else None
        self.real = torch.from_numpy(handle.index.real_edges).to(handle.device)
        self.type = wide_type(handle.model.dtype)
        self.empty = self.measured(torch.zeros_like(self.real))
        self.gap = (self.measured(self.real) - self.empty).mean()
        if abs(float(self.gap)) < 1e-9:
            raise ValueError(f"ablating every edge changes the answers' log-probability by {float(self.gap):.1g}; expected more")

    def log_prob(self, kept: Tensor, rows: list[int]) -> Float[Tensor, " n_rows"]:
        part, kept, others = self.batch.select(rows), kept[None].to(self.type), self.ablated
        width = part.input_ids.shape[1]
        if len(others) > 1:  # patching: a run of its own for each sample
            others = others[rows][:, :, :width]
        if self.clean is not None:
            kept, others = exchanged(kept, self.clean[rows][:, :, :width], others)
        return masked_log_prob(self.handle, part, kept, others)

    @torch.no_grad()
    def measured(self, kept: Tensor) -> Float[Tensor, " n_samples"]:
        parts = torch.arange(len(self.batch)).split(N_ROWS)
        return torch.cat([self.log_prob(kept, part.tolist()) for part in parts]).to(self.type)

    def score(self, log_prob: Tensor, rows: list[int]) -> Float[Tensor, ""]:
        """Faithfulness or completeness: the mean over these samples, by the gap of all of them."""
        return (log_prob - self.empty[rows]).mean() / self.gap

    def kept(self, gates: Gates) -> Float[Tensor, "n_forward n_backward"]:
        return torch.zeros(self.real.shape, dtype=gates.dtype, device=gates.device).masked_scatter(self.real, gates)


def _trained(task: _Task, target: float, n_steps: int, seed: int, report: Callable[[int, int], None]) -> Gates:
    """Log-alpha of every edge, by descent on share of open gates + multiplier * (target - score), by ascent of the multiplier."""
    noise = torch.Generator().manual_seed(seed)  # on the CPU: the same draws on every device
    log_alpha = torch.full((int(task.real.sum()),), FIRST_LOG_ALPHA, dtype=task.type, device=task.real.device).requires_grad_()
    optimizer = torch.optim.Adam([log_alpha], lr=LEARNING_RATE, betas=BETAS)
    multiplier, order = FIRST_MULTIPLIER, []
    for step in range(n_steps):
        order = order or torch.randperm(len(task.batch), generator=noise).tolist()
        rows, order = order[:N_ROWS], order[N_ROWS:]
        uniform = torch.rand(len(log_alpha), generator=noise, dtype=torch.float64).clamp(1e-6, 1 - 1e-6).to(log_alpha)
        with torch.enable_grad():
            missing = target - task.score(task.log_prob(task.kept(sampled_gates(log_alpha, uniform)), rows), rows)
            loss = open_probability(log_alpha).mean() + multiplier * missing
            log_alpha.grad = torch.autograd.grad(loss, log_alpha)[0]  # of nothing else: weights get none, whatever they ask for
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * min(1, 2 - 2 * step / n_steps)
        optimizer.step()
        multiplier = max(0.0, multiplier + MULTIPLIER_RATE * float(missing.detach()))
        report(step + 1, n_steps)
    return log_alpha.detach()


def _hardened(task: _Task, target: float, log_alpha: Gates) -> EdgeMask:
    """Edges whose gate is more open than shut; where they miss the target more, where they reach it no more than that takes.

    More or fewer in the order of log-alpha, by halving: the result reaches the target, and one edge less in that order does not.
    """
    sources, columns = np.nonzero(task.handle.index.real_edges)
    order = torch.argsort(log_alpha, descending=True, stable=True).cpu().numpy()
    everything = list(range(len(task.batch)))

    def first(n_edges: int) -> EdgeMask:
        chosen = np.zeros(task.handle.index.real_edges.shape, dtype=bool)
        chosen[sources[order[:n_edges]], columns[order[:n_edges]]] = True
        return prune(chosen, task.handle.index)

    def reached(n_edges: int) -> bool:
        gates = torch.from_numpy(first(n_edges)).to(task.real.device)[task.real]
        return bool(task.score(task.measured(task.kept(gates.to(task.type))), everything) >= target)

    n_open = max(1, int((settled_gates(log_alpha) > 0.5).sum()))
    low, high = (0, n_open) if reached(n_open) else (n_open, len(order))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return first(high)
