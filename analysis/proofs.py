"""Why a node has its label: minimal sets of gates and demands that leave no other choice (MUSes over whole gates)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from analysis.cnf import Group, encode, equivalence
from analysis.gates import LogicalCircuit
from analysis.maxsat import Labels
from analysis.sat import Sat


@dataclass(frozen=True)
class Proof:
    """`groups` and the nodes `same` on both sides refute `tried` together, and without any one of them no more."""

    tried: tuple[int, ...]  # a literal of cnf.encode(.., shared=False), or none where `same` itself cannot be met
    groups: tuple[Group, ...]
    same: tuple[str, ...]


class Prover:
    """Two sides with their variables apart, every gate and every equality behind a switch; a context manager. Raises TimeoutError."""

    def __init__(self, forget: LogicalCircuit, retains: Sequence[LogicalCircuit], deadline: float):
        self.formula = formula = encode(forget, retains, shared=False)
        self.shared = [node for node in formula.forget if node in formula.retain]
        top = max(formula.outputs)
        self.equal = {node: top + i for i, node in enumerate(self.shared, start=1)}
        self.switch = {group: top + len(self.shared) + i for i, group in enumerate(formula.groups, start=1)}
        parts = [(switch, group.clauses) for group, switch in self.switch.items()]
        parts += [(switch, equivalence(formula.forget[n], [formula.retain[n]], conjunction=True)) for n, switch in self.equal.items()]
        self._sat = Sat([(-switch, *clause) for switch, clauses in parts for clause in clauses], deadline)

    def __enter__(self) -> "Prover":
        return self

    def __exit__(self, *exception) -> None:
        self._sat.__exit__(*exception)

    def refute(self, tried: tuple[int, ...], groups: Iterable[Group], same: Sequence[str] = ()) -> Proof | None:
        """A minimal refutation out of these; None if all can hold. Of what the solver used, equalities are the first to be left out if
        they can, then gates far from the output.
        """
        switches = [self.equal[node] for node in same] + [self.switch[group] for group in groups]
        core = self._sat.minimal_core(tried, switches)
        if core is None:
            return None
        needed = set(core)
        named = tuple(group for group, switch in self.switch.items() if switch in needed)
        return Proof(tried, named, tuple(node for node, switch in self.equal.items() if switch in needed))

    def must_go(self, node: str) -> Proof | None:
        """Why the forget circuit alone forgets the node."""
        x_f = self.formula.forget.get(node)
        return x_f and self.refute((x_f,), [group for group in self.formula.groups if group.side == 0])

    def must_stay(self, node: str) -> Proof | None:
        """Why the retain circuits alone keep the node."""
        x_r = self.formula.retain.get(node)
        return x_r and self.refute((-x_r,), [group for group in self.formula.groups if group.side > 0])

    def jointly(self, node: str, assigned: Labels) -> Proof | None:
        """Why the node has its label given that no node beside the assigned conflicts may be in conflict.

        Never None for an optimum's conflicts and for the nodes fixed in every optimum: else there were a better, or another, optimum.
        """
        same = [name for name in self.shared if assigned[name] != "conflict" or name == node]
        variable = self.formula.forget.get(node) or self.formula.retain[node]
        tried = {"conflict": (), "retain": (-variable,), "forget": (variable,)}[assigned[node]]
        return self.refute(tried, self.formula.groups, same)
