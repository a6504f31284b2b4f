"""Logical circuits: which inputs of a node work together as AND, OR or ADDER. Plain Python, no torch.

A `maintain` circuit holds the edges that keep a set's answers when all else is ablated, a `break` circuit those whose ablation breaks
them. CLUE (arXiv 2509.20977) reads a gate off the two: an edge in `maintain` alone is AND, in `break` alone OR, in both ADDER.
"""

from dataclasses import dataclass
from typing import Literal

GateKind = Literal["AND", "OR", "ADDER"]


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
