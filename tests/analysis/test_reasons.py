"""Reasons: minimal sets of gates checked by enumeration, and their words."""

from dataclasses import replace
from functools import reduce
from itertools import product

import numpy as np
import pytest

from analysis.conflict import find_conflicts
from analysis.gates import LogicalCircuit
from analysis.proofs import Prover
from analysis.reasons import LONGEST, OUT_OF_TIME, reasons
from tests.made_gates import circuit, covering, for_all, holds, quick_and_slow, sides, solutions


def words(forget, retains, **limit):
    return reasons(forget, retains, find_conflicts(forget, retains), **limit)


class Enumeration:
    """For all values of both sides' nodes and outputs at once: where each part of a proof holds. No clauses."""

    def __init__(self, formula):
        self.formula = formula
        self.values = np.array(list(product([False, True], repeat=max(formula.outputs))))
        self.holds_at = {group: self.group(group) for group in formula.groups}

    def group(self, group) -> np.ndarray:
        columns = {**(self.formula.retain if group.side else self.formula.forget), "logits": self.formula.outputs[group.side]}
        if group.gate is None:
            return self.values[:, columns["logits"] - 1] == (group.side > 0)
        names = [group.gate.target, *group.gate.inputs]
        meets = {bits: holds(group.gate, dict(zip(names, bits, strict=True)), group.side == 0)
                 for bits in product([False, True], repeat=len(names))}
        return np.array([meets[tuple(bits)] for bits in self.values[:, [columns[name] - 1 for name in names]].tolist()])

    def parts(self, proof) -> list[np.ndarray]:
        same = [self.values[:, self.formula.forget[n] - 1] == self.values[:, self.formula.retain[n] - 1] for n in proof.same]
        return [*(self.holds_at[group] for group in proof.groups), *same]

    def is_minimal(self, proof) -> bool:
        tried = [self.values[:, abs(literal) - 1] == (literal > 0) for literal in proof.tried]
        parts, everything = self.parts(proof), np.ones(len(self.values), bool)
        refuted = not reduce(np.logical_and, [*tried, *parts], everything).any()
        needed = [reduce(np.logical_and, [*tried, *parts[:i], *parts[i + 1:]], everything).any() for i in range(len(parts))]
        return refuted and all(needed)


@quick_and_slow
def test_each_proof_is_a_refutation_and_minimal(n_examples):
    kinds = []

    @for_all(n_examples // 2, sides())
    def check(two_sides):
        found = find_conflicts(*two_sides)
        with Prover(*two_sides, deadline=float("inf")) as prover:
            oracle = Enumeration(prover.formula)
            for node in found.assigned:
                joint = prover.jointly(node, found.assigned)
                assert joint or not (found.fixed[node] or found.assigned[node] == "conflict")
                proofs = [prover.must_go(node), prover.must_stay(node), joint]
                assert all(oracle.is_minimal(proof) for proof in proofs if proof)
                kinds.extend(len(proof.same) for proof in proofs if proof)

    assert {0, 1, 2} <= set(kinds)  # proofs of one side, and such that lead from one to the other


@quick_and_slow
def test_one_side_has_a_reason_exactly_where_all_its_solutions_agree(n_examples):
    @for_all(n_examples, sides())
    def check(two_sides):
        forget, retains = two_sides
        of_forget, of_retain = solutions([forget], True), solutions(retains, False)
        with Prover(forget, retains, deadline=float("inf")) as prover:
            for node in forget.nodes:
                assert bool(prover.must_go(node)) == (not any(value[node] for value in of_forget))
            for node in {node for one in retains for node in one.nodes}:
                assert bool(prover.must_stay(node)) == all(value[node] for value in of_retain)


@quick_and_slow
def test_words_agree_with_labels(n_examples):
    @for_all(n_examples, sides())
    def check(two_sides):
        found = find_conflicts(*two_sides)
        told = reasons(*two_sides, found)
        assert set(told) == set(found.assigned)
        for node, text in told.items():
            fixed, label = found.fixed[node], found.assigned[node]
            assert node in text and len(text) <= LONGEST and "limit" not in text
            assert ("tie-break" in text) == (not fixed)
            if fixed and label != "conflict":
                assert text.startswith(f"{node} must be {'kept' if label == 'retain' else 'forgotten'} because")
            if label == "conflict":
                assert "cannot have one fate in both" in text or ("must be kept" in text and "must be forgotten" in text)


def test_both_sides_demand_the_node():
    told = words(circuit(("logits", "ADDER", "m3 m4")), [circuit(("logits", "ADDER", "a2.h1 m3"))])
    assert told["m3"] == (
        "m3 must be kept because the retain set's answer must stay: it needs all of m3, a2.h1 (ADDER). "
        "It must be forgotten because the forget set's answer must go: it lives on any of m3, m4 (ADDER)."
    )
    assert told["m4"] == (
        "m4 must be forgotten because the forget set's answer must go: it lives on any of m4, m3 (ADDER)."
    )


def test_a_conflict_that_comes_through_another_node():
    told = words(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "ADDER", "m0 m1"))])
    assert told["m1"] == (
        "m1 cannot have one fate in both: the retain set's answer must stay: it needs all of m0, m1 (ADDER); "
        "the forget set's answer must go: it needs all of m0, m1 (AND); m0 is to stay out of conflict. "
        "Another node could be in conflict instead; the tie-break takes this one."
    )
    other = "In other solutions with as few conflicts it is in conflict instead of another node; the tie-break spares it."
    assert told["m0"].endswith(f"it needs all of m0, m1 (ADDER). {other}")


