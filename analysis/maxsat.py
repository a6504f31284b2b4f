"""The fewest conflicts between two sides, as partial MaxSAT: python-sat's RC2 for the proof from below, better models from above."""

import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from analysis.cnf import Clauses, Formula, equivalence
from analysis.gates import place
from analysis.sat import Sat, solve_in_slices

Label = Literal["forget", "retain", "conflict"]
Labels = dict[str, Label]


@dataclass(frozen=True)
class Problem:
    """Hard clauses; per node the literal that is true when the node has that label (a node of one side cannot be in conflict)."""

    clauses: Clauses
    states: dict[str, dict[Label, int]]
    always: Labels  # what holds whatever the gates: the forget side all 0, the retain side all 1, every shared node in conflict
    n_variables: int

    @property
    def conflicts(self) -> list[int]:
        """A literal per soft clause, true when it is unmet."""
        return [literals["conflict"] for literals in self.states.values() if "conflict" in literals]

    def labels(self, model: set[int]) -> Labels:
        return {node: next(label for label in literals if literals[label] in model) for node, literals in self.states.items()}


def problem_of(formula: Formula) -> Problem:
    """The gates' clauses, and for each shared node: retain <-> x_f & x_r, forget <-> -x_f & -x_r, conflict <-> neither."""
    clauses = [clause for group in formula.groups for clause in group.clauses]
    number, states, always = count(max(formula.outputs) + 1), {}, {}
    for node in sorted({*formula.forget, *formula.retain}, key=place):
        x_f, x_r = formula.forget.get(node), formula.retain.get(node)
        if x_f and x_r:
            retain, forget, conflict = next(number), next(number), next(number)
            clauses += equivalence(retain, (x_f, x_r), conjunction=True) + equivalence(forget, (-x_f, -x_r), conjunction=True)
            clauses += equivalence(-conflict, (retain, forget), conjunction=False)
            states[node], always[node] = {"retain": retain, "forget": forget, "conflict": conflict}, "conflict"
        else:
            variable = x_f or x_r
            states[node], always[node] = {"retain": variable, "forget": -variable}, "forget" if x_f else "retain"
    return Problem(tuple(clauses), states, always, next(number) - 1)


@dataclass
class Search:
    """A problem, until when to search (time.monotonic), and what the search has cost so far."""

    problem: Problem
    deadline: float
    n_solver_calls: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str):
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = time.monotonic() - start

    def ask(self, sat: Sat, assumptions: Sequence[int]) -> Labels | None:
        self.n_solver_calls += 1
        model = sat.model(assumptions)
        return None if model is None else self.problem.labels(model)

    def counting(self, bound: int) -> tuple[Sat, list[int]]:
        """A solver of the hard clauses, and literals: assuming the k-th (k <= bound) allows at most k conflicts.

        Where `bound` is the number of soft clauses, or there are none, the last literals are missing: nothing to forbid.
        """
        from pysat.card import ITotalizer

        if not self.problem.conflicts:
            return Sat(self.problem.clauses, self.deadline), []
        with ITotalizer(self.problem.conflicts, ubound=bound, top_id=self.problem.n_variables) as total:
            return Sat([*self.problem.clauses, *total.cnf.clauses], self.deadline), [-literal for literal in total.rhs]


def fewest(search: Search) -> tuple[Labels, int]:
    """The best labels found, and a proven lower bound on their number of conflicts; equal: an optimum.

    First one good model, so that there is one to show. Then RC2 has half of the time; what it has proven by then stands, and the
    rest goes to ever better models.
    """
    with search.phase("solve"):
        halfway = (time.monotonic() + search.deadline) / 2
        first, _ = model_improving(search, search.problem.always, 0, n_models=1)
        labels, at_least = core_guided(search, halfway)
        return (labels, at_least) if labels is not None else model_improving(search, first, at_least)


def n_conflicts(labels: Labels) -> int:
    return sum(label == "conflict" for label in labels.values())


def core_guided(search: Search, deadline: float) -> tuple[Labels | None, int]:
    """RC2 (Ignatiev, Morgado, Marques-Silva 2019): every core found raises the bound. Labels None if time ran out before that."""
    from pysat.examples.rc2 import RC2
    from pysat.formula import WCNF

    class TimedRC2(RC2):
        def _call_oracle(self, assumptions=(), expect_interrupt=False):
            search.n_solver_calls += 1
            return solve_in_slices(self.oracle, assumptions, deadline)

    formula = WCNF()
    formula.extend([list(clause) for clause in search.problem.clauses])
    formula.extend([[-literal] for literal in search.problem.conflicts], weights=[1] * len(search.problem.conflicts))
    with TimedRC2(formula, exhaust=True) as rc2:
        try:
            return search.problem.labels(set(rc2.compute())), rc2.cost
        except TimeoutError:
            return None, rc2.cost


def model_improving(search: Search, labels: Labels, at_least: int, n_models: int | None = None) -> tuple[Labels, int]:
    """Labels with ever fewer conflicts, until none beats them (then the bound is theirs), `n_models` were found, or time runs out."""
    try:
        sat, at_most = search.counting(n_conflicts(labels))
        with sat:
            for _ in count() if n_models is None else range(n_models):
                n = n_conflicts(labels)
                if n == at_least:
                    break
                better = search.ask(sat, [at_most[n - 1]])
                if better is None:
                    return labels, n
                labels = better
    except TimeoutError:
        pass
    return labels, at_least
