"""A set of samples -> its maintain and break circuits, and the gates that they show."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from analysis.ablation import Ablation, replacement
from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import EdgeMask, Scores
from analysis.dataset import Sample
from analysis.gates import LogicalCircuit, gates_of
from analysis.growth import TOLERANCE, Runs, smallest
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch, tokenize


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
    exchanged, as in the code released with arXiv 2509.20977, so that the ablation has to travel along the circuit. (Were the
    circuit's edges just set to ablated values, the one edge behind a gate would break the answer, and no OR would ever show.)
    Faithfulness and completeness are the share that a circuit reaches in the two: see `Runs.shares`.

    `greedy` differs from the paper, which learns masks; `edge-pruning` learns them. Raises ValueError for an empty set, and where
    ablation changes nothing. Where it makes answers likelier, circuits are those of what holds them down.
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
    for goal, scores in (("maintain", noising), ("break", denoising)):
        runs = Runs(handle, part, goal, ablated)
        if config.method == "greedy":
            found[goal] = smallest(scores, handle.index, config.target, runs, partial(report, goal))
        else:
            from analysis.edge_pruning import prune_edges

            options = {"target": config.target, "reference": reference, "corrupted": other, "seed": config.seed}
            found[goal] = prune_edges(handle, part, goal, config.ablation, report=partial(report, goal), **options)
        shares[goal] = runs.share(found[goal])
    logical = gates_of(handle.index, found["maintain"], found["break"], noising, denoising)
    reached = min(shares.values()) >= config.target - TOLERANCE
    return SetCircuits(
        logical, found["maintain"], found["break"], noising, denoising, shares["maintain"], shares["break"], reached, len(part)
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
