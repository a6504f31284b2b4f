"""A set of samples -> its maintain and break circuits, and the gates that they show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from analysis.ablation import Ablation, exchanged, node_outputs, replacement
from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import EdgeMask, Scores, prune, select
from analysis.dataset import Sample
from analysis.faithfulness import masked_log_prob
from analysis.gates import LogicalCircuit, gates_of
from analysis.graph import GraphIndex
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch, tokenize

Goal = Literal["maintain", "break"]
Masks = Bool[np.ndarray, "n_masks n_forward n_backward"]
Shares = Float[np.ndarray, " n_masks"]
N_SIZES = 12  # of the first round; every further one halves the gap
N_TRIALS = 64
TOLERANCE = 1e-6  # of a share
TIE = 1e-6  # weight of the other end's score, see `_strength`


@dataclass(frozen=True)
class DiscoveryConfig:
    """How a set's circuits are found. `target` is the faithfulness and the completeness to reach, `n_samples` on how many samples
    (drawn by `seed`) they are measured; scores are means over all samples.
    """

    method: Literal["greedy", "edge-pruning"] = "greedy"
    ablation: Ablation = "mean"
    target: float = 0.9
    n_samples: int = 32
    seed: int = 0

    def __post_init__(self):
        for name, known in {"method": ("greedy", "edge-pruning"), "ablation": ("zero", "mean", "patching")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name}: expected one of {', '.join(known)}, got {getattr(self, name)!r}")
        if not 0 < self.target <= 1:
            raise ValueError(f"target: expected a share above 0 and at most 1, got {self.target}")
        if self.n_samples < 1:
            raise ValueError(f"n_samples: expected at least 1, got {self.n_samples}")


@dataclass(frozen=True)
class SetCircuits:
    """`faithfulness` of `maintain` and `completeness` of `breaking`, each a ratio of means over `n_samples` samples; `reached`: both
    are at the target. Scores are means over the whole set, at the clean end (`noising`) and at the ablated end (`denoising`).
    """

    logical: LogicalCircuit
    maintain: EdgeMask
    breaking: EdgeMask
    noising: Scores
    denoising: Scores
    faithfulness: float
    completeness: float
    reached: bool
    n_samples: int


def set_circuits(
    handle: ModelHandle, samples: list[Sample], config: DiscoveryConfig, *, reference: TokenBatch | None = None,
    report: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> SetCircuits:
    """The maintain and the break circuit of a set, and their gates. `reference` is for mean ablation (default: the set itself).

    maintain: run from the clean input, edges outside the circuit carry ablated values. break: the same with clean and ablated
    exchanged, as in the code released with arXiv 2509.20977: run from the ablated input, edges outside the circuit carry clean values,
    so that the ablation has to travel along the circuit. (Were the circuit's edges set to ablated values instead, the one edge behind
    a gate would break the answer without its inputs, and no OR would ever show.) In both, a circuit's share is
    (M(circuit) - M(no edge)) / (M(all edges) - M(no edge)), M = mean answer log-probability over the samples: faithfulness in the
    maintain run, completeness in the break run.

    `greedy` differs from the paper, which learns masks: circuits grow by |score|, by that of their own end, and are the smallest on a
    grid refined by halving. `edge-pruning` learns them. Raises ValueError for an empty set, and where ablation changes
    nothing. Where it makes answers likelier, circuits are those of what holds them down.
    """
    if not samples:
        raise ValueError("expected at least one sample to find circuits of, got none")
    batch = tokenize(samples, handle.tokenizer, max_length=handle.max_length)
    patching = config.ablation == "patching"
    corrupted = tokenize(samples, handle.tokenizer, max_length=handle.max_length, corrupted=True) if patching else None
    reference = batch if reference is None else reference
    noising, denoising = _scores(handle, batch, config.ablation, reference, corrupted, report)
    rows = np.random.default_rng(config.seed).permutation(len(batch))[: config.n_samples]
    part, other = (b and b.select(sorted(rows.tolist())) for b in (batch, corrupted))
    ablated = other if patching else replacement(handle, batch, config.ablation, reference, None)
    found, shares = {}, {}
    for goal, strength in (("maintain", _strength(noising, denoising)), ("break", _strength(denoising, noising))):
        runs = _Runs(handle, part, goal, ablated)
        if config.method == "greedy":
            grown = _grown(strength, handle.index, config.target, runs)
            found[goal] = _thinned(grown, strength, handle.index, config.target, runs, partial(report, goal))
        else:
            from analysis.edge_pruning import prune_edges

            options = {"target": config.target, "reference": reference, "corrupted": other, "seed": config.seed}
            found[goal] = prune_edges(handle, part, goal, config.ablation, report=partial(report, goal), **options)
        shares[goal] = runs.share(found[goal])
    return SetCircuits(
        gates_of(handle.index, found["maintain"], found["break"], noising, denoising), found["maintain"], found["break"],
        noising, denoising, shares["maintain"], shares["break"], min(shares.values()) >= config.target - TOLERANCE, len(part),
    )


def _scores(
    handle: ModelHandle, batch: TokenBatch, ablation: Ablation, reference: TokenBatch, corrupted: TokenBatch | None,
    report: Callable[[str, int, int], None],
) -> list[Scores]:
    """Mean scores at the clean and at the ablated end; EAP-IG with one step at the left is EAP with the gradient at the latter."""
    at_ablated_end = AttributionConfig("EAP-IG-inputs", ablation, 1, quadrature="left")
    ends = {"noising": AttributionConfig("EAP", ablation), "denoising": at_ablated_end}
    return [
        edge_scores(
            handle, batch, config, reference=reference, corrupted=corrupted, report=partial(report, f"{name} scores")
        ).mean(0)
        for name, config in ends.items()
    ]


def _strength(own: Scores, opposite: Scores) -> Scores:
    """|score|, ties by the |score| at the other end: where a target is saturated, all its inputs score 0, those that it could use
    and those it could not."""
    own, opposite = (np.abs(scores).astype(np.float64) for scores in (own, opposite))
    return own / max(own.max(), 1e-30) + TIE * opposite / max(opposite.max(), 1e-30)


class _Runs:
    """Ablated runs of some samples for one goal; what replaces nodes is fixed, or what the corrupted samples' run writes.

    Keeps what every node of these samples writes: samples x nodes x tokens x d_model numbers, twice under patching.
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


