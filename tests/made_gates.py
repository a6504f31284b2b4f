"""Small random logical circuits, and CLUE's conflicts by enumeration: no clause, no solver, nothing shared with the code under test."""

import random
import warnings
from functools import cache
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.gates import Gate, LogicalCircuit

NODES = ("a0.h0", "a0.h1", "m0", "a1.h0", "m1")  # in the order of the forward pass
FEEDS = {target: NODES[: (0, 0, 2, 3, 4, 5)[i]] for i, target in enumerate([*NODES, "logits"])}
ORDER = ("retain", "forget", "conflict")  # what the tie-break prefers


def circuit(*gates: tuple[str, str, str]) -> LogicalCircuit:
    """circuit(("logits", "AND", "m0 m1"), ..)."""
    return LogicalCircuit(tuple(Gate(target, kind, tuple(inputs.split())) for target, kind, inputs in gates))


KINDS = st.sets(st.sampled_from(["AND", "OR", "ADDER"]), max_size=2)


@cache  # Hypothesis examines a strategy when it is first drawn from: more work than the draw
def inputs_from(sources: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(sources), min_size=1, max_size=3, unique=True)


@st.composite
def circuits(draw, nodes=NODES):
    """Any gates over some of `nodes`; a target may have none, one or several kinds."""
    gates = []
    for target in (*nodes, "logits"):
        sources = tuple(source for source in FEEDS[target] if source in nodes)
        for kind in draw(KINDS) if sources else ():
            gates.append(Gate(target, kind, tuple(draw(inputs_from(sources)))))
    return LogicalCircuit(tuple(sorted(gates, key=lambda gate: (gate.target, gate.kind))))


def covering(n_leaves: int, n_parts: int) -> tuple[LogicalCircuit, list[LogicalCircuit]]:
    """Every leaf must go; of every part one of three leaves must stay. The fewest conflicts are a smallest cover: hard."""
    rng, leaves = random.Random(0), [f"a0.h{i}" for i in range(n_leaves)]
    parts = [Gate(f"a1.h{i}", "OR", tuple(rng.sample(leaves, 3))) for i in range(n_parts)]
    retain = LogicalCircuit((*parts, Gate("logits", "AND", tuple(part.target for part in parts))))
    return LogicalCircuit((Gate("logits", "OR", tuple(leaves)),)), [retain]


def sides():
    """A forget circuit and one or two retain circuits."""
    return st.tuples(circuits(), st.lists(circuits(), min_size=1, max_size=2))


quick_and_slow = pytest.mark.parametrize("n_examples", [25, pytest.param(100, marks=pytest.mark.slow)])


def for_all(n_examples, *strategies):
    """Runs the decorated check now, on the same examples every time."""
    def run(check):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Do not use the `random`")  # the tests' type checker does, for a gate made in a strategy
            settings(max_examples=n_examples, derandomize=True, deadline=None, database=None)(given(*strategies)(check))()

    return run


def holds(gate: Gate, value: dict[str, bool], is_forget: bool) -> bool:
    """The gate's equation as CLUE words it."""
    inputs = [value[name] for name in gate.inputs]
    needs_all = {"AND": True, "OR": False, "ADDER": not is_forget}[gate.kind]
    return value[gate.target] == (all(inputs) if needs_all else any(inputs))


def solutions(side: list[LogicalCircuit], is_forget: bool) -> list[dict[str, bool]]:
    """All values of a side's nodes that meet its gates, with its outputs 0 (forget) or 1 (retain)."""
    nodes = sorted({node for one in side for node in one.nodes})
    found = []
    for values in product([False, True], repeat=len(nodes)):
        value = {**dict(zip(nodes, values, strict=True)), "logits": not is_forget}
        if all(holds(gate, value, is_forget) for one in side for gate in one.gates):
            found.append(value)
    return found


def label(node: str, forget: dict[str, bool], retain: dict[str, bool]) -> str:
    values = {side[node] for side in (forget, retain) if node in side}
    return "conflict" if len(values) == 2 else ("retain" if values == {True} else "forget")


def optima(forget: LogicalCircuit, retains: list[LogicalCircuit]) -> list[dict[str, str]]:
    """The labels of all nodes in each solution with the fewest conflicts, the tie-break's first."""
    nodes = [node for node in NODES if any(node in one.nodes for one in (forget, *retains))]
    pairs = product(solutions([forget], True), solutions(retains, False))
    labels = [{node: label(node, x_f, x_r) for node in nodes} for x_f, x_r in pairs]
    fewest = min(list(found.values()).count("conflict") for found in labels)
    best = [found for found in labels if list(found.values()).count("conflict") == fewest]
    return sorted(best, key=lambda found: [ORDER.index(found[node]) for node in nodes])
