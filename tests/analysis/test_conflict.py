"""Conflicts against enumeration, by hand, and what holds for any circuits; time limits on instances that need more."""

import subprocess
import sys
import time
from dataclasses import replace
from threading import Thread

import pytest
from hypothesis import assume
from hypothesis import strategies as st

from analysis import conflict as conflict_module
from analysis import maxsat
from analysis.cnf import dimacs, encode
from analysis.conflict import find_conflicts
from analysis.gates import Gate, LogicalCircuit
from analysis.maxsat import Search, core_guided, model_improving, n_conflicts, problem_of
from tests.made_gates import circuit, circuits, covering, for_all, optima, quick_and_slow, sides

EMPTY = LogicalCircuit(())


def test_what_one_side_needs_all_of_and_the_other_lives_on_any_of():
    # forget: logits = m0 & m1 = 0, so one of them goes. retain: logits = m0 & m1 = 1 (ADDER), so both stay: 1 conflict, on either.
    # The tie-break spares the first.
    found = find_conflicts(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "ADDER", "m0 m1"))])
    assert (found.status, found.n_conflicts, found.at_least) == ("optimal", 1, 1)
    assert found.assigned == {"m0": "retain", "m1": "conflict"} and found.fixed == {"m0": False, "m1": False}
    # forget: m0 | m1 = 0 (ADDER), so both go. retain: m0 | m1 = 1 (OR), so one stays: 1 conflict again, the first is spared and goes.
    found = find_conflicts(circuit(("logits", "ADDER", "m0 m1")), [circuit(("logits", "OR", "m0 m1"))])
    assert found.n_conflicts == 1 and found.assigned == {"m0": "forget", "m1": "conflict"}
    # ADDER on both sides: both go and both stay, 2 conflicts without a choice.
    found = find_conflicts(circuit(("logits", "ADDER", "m0 m1")), [circuit(("logits", "ADDER", "m0 m1"))])
    assert found.assigned == {"m0": "conflict", "m1": "conflict"} and found.fixed == {"m0": True, "m1": True}
    # AND against OR: m0 stays for the retain set, m1 goes for the forget set (or the other way round), 0 conflicts.
    found = find_conflicts(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "OR", "m0 m1"))])
    assert found.n_conflicts == 0 and found.assigned == {"m0": "retain", "m1": "forget"} and not any(found.fixed.values())


def test_a_node_of_one_side_cannot_be_in_conflict_and_a_chain_can():
    # forget: logits = m2 (so m2 = 0) and m2 = a0.h0 | m0, so both of these go. retain: logits = m0 & m1, so both stay.
    forget, retain = circuit(("logits", "ADDER", "m2"), ("m2", "OR", "a0.h0 m0")), circuit(("logits", "ADDER", "m0 m1"))
    found = find_conflicts(forget, [retain])
    assert found.assigned == {"a0.h0": "forget", "m0": "conflict", "m1": "retain", "m2": "forget"} and all(found.fixed.values())
    statistics = found.statistics  # variables: 3 + 2 nodes, 2 outputs, 3 states of m0; clauses: 2 + 3 + 1, 3 + 1, and 9 of the states
    assert (statistics["n_variables"], statistics["n_clauses"], statistics["n_soft"]) == (10, 19, 1)
    assert statistics["n_solver_calls"] > 0 and statistics["n_untied"] == 0
    assert all(statistics[f"{phase}_seconds"] >= 0 for phase in ("solve", "tie_break", "backbone"))


def test_an_empty_side_asks_for_nothing():
    one = circuit(("logits", "AND", "m0 m1"), ("m1", "OR", "a0.h0 a1.h0"))
    alone = find_conflicts(one, [])  # m0 or m1 goes. a0.h0 has the first choice and stays; it keeps m1, so m0 goes.
    assert (alone.n_conflicts, alone.statistics["n_soft"]) == (0, 0)
    assert alone.assigned == {"a0.h0": "retain", "m0": "forget", "a1.h0": "retain", "m1": "retain"}
    kept = find_conflicts(EMPTY, [one])
    assert (kept.n_conflicts, set(kept.assigned.values())) == (0, {"retain"})
    assert kept.fixed == {"a0.h0": False, "m0": True, "a1.h0": False, "m1": True}
    assert find_conflicts(EMPTY, []).assigned == {}