def test_what_the_other_side_does_without():
    # forget: m1 goes. retain: m0 or m1 stays, so m0 has to.
    told = words(circuit(("logits", "ADDER", "m1")), [circuit(("logits", "OR", "m0 m1"))])
    assert told["m1"] == (
        "m1 must be forgotten because the forget set's answer must go: it stands and falls with m1 (ADDER). "
        "The retain set can do without it."
    )
    assert told["m0"] == (
        "m0 must be kept because the retain set's answer must stay: it lives on any of m0, m1 (OR); "
        "the forget set's answer must go: it stands and falls with m1 (ADDER); m1 is to stay out of conflict."
    )
    # m0 in the forget circuit too, and free there: the proof speaks of both sides, so that nothing is said of the other one
    told = words(circuit(("logits", "ADDER", "m2"), ("m2", "AND", "m0 m1"), ("m1", "ADDER", "a0.h0"), ("logits", "OR", "a0.h0")), [
        circuit(("logits", "OR", "m0 m1")),
    ])
    assert told["m0"].endswith("m1 is to stay out of conflict.")
    kept = words(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "ADDER", "m0"))])["m0"]
    assert kept.endswith("stands and falls with m0 (ADDER). The forget set's answer can go while it stays.")


def test_a_free_choice_names_the_gate_that_leaves_it():
    told = words(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "OR", "m2 m3"))])
    start = "Solutions with as few conflicts differ on"
    assert told == {
        "m0": f"{start} m0: the answer goes with any one of m0, m1 (AND, the forget set); the tie-break keeps it.",
        "m1": f"{start} m1: the answer goes with any one of m1, m0 (AND, the forget set); the tie-break forgets it.",
        "m2": f"{start} m2: the answer stays with any one of m2, m3 (OR, the retain set); the tie-break keeps it.",
        "m3": f"{start} m3: the answer stays with any one of m3, m2 (OR, the retain set); the tie-break keeps it.",
    }


