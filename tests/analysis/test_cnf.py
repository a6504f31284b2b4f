"""Clauses against truth tables, DIMACS against another parser, and gates that no forward pass could have."""

from itertools import product

import numpy as np
import pytest
from hypothesis import strategies as st

from analysis.cnf import dimacs, encode, equivalence
from analysis.gates import Gate, LogicalCircuit
from tests.made_gates import circuit, circuits, for_all, holds, quick_and_slow, sides


def satisfied(clauses, values) -> np.ndarray:
    """Per row of `values` (0/1; column v-1 is variable v), whether all clauses hold."""
    truth = np.concatenate([np.zeros((len(values), 1), bool), values, ~values[:, ::-1]], axis=1)  # indexed by literal, also negative
    return np.all([truth[:, list(clause)].any(axis=1) for clause in clauses], axis=0)


def table(n_variables: int) -> np.ndarray:
    return np.array(list(product([False, True], repeat=n_variables)))


def test_one_gate_by_hand():
    # 3 <-> 1 & 2: (3 | -1 | -2) & (-3 | 1) & (-3 | 2).  3 <-> 1 | 2: (-3 | 1 | 2) & (3 | -1) & (3 | -2)
    assert set(equivalence(3, [1, 2], conjunction=True)) == {(3, -1, -2), (-3, 1), (-3, 2)}
    assert set(equivalence(3, [1, 2], conjunction=False)) == {(-3, 1, 2), (3, -1), (3, -2)}


@pytest.mark.parametrize("n_inputs", [1, 2, 3, 15])
@pytest.mark.parametrize("conjunction", [True, False])
def test_a_gate_is_its_truth_table(n_inputs, conjunction):
    values = table(n_inputs + 1)  # up to 16 variables
    expected = values[:, -1] == (values[:, :-1].all(axis=1) if conjunction else values[:, :-1].any(axis=1))
    found = satisfied(equivalence(n_inputs + 1, list(range(1, n_inputs + 1)), conjunction=conjunction), values)
    assert 0 < expected.sum() < len(values) and (found == expected).all()


@quick_and_slow
def test_the_formula_holds_exactly_where_every_equation_does(n_examples):
    """Over all values of all variables, so that no variable is one too many; sides apart and shared."""

    @for_all(n_examples, sides(), st.booleans())
    def check(two_sides, shared):
        forget, retains = two_sides
        formula = encode(forget, retains, shared=shared)
        values = table(max(formula.outputs))  # at most 13 variables
        clauses = [clause for group in formula.groups for clause in group.clauses]
        expected = ~values[:, formula.outputs[0] - 1]
        for side, one in enumerate([forget, *retains]):
            columns = {**(formula.retain if side else formula.forget), "logits": formula.outputs[side]}
            if side:
                expected = expected & values[:, formula.outputs[side] - 1]
            expected = expected & equations(one, side == 0, values, columns)
        assert (satisfied(clauses, values) == expected).all()


def equations(one, is_forget, values, columns) -> np.ndarray:
    return np.array([
        all(holds(gate, {name: bool(row[variable - 1]) for name, variable in columns.items()}, is_forget) for gate in one.gates)
        for row in values
    ])


def test_variables_stand_in_the_order_of_the_forward_pass():
    forget, retain = circuit(("logits", "AND", "m1 a0.h0"), ("m1", "OR", "m0")), circuit(("logits", "ADDER", "a1.h10 a1.h2 m0"))
    apart = encode(forget, [retain, retain], shared=False)
    assert apart.forget == {"a0.h0": 1, "m0": 2, "m1": 6} and apart.retain == {"m0": 3, "a1.h2": 4, "a1.h10": 5}
    assert apart.outputs == (7, 8, 9)
    shared = encode(forget, [retain], shared=True)
    assert shared.forget == {"a0.h0": 1, "m0": 2, "m1": 5} and shared.retain == {"m0": 2, "a1.h2": 3, "a1.h10": 4}


def test_dimacs_by_hand():
    text = dimacs(circuit(("logits", "AND", "m0 m1")), [circuit(("logits", "ADDER", "m1 m2"))])
    comments = [line for line in text.splitlines() if line.startswith("c ")]
    assert comments[1:] == [
        "c variable 1 = m0", "c variable 2 = m1", "c variable 3 = m2",
        "c variable 4 = logits of the forget set", "c variable 5 = logits of the retain set",
        "c clauses 1-3: the forget set, logits = AND(m0, m1), AND", "c clauses 4-4: the forget set, logits = 0",
        "c clauses 5-7: the retain set, logits = AND(m1, m2), ADDER", "c clauses 8-8: the retain set, logits = 1",
    ]
    assert text.splitlines()[len(comments):] == [
        "p cnf 5 8", "4 -1 -2 0", "-4 1 0", "-4 2 0", "-4 0", "5 -2 -3 0", "-5 2 0", "-5 3 0", "5 0",
    ]


@quick_and_slow
def test_another_parser_reads_the_same_clauses(n_examples):
    from pysat.formula import CNF

    @for_all(n_examples, sides())
    def check(two_sides):
        forget, retains = two_sides
        text, formula = dimacs(forget, retains), encode(forget, retains, shared=True)
        read = CNF(from_string=text)
        assert read.clauses == [list(clause) for group in formula.groups for clause in group.clauses]
        lines = text.splitlines()
        header = next(i for i, line in enumerate(lines) if line.startswith("p "))
        assert lines[header] == f"p cnf {max(formula.outputs)} {len(read.clauses)}"
        assert all(line[0] == "c" for line in lines[:header]) and all(line.endswith(" 0") for line in lines[header + 1:])


def test_the_order_of_gates_and_inputs_changes_no_clause():
    @for_all(25, circuits(), circuits(), st.randoms(use_true_random=False))
    def check(forget, retain, rng):
        gates = [Gate(gate.target, gate.kind, tuple(rng.sample(gate.inputs, len(gate.inputs)))) for gate in forget.gates]
        shuffled = LogicalCircuit(tuple(rng.sample(gates, len(gates))))
        assert dimacs(shuffled, [retain]) == dimacs(forget, [retain])


@pytest.mark.parametrize(("gate", "words"), [
    (Gate("input", "AND", ("m0",)), "has the target 'input'"),
    (Gate("logits", "AND", ("input", "m0")), "has the input 'input'"),
    (Gate("m1", "OR", ("logits",)), "has the input 'logits'"),
    (Gate("q1", "OR", ("m0",)), "has the target 'q1'"),
    (Gate("m0", "OR", ("m1",)), "feeds m0 from m1"),
    (Gate("m1", "OR", ("m1",)), "feeds m1 from m1"),
    (Gate("a1.h1", "OR", ("a1.h0",)), "feeds a1.h1 from a1.h0"),
    (Gate("a1.h0", "OR", ("m1",)), "feeds a1.h0 from m1"),
    (Gate("m1", "OR", ()), "has no inputs"),
])
def test_gates_of_no_forward_pass_are_refused(gate, words):
    good = circuit(("logits", "OR", "m0"))
    with pytest.raises(ValueError, match=f"(?s)circuit of retain set 2.*{words}"):
        encode(good, [good, LogicalCircuit((gate,))], shared=False)


def test_heads_may_feed_the_mlp_of_their_layer_and_a_target_has_each_kind_once():
    encode(circuit(("m1", "OR", "a1.h0")), [], shared=False)
    with pytest.raises(ValueError, match="two OR gates for m1"):
        encode(circuit(("m1", "OR", "a1.h0"), ("m1", "OR", "m0")), [], shared=False)