@quick_and_slow
def test_number_labels_tie_break_and_backbone_are_those_of_enumeration(n_examples):
    counts = []

    @for_all(n_examples, sides())
    def check(two_sides):
        best, found = optima(*two_sides), find_conflicts(*two_sides)
        assert found.status == "optimal" and found.at_least == found.n_conflicts == list(best[0].values()).count("conflict")
        assert found.assigned == best[0]
        assert found.fixed == {node: len({labels[node] for labels in best}) == 1 for node in best[0]}
        counts.append((found.n_conflicts, len(best) > 1, all(found.fixed.values())))

    assert len({n for n, _, _ in counts}) > 2 and {True, False} == {many for _, many, _ in counts} == {one for _, _, one in counts}


def test_whichever_optimum_is_found_first_the_tie_break_takes_the_same(monkeypatch):
    """a0.h0 is kept in some, goes in others, and is in conflict in others still."""
    forget = circuit(("logits", "AND", "a0.h0 m0 a1.h0"), ("m0", "ADDER", "a0.h0"))
    retain = circuit(("logits", "OR", "a0.h0 m0 a1.h0"), ("a1.h0", "AND", "a0.h0 m0"))
    best = optima(forget, [retain])
    assert {labels["a0.h0"] for labels in best} == {"retain", "forget", "conflict"}
    for start in best:
        monkeypatch.setattr(conflict_module, "fewest", lambda _search, start=start: (start, 1))
        found = find_conflicts(forget, [retain])
        assert found.assigned == best[0] and not any(found.fixed.values())


@quick_and_slow
def test_from_above_and_from_below_it_is_the_same_number(n_examples):
    @for_all(n_examples, sides())
    def check(two_sides):
        search = Search(problem_of(encode(*two_sides, shared=False)), time.monotonic() + 60)
        labels, at_least = core_guided(search, search.deadline)
        other, bound = model_improving(search, search.problem.always, 0)
        assert n_conflicts(labels) == at_least == n_conflicts(other) == bound


@quick_and_slow
def test_one_more_retain_circuit_never_lowers_the_number(n_examples):
    @for_all(n_examples, sides(), circuits())
    def check(two_sides, more):
        forget, retains = two_sides
        assert find_conflicts(forget, [*retains, more]).n_conflicts >= find_conflicts(forget, retains).n_conflicts


@quick_and_slow
def test_labels_partition_the_nodes(n_examples):
    @for_all(n_examples, sides())
    def check(two_sides):
        found = find_conflicts(*two_sides)
        nodes = {node for one in (two_sides[0], *two_sides[1]) for node in one.nodes}
        shared = set(two_sides[0].nodes) & {node for one in two_sides[1] for node in one.nodes}
        conflicts = {node for node, label in found.assigned.items() if label == "conflict"}
        assert set(found.assigned) == set(found.fixed) == nodes
        assert len(conflicts) == found.n_conflicts and conflicts <= shared


@quick_and_slow
def test_disjoint_circuits_have_no_conflict(n_examples):
    @for_all(n_examples, circuits(("a0.h0", "m0", "m1")), circuits(("a0.h1", "a1.h0")))
    def check(forget, retain):
        assert find_conflicts(forget, [retain]).n_conflicts == 0


@quick_and_slow
def test_identical_circuits_have_one(n_examples):
    @for_all(n_examples, circuits())
    def check(one):
        assume(any(gate.target == "logits" for gate in one.gates))
        assert find_conflicts(one, [one]).n_conflicts >= 1


@quick_and_slow
def test_dimacs_is_satisfiable_exactly_without_conflicts(n_examples):
    from pysat.formula import CNF
    from pysat.solvers import Solver

    answers = set()

    @for_all(n_examples, sides())
    def check(two_sides):
        with Solver("cadical153", bootstrap_with=CNF(from_string=dimacs(*two_sides))) as solver:
            satisfiable = solver.solve()
        assert satisfiable == (find_conflicts(*two_sides).n_conflicts == 0)
        answers.add(satisfiable)

    assert answers == {True, False}