def test_a_gate_that_leaves_no_choice_is_not_named():
    # m1 stays as the tie-break has it, so that m0 has to; but m2 alone would do.
    told = words(LogicalCircuit(()), [circuit(("logits", "OR", "m1 m2"), ("m1", "AND", "a0.h0 m0"))])
    assert told["m0"] == "Solutions with as few conflicts differ on m0; the tie-break keeps it."
    assert "the answer stays with any one of m1, m2 (OR, the retain set)" in told["m1"]
    # m1 stays as the tie-break has it, so that it does not go with any one of its inputs.
    told = words(circuit(("logits", "AND", "m1 m2"), ("m1", "AND", "a0.h0 m0")), [])
    assert told["m0"] == "Solutions with as few conflicts differ on m0; the tie-break keeps it."


@pytest.mark.parametrize(("n_sets", "end"), [(3, "with m1 (ADDER)."), (4, "; gates of 1 more set."), (5, "; gates of 2 more sets.")])
def test_of_many_sets_three_are_told(n_sets, end):
    links = [circuit((f"m{i + 1}", "ADDER", f"m{i}")) for i in range(1, n_sets)]
    told = words(LogicalCircuit(()), [*links, circuit(("logits", "ADDER", f"m{n_sets}"))])["m1"]
    assert told.startswith(f"m1 must be kept because retain set {n_sets}'s answer must stay: it stands and falls with m{n_sets} ")
    assert told.count("; ") == min(n_sets - 1, 3) and told.endswith(end)


def test_long_lists_and_long_chains_are_cut_and_retain_sets_are_numbered():
    wide = circuit(("logits", "ADDER", " ".join(f"m{i}" for i in range(9))))
    assert "lives on any of m4, m0 and 7 more (ADDER)" in words(wide, [])["m4"]
    heads = [" ".join(f"a{layer}.h1{i}" for i in range(9)) for layer in (10, 20)]
    both = words(circuit(("logits", "ADDER", heads[1]), ("a20.h10", "OR", heads[0])), [])["a10.h10"]
    assert both == (
        "a10.h10 must be forgotten because the forget set's answer must go: "
        "a20.h10 lives on any of a10.h10, a10.h11 and 7 more (OR) (1 more gate between)."
    )
    chain = circuit(*((f"m{i + 1}", "ADDER", f"m{i}") for i in range(6)), ("logits", "ADDER", "m6"))
    told = words(LogicalCircuit(()), [circuit(("logits", "OR", "m8")), chain])["m0"]
    assert told == (
        "m0 must be kept because retain set 2's answer must stay: it stands and falls with m6 (ADDER), "
        "and m1 stands and falls with m0 (ADDER) (5 more gates between)."
    )


@pytest.mark.parametrize(("limit", "status"), [(0.0, "timeout"), (60.0, "optimal")])
def test_without_time_no_reason_is_made_up(limit, status):
    two_sides = covering(12, 20)
    found = find_conflicts(*two_sides, time_limit=limit)
    assert found.status == status
    assert set(reasons(*two_sides, found, time_limit=0.0).values()) == {OUT_OF_TIME}


def test_without_a_whole_backbone_nothing_is_said_of_other_solutions():
    for kind in ("ADDER", "OR"):
        two_sides = circuit(("logits", "AND", "m0 m1")), [circuit(("logits", kind, "m0 m1"))]
        found = find_conflicts(*two_sides)
        told = reasons(*two_sides, replace(found, status="optimal, backbone incomplete", fixed=dict.fromkeys(found.fixed, False)))
        assert not any("tie-break" in text or "nother" in text or "differ" in text for text in told.values())
        if kind == "ADDER":  # m0 has to stay and is spared here; m1 is in conflict
            assert told["m0"].endswith("Whether it is in conflict was not proven within the time limit.")
        else:
            assert told["m1"] == (
                "The solution chosen forgets m1; whether all with as few conflicts do was not proven within the time limit."
            )


def test_an_unproven_solution_says_so():
    two_sides = covering(40, 80)
    told = reasons(*two_sides, find_conflicts(*two_sides, time_limit=0.0))
    assert told["a0.h0"] == "a0.h0 is in conflict in the best solution found; whether it must be was not proven within the time limit."
    assert told["a1.h0"].startswith("a1.h0 must be kept because the retain set's answer must stay")  # this needs no optimum
