"""Logical circuits: which inputs of a node work together as AND, OR or ADDER. Numpy, no torch.

A `maintain` circuit is enough for a set's answers when all other edges carry ablated values; a `break` circuit is enough to carry the
ablation from the input to the answers when all other edges carry clean ones. CLUE (arXiv 2509.20977; after arXiv 2505.10039) reads a
gate off the two: an edge in `maintain` alone is AND, in `break` alone OR, in both ADDER.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from analysis.graph import GraphIndex

GateKind = Literal["AND", "OR", "ADDER"]
SMALL = 0.5  # of what an edge passes on at the other end: below it, the edge counts as redundant at this end


@dataclass(frozen=True)
class Gate:
    """All inputs of one kind of a node. `target` is a head, an MLP or `logits`; `inputs` are heads and MLPs, never `input`."""

    target: str
    kind: GateKind
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class LogicalCircuit:
    """A set's gates; at most one of each kind per target. `input` takes no part: the prompt has no weights to change."""

    gates: tuple[Gate, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Heads and MLPs that take part, by name order of the forward pass; without `logits`."""
        names = {name for gate in self.gates for name in (gate.target, *gate.inputs)} - {"logits"}
        return tuple(sorted(names, key=place))


def place(node: str) -> tuple[int, int]:
    """Sorts as a forward pass runs: per layer its heads, then its MLP; `logits` last."""
    if node == "logits":
        return 10**9, 0
    layer, _, head = node[1:].partition(".h")
    return int(layer), int(head) if head else 10**9


def gates_of(
    index: GraphIndex,
    maintain: Bool[np.ndarray, "n_forward n_backward"],
    breaking: Bool[np.ndarray, "n_forward n_backward"],
    noising: Float[np.ndarray, "n_forward n_backward"],
    denoising: Float[np.ndarray, "n_forward n_backward"],
) -> LogicalCircuit:
    """Gates of a maintain and a break circuit, by target in the order of the forward pass.

    The q, k and v inputs of a head are one: it has the input if any of them has.

    A small circuit holds only one of several inputs that can stand in for each other: `maintain` one input of an OR, `break` one of
    an AND. In both circuits, that one would pass for an ADDER. It is OR if the target has another input in `break` alone, and the edge
    passes on less than half as much at the clean end (`noising`) as at the ablated end (`denoising`); AND the other way round. The
    released code counts such an edge when it asks for two inputs, but leaves it an ADDER. What an edge passes on: see `_passed_on`.

    An OR or AND of a single input is that input, and goes to the ADDER. A node that cannot reach `logits` gets an ADDER edge to it: a
    node that feeds none, since whoever feeds another reaches `logits` through it.
    """
    by_target = np.eye(index.n_forward + 1)[index.backward_nodes]  # [n_backward, n_targets]; the last target is `logits`
    kept, broken = (mask @ by_target > 0 for mask in (maintain, breaking))
    touched = (kept | broken).any(0)[:-1] | (kept | broken).any(1)
    kept[0] = broken[0] = touched[0] = False  # `input` is no variable
    clean, ablated = _passed_on(noising, denoising, by_target)
    either, both, only_kept, only_broken = kept | broken, kept & broken, kept & ~broken, broken & ~kept
    of_kind = {
        "AND": only_kept | (both & only_kept.any(0) & (ablated < SMALL * clean)),
        "OR": only_broken | (both & only_broken.any(0) & (clean < SMALL * ablated)),
    }
    of_kind = {kind: edges & (edges.sum(0) > 1) for kind, edges in of_kind.items()}
    of_kind["ADDER"] = either & ~of_kind["AND"] & ~of_kind["OR"]
    of_kind["ADDER"][:, -1] |= touched & ~either.any(1)
    names = [*index.forward_names, "logits"]
    return LogicalCircuit(tuple(
        Gate(names[target], kind, tuple(names[source] for source in np.flatnonzero(edges[:, target])))
        for target in range(1, len(names)) for kind, edges in of_kind.items() if edges[:, target].any()
    ))


def _passed_on(
    noising: Float[np.ndarray, "n_forward n_backward"], denoising: Float[np.ndarray, "n_forward n_backward"],
    by_target: Float[np.ndarray, "n_backward n_targets"],
) -> tuple[Float[np.ndarray, "n_forward n_targets"], Float[np.ndarray, "n_forward n_targets"]]:
    """What each joined edge passes on at the clean and at the ablated end, in a unit in which the two compare.

    Scores of the two ends are of different size for reasons that lie downstream of the target: the answer's log-probability is flat
    where its probability is near 1, and so is everything behind a saturated gate. Both scale an edge into a target and the edges out
    of it alike; so an edge counts as a share of all that the target hands on at that end (the |scores| of the edges out of it; for
    `logits`, of those into it). The shares are multiplied by both totals, so that none is divided by 0: where the target hands
    nothing on at an end, nothing is said of the gate. |Scores| of q, k and v add up: an edge is in a circuit if any of them is, and
    what cancels between them is in use none the less.
    """
    edges = [np.abs(scores).astype(np.float64) @ by_target for scores in (noising, denoising)]
    totals = [np.append(joined.sum(1), joined[:, -1].sum()) for joined in edges]
    return edges[0] * totals[1], edges[1] * totals[0]