def untimed(found):
    return replace(found, statistics={name: value for name, value in found.statistics.items() if "seconds" not in name})


@pytest.mark.slow
def test_no_order_of_gates_inputs_or_retain_sets_changes_the_result():
    @for_all(25, circuits(), circuits(), circuits(), st.randoms(use_true_random=False))
    def check(forget, retain, other, rng):
        gates = [Gate(gate.target, gate.kind, tuple(rng.sample(gate.inputs, len(gate.inputs)))) for gate in forget.gates]
        found = find_conflicts(forget, [retain, other])
        assert untimed(find_conflicts(LogicalCircuit(tuple(rng.sample(gates, len(gates)))), [retain, other])) == untimed(found)
        turned = find_conflicts(forget, [other, retain])
        assert (turned.assigned, turned.fixed) == (found.assigned, found.fixed)


@pytest.mark.slow
def test_heads_that_swap_names_swap_labels():
    swap = {"a0.h0": "a0.h1", "a0.h1": "a0.h0"}

    def swapped(one: LogicalCircuit) -> LogicalCircuit:
        names = [(swap.get(gate.target, gate.target), gate.kind, [swap.get(name, name) for name in gate.inputs]) for gate in one.gates]
        return LogicalCircuit(tuple(Gate(target, kind, tuple(inputs)) for target, kind, inputs in names))

    @for_all(40, circuits(), circuits())
    def check(forget, retain):
        found, other = find_conflicts(forget, [retain]), find_conflicts(swapped(forget), [swapped(retain)])
        assert other.n_conflicts == found.n_conflicts
        assert {swap.get(node, node): fixed for node, fixed in found.fixed.items()} == other.fixed
        assert all(other.assigned[swap.get(node, node)] == found.assigned[node] for node in found.fixed if found.fixed[node])


def test_a_thread_finds_the_same():
    results, two_sides = [], covering(12, 20)
    thread = Thread(target=lambda: results.append(find_conflicts(*two_sides)))
    thread.start()
    thread.join()
    assert untimed(results[0]) == untimed(find_conflicts(*two_sides))


def test_without_time_the_answer_is_the_one_that_always_holds():
    found = find_conflicts(*covering(40, 80), time_limit=0.0)
    assert (found.status, found.n_conflicts, found.at_least) == ("timeout", 40, 0)
    assert found.assigned["a0.h3"] == "conflict" and found.assigned["a1.h7"] == "retain" and not any(found.fixed.values())


@pytest.mark.slow
def test_a_hard_instance_ends_in_time_with_both_bounds():
    forget, retains = covering(150, 700)
    start = time.monotonic()
    found = find_conflicts(forget, retains, time_limit=6.0)  # a quiet machine proves its bound in less than 1 s
    assert time.monotonic() - start < 12  # most of it is room for a busy machine
    assert found.status == "timeout" and 0 < found.at_least < found.n_conflicts < 150
    leaves = {node: label for node, label in found.assigned.items() if node.startswith("a0.")}
    assert set(leaves.values()) == {"forget", "conflict"} and list(leaves.values()).count("conflict") == found.n_conflicts
    parts = [gate for gate in retains[0].gates if gate.target != "logits"]
    assert all("conflict" in {leaves[name] for name in part.inputs} for part in parts)  # a solution indeed


