"""CLUE's conflicts (arXiv 2509.20977): the fewest nodes that the forget set needs gone and the retain sets need kept.

Each side alone always has a solution. So every node of both sides gets a variable per side; hard clauses are the gates with what is
asked of the outputs, soft ones ask for the same value on both sides. A soft clause left unmet is a conflict. The paper enumerates
models of the two sides and takes the nearest pair; the optimum here is the same distance, proven without the enumeration.
The optimum is rarely the only one: `fixed` says which nodes are the same in all of them, and a tie-break picks one.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.cnf import encode
from analysis.gates import LogicalCircuit
from analysis.maxsat import Label, Labels, Search, fewest, n_conflicts, problem_of
from analysis.sat import Sat

PREFERENCE: tuple[Label, ...] = ("retain", "forget", "conflict")  # rather no conflict, then rather keep


@dataclass(frozen=True)
class Conflicts:
    """What `find_conflicts` found; it says what holds under which status."""

    status: Literal["optimal", "optimal, backbone incomplete", "timeout"]
    n_conflicts: int
    at_least: int  # proven lower bound; n_conflicts if optimal
    assigned: Labels  # every node of any circuit
    fixed: dict[str, bool]  # proven the same in every optimum
    statistics: dict[str, int | float]


def find_conflicts(forget: LogicalCircuit, retains: Sequence[LogicalCircuit], *, time_limit: float = 60.0) -> Conflicts:
    """The fewest conflicts, which nodes they fall on, and which nodes' label every optimum shares. `time_limit` in seconds, for all.

    Among the optima the nodes are gone through in the order of the forward pass, each taking the first of retain, forget, conflict
    that it has in an optimum with the labels taken before it: no solver and no order of gates can change that.
    "optimal": all is proven. "optimal, backbone incomplete": the number is proven; `fixed` is False where time ran out before its
    proof; if time ran out within the tie-break, the last `n_untied` nodes (statistics) are as the solver left them: an optimum still,
    but not one that comes again for sure. "timeout": `assigned` is the best found (at worst every shared node in conflict),
    `n_conflicts` counts its conflicts, `at_least` is proven, nothing is `fixed`.
    An empty side asks for nothing: without retain circuits nothing is in conflict and as few nodes go as the forget circuit allows
    in that order; with an empty forget circuit all nodes are retained. Raises ValueError for malformed gates (see `cnf.encode`).
    """
    search = Search(problem_of(encode(forget, retains, shared=False)), time.monotonic() + time_limit)
    labels, at_least = fewest(search)
    n, fixed, status, n_untied = n_conflicts(labels), dict.fromkeys(labels, False), "timeout", len(labels)
    if n == at_least:
        labels, fixed, n_untied, complete = _settle(search, labels)
        status = "optimal" if complete else "optimal, backbone incomplete"
    return Conflicts(status, n, at_least, labels, fixed, {**_statistics(search), "n_untied": n_untied})


def _statistics(search: Search) -> dict[str, int | float]:
    problem = search.problem
    sizes = {"n_variables": problem.n_variables, "n_clauses": len(problem.clauses), "n_soft": len(problem.conflicts)}
    return {**sizes, "n_solver_calls": search.n_solver_calls, **{f"{name}_seconds": spent for name, spent in search.seconds.items()}}


def _settle(search: Search, labels: Labels) -> tuple[Labels, dict[str, bool], int, bool]:
    """Of an optimum: the tie-broken one, what is fixed, how many nodes the tie-break missed, whether time sufficed for all."""
    n = n_conflicts(labels)
    optima = _Optima(search, labels)
    sat, at_most = search.counting(n)
    with sat:
        within = at_most[n : n + 1]  # none to assume where every soft clause may be unmet
        with search.phase("tie_break"):
            n_untied = optima.break_ties(sat, within)
        with search.phase("backbone"):
            complete = optima.prove_fixed(sat, within) and not n_untied
    return optima.labels, optima.fixed, n_untied, complete


class _Optima:
    """What is known of all optima. Every model seen tells of all nodes: one that has had two labels is asked about no more."""

    def __init__(self, search: Search, labels: Labels):
        self.search, self.labels = search, labels
        self.seen = {node: {label} for node, label in labels.items()}
        self.fixed = dict.fromkeys(labels, False)

    def _another(self, sat: Sat, assumptions: list[int]) -> Labels | None:
        found = self.search.ask(sat, assumptions)
        for node, label in (found or {}).items():
            self.seen[node].add(label)
        return found

    def break_ties(self, sat: Sat, within: list[int]) -> int:
        """`labels` becomes the first of the optima, compared node by node. Returns for how many nodes time did not suffice."""
        taken = list(within)
        for done, (node, literals) in enumerate(self.search.problem.states.items()):
            try:
                self._prefer(sat, taken, node)
            except TimeoutError:
                return len(self.labels) - done
            taken.append(literals[self.labels[node]])
        return 0

    def _prefer(self, sat: Sat, taken: list[int], node: str) -> None:
        for label in PREFERENCE[: PREFERENCE.index(self.labels[node])]:
            found = self._another(sat, [*taken, self.search.problem.states[node][label]])
            if found:
                self.labels = found
                return

    def prove_fixed(self, sat: Sat, within: list[int]) -> bool:
        """`fixed` becomes True where no optimum has another label. Returns False if time ran out."""
        for node, literals in self.search.problem.states.items():
            if len(self.seen[node]) == 1:
                try:
                    self.fixed[node] = self._another(sat, [*within, -literals[self.labels[node]]]) is None
                except TimeoutError:
                    return False
        return True
