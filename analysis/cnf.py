"""Logical circuits as clauses (CNF), one equivalence per gate: CLUE, arXiv 2509.20977. Plain Python; nothing here solves.

A variable says of a node: 1 = keep, 0 = forget. A gate is target <-> AND(inputs) or target <-> OR(inputs); an ADDER is OR in the
forget circuit (its target goes only when all of its inputs go) and AND in a retain circuit (its target stays only when all stay).
A gate joins named nodes directly, so Tseitin's clauses need no auxiliary variables. A node with gates of two kinds has to meet both.
Each circuit has an output variable of its own: the forget set's must be 0, every retain set's 1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from analysis.gates import Gate, LogicalCircuit, place

Clauses = tuple[tuple[int, ...], ...]
NODE = re.compile(r"a\d+\.h\d+|m\d+")


@dataclass(frozen=True)
class Group:
    """The clauses of one gate, or (gate None) of what is asked of the output. Side 0 is the forget set, 1, 2, .. the retain sets."""

    side: int
    gate: Gate | None
    clauses: Clauses


@dataclass(frozen=True)
class Formula:
    """Phi_forget & not out_forget & Phi_retain & out_retain. Variables count from 1 in the order of the forward pass, outputs last."""

    forget: dict[str, int]  # node -> its variable in the forget circuit
    retain: dict[str, int]  # node -> its variable in all retain circuits
    outputs: tuple[int, ...]  # by side
    groups: tuple[Group, ...]


def equivalence(target: int, inputs: Sequence[int], *, conjunction: bool) -> Clauses:
    """target <-> AND(inputs), or <-> OR(inputs); literals as in DIMACS."""
    if conjunction:  # De Morgan: t <-> AND(i) is -t <-> OR(-i)
        target, inputs = -target, [-literal for literal in inputs]
    return (-target, *inputs), *((target, -literal) for literal in inputs)


def encode(forget: LogicalCircuit, retains: Sequence[LogicalCircuit], *, shared: bool) -> Formula:
    """With `shared` a node has one variable for both sides (Phi of the paper), without it one per side (for MaxSAT).

    All retain circuits share a node's variable either way. The order of gates and inputs plays no part in the result.
    Raises ValueError for a gate that no forward pass could have.
    """
    circuits = [_checked(circuit, side_name(side, len(retains))) for side, circuit in enumerate([forget, *retains])]
    forgotten, kept = set(forget.nodes), {node for circuit in circuits[1:] for node in circuit.nodes}
    number, of_forget, of_retain = count(1), {}, {}
    for node in sorted(forgotten | kept, key=place):
        if node in forgotten:
            of_forget[node] = next(number)
        if node in kept:
            of_retain[node] = of_forget[node] if shared and node in of_forget else next(number)
    outputs = tuple(next(number) for _ in circuits)
    groups = []
    for side, circuit in enumerate(circuits):
        variables = {**(of_retain if side else of_forget), "logits": outputs[side]}
        groups += [_group(side, gate, variables) for gate in circuit.gates]
        groups.append(Group(side, None, ((outputs[side] if side else -outputs[side],),)))
    return Formula(of_forget, of_retain, outputs, tuple(groups))


def is_conjunction(gate: Gate, side: int) -> bool:
    return gate.kind == "AND" or (gate.kind == "ADDER" and side > 0)


def side_name(side: int, n_retains: int) -> str:
    if side == 0:
        return "the forget set"
    return "the retain set" if n_retains == 1 else f"retain set {side}"


def _group(side: int, gate: Gate, variables: dict[str, int]) -> Group:
    inputs = [variables[name] for name in gate.inputs]
    return Group(side, gate, equivalence(variables[gate.target], inputs, conjunction=is_conjunction(gate, side)))


def _checked(circuit: LogicalCircuit, name: str) -> LogicalCircuit:
    """The circuit with gates and inputs in the order of the forward pass."""
    seen = set()
    for gate in circuit.gates:
        _check(gate, name)
        if (gate.target, gate.kind) in seen:
            raise ValueError(f"The circuit of {name} has two {gate.kind} gates for {gate.target}; put their inputs into one.")
        seen.add((gate.target, gate.kind))
    gates = [Gate(gate.target, gate.kind, tuple(sorted(set(gate.inputs), key=place))) for gate in circuit.gates]
    return LogicalCircuit(tuple(sorted(gates, key=lambda gate: (place(gate.target), gate.kind))))


def _check(gate: Gate, name: str) -> None:
    where = f"In the circuit of {name} a gate"
    if gate.kind not in ("AND", "OR", "ADDER"):
        raise ValueError(f"{where} is of kind {gate.kind!r}; expected AND, OR or ADDER.")
    if gate.target != "logits" and not NODE.fullmatch(gate.target):
        raise ValueError(f"{where} has the target {gate.target!r}; expected a head (a3.h1), an MLP (m3) or logits. Leave `input` out.")
    if not gate.inputs:
        raise ValueError(f"{where} ({gate.kind} of {gate.target}) has no inputs; leave it out.")
    for source in gate.inputs:
        if not NODE.fullmatch(source):
            raise ValueError(f"{where} ({gate.kind} of {gate.target}) has the input {source!r}; expected a head (a3.h1) or MLP (m3).")
        if not _runs_before(source, gate.target):
            raise ValueError(f"{where} feeds {gate.target} from {source}, which does not run before it; take the edge out.")


def _runs_before(source: str, target: str) -> bool:
    side_by_side = source[0] == target[0] == "a" and place(source)[0] == place(target)[0]  # heads of one layer
    return place(source) < place(target) and not side_by_side


def dimacs(forget: LogicalCircuit, retains: Sequence[LogicalCircuit]) -> str:
    """Phi in DIMACS, both sides on the same node variables: satisfiable exactly if no node need be in conflict.

    All comments stand above the `p` line, where every parser takes them: each variable's name, and which clauses are which gate's.
    """
    formula = encode(forget, retains, shared=True)
    clauses = [clause for group in formula.groups for clause in group.clauses]
    names = {variable: node for node, variable in {**formula.retain, **formula.forget}.items()}
    names |= {variable: f"logits of {side_name(side, len(retains))}" for side, variable in enumerate(formula.outputs)}
    lines = ["c CLUE (arXiv 2509.20977): a node's variable is 1 = keep, 0 = forget. Satisfiable = no conflict."]
    lines += [f"c variable {variable} = {names[variable]}" for variable in sorted(names)]
    lines += _clause_comments(formula, len(retains))
    lines.append(f"p cnf {len(names)} {len(clauses)}")
    lines += [" ".join(map(str, (*clause, 0))) for clause in clauses]
    return "\n".join(lines) + "\n"


def _clause_comments(formula: Formula, n_retains: int) -> list[str]:
    lines, start = [], 1
    for group in formula.groups:
        end = start + len(group.clauses) - 1
        meaning = f"logits = {int(group.side > 0)}"
        if group.gate:
            operator = "AND" if is_conjunction(group.gate, group.side) else "OR"
            meaning = f"{group.gate.target} = {operator}({', '.join(group.gate.inputs)}), {group.gate.kind}"
        lines.append(f"c clauses {start}-{end}: {side_name(group.side, n_retains)}, {meaning}")
        start = end + 1
    return lines