def test_what_is_proven_before_time_runs_out_stays(monkeypatch):
    two_sides = covering(7, 6)
    whole, best = find_conflicts(*two_sides), optima_of_leaves(*two_sides)
    n_proven, n_untied, ask = [], [], conflict_module._Optima._another
    for n_calls in range(40):
        left = iter(range(n_calls))

        def limited(self, sat, assumptions, left=left):
            if next(left, None) is None:
                raise TimeoutError
            return ask(self, sat, assumptions)

        monkeypatch.setattr(conflict_module._Optima, "_another", limited)
        found = find_conflicts(*two_sides)
        assert found.n_conflicts == found.at_least == whole.n_conflicts
        assert {node for node, label in found.assigned.items() if label == "conflict"} in best
        assert all(whole.fixed[node] for node in found.fixed if found.fixed[node])
        if found.statistics["n_untied"] == 0:
            assert found.assigned == whole.assigned
        if found.status == "optimal":
            break
        assert found.status == "optimal, backbone incomplete"
        n_proven.append(sum(found.fixed.values()))
        n_untied.append(found.statistics["n_untied"])
    assert found == replace(whole, statistics=found.statistics) and len(n_proven) > 5 and n_proven[0] == 0 < n_proven[-1]
    assert n_untied[0] == len(whole.assigned) > 0 == n_untied[-1] and n_untied == sorted(n_untied, reverse=True)


def test_where_the_proof_from_below_runs_out_of_time_models_from_above_go_on(monkeypatch):
    two_sides = covering(20, 30)
    whole = find_conflicts(*two_sides)
    monkeypatch.setattr(maxsat, "core_guided", lambda _search, _deadline: (None, 1))
    found = find_conflicts(*two_sides)
    assert (found.status, found.assigned, found.fixed) == ("optimal", whole.assigned, whole.fixed)

    def all_time_spent(search, _deadline):
        search.deadline = 0.0
        return None, 1

    monkeypatch.setattr(maxsat, "core_guided", all_time_spent)
    found = find_conflicts(*two_sides)  # there is a model from before, and near the optimum
    assert (found.status, found.at_least) == ("timeout", 1) and whole.n_conflicts <= found.n_conflicts <= 2 * whole.n_conflicts < 20


@pytest.mark.parametrize("first", [0, 1])
def test_a_tie_break_that_ran_out_of_time_is_not_called_optimal(monkeypatch, first):
    """Either of m0 and m1 goes: both labels of both were seen, so that nothing is left to prove but which comes first."""
    def stopped(optima, _sat, _within):
        for node, label in zip(optima.labels, ("retain", "forget")[:: 1 - 2 * first], strict=True):
            optima.seen[node] = {"retain", "forget"}
            optima.labels = {**optima.labels, node: label}
        return 2

    monkeypatch.setattr(conflict_module._Optima, "break_ties", stopped)
    found = find_conflicts(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "OR", "m0 m1"))])
    assert (found.status, found.statistics["n_untied"]) == ("optimal, backbone incomplete", 2)


def test_what_is_proven_from_below_never_passes_the_optimum(monkeypatch):
    two_sides = covering(9, 9)
    optimum, solve, bounds = find_conflicts(*two_sides).n_conflicts, maxsat.solve_in_slices, []
    for n_calls in range(1, 60):
        left = iter(range(n_calls))

        def limited(*question, left=left):
            if next(left, None) is None:
                raise TimeoutError
            return solve(*question)

        monkeypatch.setattr(maxsat, "solve_in_slices", limited)
        labels, at_least = core_guided(Search(problem_of(encode(*two_sides, shared=False)), float("inf")), float("inf"))
        bounds.append(at_least)
        if labels is not None:
            break
    assert bounds == sorted(bounds) and len(set(bounds)) > 2
    assert bounds[-1] == optimum == n_conflicts(labels)


def optima_of_leaves(forget, retains) -> list[set[str]]:
    """The smallest sets of leaves that meet every part."""
    from itertools import combinations

    parts = [set(gate.inputs) for gate in retains[0].gates if gate.target != "logits"]
    for size in range(len(forget.nodes) + 1):
        covers = [set(chosen) for chosen in combinations(forget.nodes, size) if all(part & set(chosen) for part in parts)]
        if covers:
            return covers
    return []


def test_pages_that_read_conflicts_do_not_load_the_solver():
    code = "import sys, analysis.reasons; sys.exit(any(name.startswith(('pysat', 'torch')) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_malformed_gates_are_refused():
    with pytest.raises(ValueError, match="feeds m0 from m1"):
        find_conflicts(circuit(("m0", "OR", "m1")), [])