def _grown(strength: Scores, index: GraphIndex, target: float, runs: _Runs) -> EdgeMask:
    """The smallest greedy circuit at the target: the first on a geometric grid of sizes, then halving the gap to the size before.

    The whole graph is at 1 by definition, so that there is one.
    """
    sizes = np.unique(np.geomspace(1, int(index.real_edges.sum()), N_SIZES).round().astype(int))
    circuits = np.stack([select(strength, index, int(size)) for size in sizes])
    first = int(np.argmax(runs.shares(circuits) >= target - TOLERANCE))
    kept, low, high = circuits[first], int(sizes[first - 1]) if first else 0, int(sizes[first])
    while high - low > 1:
        middle = (low + high) // 2
        circuit = select(strength, index, middle)
        if runs.share(circuit) >= target - TOLERANCE:
            kept, high = circuit, middle
        else:
            low = middle
    return kept


def _thinned(
    kept: EdgeMask, strength: Scores, index: GraphIndex, target: float, runs: _Runs, report: Callable[[int, int], None]
) -> EdgeMask:
    """Without what it does not need to stay at the target: edges are left out by blocks, weakest first, each pass with smaller ones.

    Growth passes over the inputs of a saturated gate, which score next to nothing at their own end, until much that is of no use is
    in; and it takes them all where one would do. At most about `N_TRIALS` runs, so that of a large circuit only blocks are tried.
    """
    n_trials, size = 0, int(kept.sum())
    while size > 1 and n_trials < N_TRIALS:
        size = -(-size // 2)
        edges = np.argwhere(kept)
        edges = edges[np.argsort(strength[kept], kind="stable")]
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
