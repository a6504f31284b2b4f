"""A SAT solver that keeps to a deadline, and minimal unsatisfiable sets. python-sat is imported when it solves, not by pages.

Glucose 3 searches in slices of some thousand clashes and looks at the clock between them (what it learnt stays). So a limit holds in
any thread, without a timer or a signal; python-sat's CaDiCaL takes no budget, which is why it is not used here.
"""

import time
from collections.abc import Iterable, Sequence

N_CLASHES_PER_SLICE = 1000


def solve_in_slices(glucose, assumptions: Sequence[int], deadline: float) -> bool:
    """Whether the solver's clauses have a model under the assumptions. Raises TimeoutError after `deadline` (of time.monotonic)."""
    while time.monotonic() < deadline:
        glucose.conf_budget(N_CLASHES_PER_SLICE)
        satisfiable = glucose.solve_limited(assumptions=list(assumptions))
        if satisfiable is not None:
            return satisfiable
    raise TimeoutError("the SAT solver's time is up")


class Sat:
    """A set of clauses asked again and again; a context manager."""

    def __init__(self, clauses: Iterable[Sequence[int]], deadline: float):
        from pysat.solvers import Solver

        self.glucose = Solver("glucose3", bootstrap_with=[list(clause) for clause in clauses])
        self.deadline = deadline

    def __enter__(self) -> "Sat":
        return self

    def __exit__(self, *_) -> None:
        self.glucose.delete()

    def model(self, assumptions: Sequence[int] = ()) -> set[int] | None:
        """The literals true in a model, or None if there is none. Raises TimeoutError."""
        return set(self.glucose.get_model()) if solve_in_slices(self.glucose, assumptions, self.deadline) else None

    def minimal_core(self, given: Sequence[int], selectors: Sequence[int]) -> list[int] | None:
        """The selectors of a minimal set that cannot hold together with `given`: without any one of them all could hold.

        None if all can hold. By deletion, in the order of `selectors`; each refutation's core shrinks the rest. Raises TimeoutError.
        """
        if self.model([*given, *selectors]) is not None:
            return None
        left, needed = self._used(selectors), []
        while left:
            candidate, *others = left
            if self.model([*given, *needed, *others]) is None:
                left = self._used(others)
            else:
                left, needed = others, [*needed, candidate]
        return needed

    def _used(self, selectors: Sequence[int]) -> list[int]:
        core = set(self.glucose.get_core() or ())
        return [selector for selector in selectors if selector in core]
