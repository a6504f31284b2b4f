"""In words: why a node must be forgotten, must be kept, must be both, or is free."""

import time
from collections.abc import Sequence
from textwrap import shorten

from analysis.cnf import Group, is_conjunction, side_name
from analysis.conflict import Conflicts
from analysis.gates import Gate, LogicalCircuit, place
from analysis.proofs import Proof, Prover

LONGEST = 420  # characters of a reason; most have fewer than 300
LONGEST_PART = 110  # of one side's gates, before only one is told
MOST_SIDES = 3
OUT_OF_TIME = "no reason found within the time limit"


def reasons(
    forget: LogicalCircuit, retains: Sequence[LogicalCircuit], conflicts: Conflicts, *, time_limit: float = 30.0
) -> dict[str, str]:
    """A sentence or two for every node of any circuit. `time_limit` in seconds, for all; nodes it does not reach say so.

    A reason names a minimal set of gates: without any one of them the node could go the other way. It is one of often many such sets.
    """
    words = dict.fromkeys(conflicts.assigned, OUT_OF_TIME)
    with Prover(forget, retains, time.monotonic() + time_limit) as prover:
        speaker = _Speaker(prover, conflicts, len(retains))
        for node in words:
            try:
                words[node] = shorten(speaker.reason(node), LONGEST, placeholder=" …")
            except TimeoutError:
                break
    return words


class _Speaker:
    def __init__(self, prover: Prover, conflicts: Conflicts, n_retains: int):
        self.prover, self.found, self.n_retains = prover, conflicts, n_retains

    def reason(self, node: str) -> str:
        label = self.found.assigned[node]
        if label == "conflict":
            return self._conflict(node)
        proof = self.prover.must_stay(node) if label == "retain" else self.prover.must_go(node)
        if self.found.fixed[node]:
            proof, alone = proof or self.prover.jointly(node, self.found.assigned), proof
            return f"{node} {self._must(node, label, proof)}.{self._other_side(node, label) if alone else ''}"
        return f"{node} {self._must(node, label, proof)}.{self._elsewhere(node)}" if proof else self._open(node, label)

    def _conflict(self, node: str) -> str:
        stay, go = self.prover.must_stay(node), self.prover.must_go(node)
        if stay and go:
            return f"{node} {self._must(node, 'retain', stay)}. It {self._must(node, 'forget', go)}."
        proof = self.prover.jointly(node, self.found.assigned)
        if proof is None:
            return f"{node} is in conflict in the best solution found; whether it must be was not proven within the time limit."
        optional = self.found.status == "optimal" and not self.found.fixed[node]
        instead = " Another node could be in conflict instead; the tie-break takes this one." if optional else ""
        return f"{node} cannot have one fate in both: {self._because(node, proof)}.{instead}"

    def _must(self, node: str, label: str, proof: Proof) -> str:
        return f"must be {'kept' if label == 'retain' else 'forgotten'} because {self._because(node, proof)}"

    def _other_side(self, node: str, label: str) -> str:
        """The side that a fixed node's proof did not speak of."""
        if node not in self.prover.shared:
            return ""
        if label == "retain":
            return " The forget set's answer can go while it stays."
        return f" The retain {'set' if self.n_retains == 1 else 'sets'} can do without it."

    def _elsewhere(self, node: str) -> str:
        """One side alone decides on the node, but whether the other disagrees is open."""
        if node not in self.prover.shared:
            return ""
        if self.found.status == "optimal":
            return " In other solutions with as few conflicts it is in conflict instead of another node; the tie-break spares it."
        return " Whether it is in conflict was not proven within the time limit."

    def _open(self, node: str, label: str) -> str:
        verb = "keeps" if label == "retain" else "forgets"
        if self.found.status == "timeout":
            return f"The best solution found {verb} {node}; nothing was proven within the time limit."
        if self.found.status != "optimal":
            return f"The solution chosen {verb} {node}; whether all with as few conflicts do was not proven within the time limit."
        return f"Solutions with as few conflicts differ on {node}{self._choice(node)}; the tie-break {verb} it."

    def _choice(self, node: str) -> str:
        """A gate that any one of several inputs satisfies, the node among them."""
        for group in self.prover.formula.groups:
            gate, side = group.gate, group.side
            if gate and node in gate.inputs and len(gate.inputs) > 1 and is_conjunction(gate, side) == (side == 0):
                wanted = "retain" if side else "forget"
                if gate.target == "logits" or self.found.assigned[gate.target] == wanted:
                    verb, names = "stays" if side else "goes", _names(gate.inputs, {node})
                    return f": {_target(gate)} {verb} with any one of {names} ({gate.kind}, {side_name(side, self.n_retains)})"
        return ""

    def _because(self, node: str, proof: Proof) -> str:
        """The proof side by side, those first that something is asked of."""
        chain = {node, *proof.same, *(group.gate.target for group in proof.groups if group.gate)}
        sides = {side: [group for group in proof.groups if group.side == side] for side in range(self.n_retains, -1, -1)}
        asked = sorted(filter(None, sides.values()), key=lambda groups: all(group.gate for group in groups))
        told = [self._side(node, chain, groups) for groups in asked[:MOST_SIDES]]
        if len(asked) > MOST_SIDES:
            more = len(asked) - MOST_SIDES
            told.append(f"gates of {more} more {'set' if more == 1 else 'sets'}")
        others = [name for name in proof.same if name != node]
        if others:
            told.append(f"{_names(others, chain)} {'is' if len(others) == 1 else 'are'} to stay out of conflict")
        return "; ".join(told)

    def _side(self, node: str, chain: set[str], groups: list[Group]) -> str:
        """What is asked of the output, then from the output down: all of up to two gates, else the output's and the node's."""
        side, name = groups[0].side, side_name(groups[0].side, self.n_retains)
        gates = sorted((group.gate for group in groups if group.gate), key=lambda gate: place(gate.target), reverse=True)
        at_node = next((gate for gate in reversed(gates) if node in (gate.target, *gate.inputs)), gates[-1])
        told = _told([at_node] if at_node is gates[0] else [gates[0], at_node], len(gates), side, chain)
        if len(gates) == len(groups):
            return f"in {name} {told}"
        return f"{name}'s answer must {'stay' if side else 'go'}: {told.replace('the answer', 'it', 1)}"


def _told(gates: list[Gate], n_gates: int, side: int, chain: set[str]) -> str:
    words = [_gate(gate, side, chain) for gate in gates]
    if sum(map(len, words)) > LONGEST_PART:
        words = words[-1:]
    more = n_gates - len(words)
    return ", and ".join(words) + (f" ({more} more {'gate' if more == 1 else 'gates'} between)" if more else "")


def _gate(gate: Gate, side: int, chain: set[str]) -> str:
    if len(gate.inputs) == 1:
        return f"{_target(gate)} stands and falls with {gate.inputs[0]} ({gate.kind})"
    verb = "needs all of" if is_conjunction(gate, side) else "lives on any of"
    return f"{_target(gate)} {verb} {_names(gate.inputs, chain)} ({gate.kind})"


def _target(gate: Gate) -> str:
    return "the answer" if gate.target == "logits" else gate.target


def _names(names: Sequence[str], first: set[str]) -> str:
    """At most three names, those of `first` before others."""
    told = sorted(names, key=lambda name: name not in first)
    return ", ".join(told) if len(told) <= 3 else f"{', '.join(told[:2])} and {len(told) - 2} more"
