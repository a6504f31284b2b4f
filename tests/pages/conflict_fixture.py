"""A conflict map of four layers with two heads, made up by hand, and the files that the command `conflicts` writes of it."""

from dataclasses import replace
from pathlib import Path

from analysis import atomic, conflict_map
from analysis.conflict_map import ConflictMap, MapCircuit, MapNode
from analysis.gates import Gate, LogicalCircuit, place
from analysis.graph import GraphIndex

FORGET = LogicalCircuit((
    Gate("m3", "OR", ("a2.h1", "m2")), Gate("m2", "ADDER", ("a1.h0",)), Gate("logits", "ADDER", ("m3",)),
))
RETAIN = LogicalCircuit((
    Gate("logits", "AND", ("a3.h0", "m3")), Gate("m3", "ADDER", ("m2",)), Gate("m2", "AND", ("a1.h1", "m1")),
))
LABELLED = {  # name: label, assigned, fixed, circuits, reason; all others are in no circuit
    "m3": ("conflict", "conflict", True, ("forget", "retain"), "m3 must be kept because <b>logits</b> needs it."),
    "m2": ("conflict", "conflict", False, ("forget", "retain"), "m2 is in conflict in this optimum, but not in every one."),
    "a2.h1": ("forget", "forget", True, ("forget",), "a2.h1 must be forgotten because m3 must."),
    "a1.h0": ("free", "forget", False, ("forget",), "a1.h0 may be either."),
    "a1.h1": ("free", "retain", False, ("retain",), "a1.h1 may be either."),
    "a3.h0": ("retain", "retain", True, ("retain",), "a3.h0 must be kept because logits needs it."),
    "m1": ("retain", "retain", True, ("retain",), "m1 must be kept because m2 needs it."),
}
N_PARAMETERS = {"head": 100, "MLP": 400}
MASKS = {  # parameters by what-if, as the nodes above have them
    "clue": (200, 800, 1000), "forget-only": (0, 200, 200), "conflict-only": (0, 800, 800), "conflict-as-everything": (200, 2400, 2400),
    "random": (200, 800, 1000), "important": (0, 1000, 1000), "gradient": (0, 1000, 1000),
}


def made_map(**changed) -> ConflictMap:
    """`changed`: fields that differ, such as status="timeout"."""
    index = GraphIndex(4, 2, 2, 8)
    nodes = {name: _node(name) for name in index.forward_names if name != "input"}
    circuits = (
        MapCircuit("forget", "forget.jsonl", 24, 40, 30, 0.93, 0.91, True, FORGET),
        MapCircuit("retain", "<b>retain</b>.jsonl", 24, 120, 80, 0.71, float("nan"), False, RETAIN),
    )
    found = ConflictMap(
        status="optimal", n_conflicts=2, at_least=2, seconds=0.25, nodes=nodes, circuits=circuits,
        solver={"n_variables": 31, "n_clauses": 57, "n_soft": 2}, n_parameters=5000,
        masks={name: dict(zip(("stage1", "stage2", "touched"), n, strict=True)) for name, n in MASKS.items()},
        config={"method": "greedy", "ablation": "mean", "target": 0.9}, provenance={"fingerprint": "f" * 64, "seed": 0},
    )
    return replace(found, **changed)


def write_map(folder: Path, found: ConflictMap | None = None) -> None:
    atomic.write_json(folder / "conflicts.json", conflict_map.to_json(found or made_map()))
    atomic.write_bytes(folder / "circuit.cnf", b"p cnf 1 1\n1 0\n")
    atomic.write_bytes(folder / "masks.safetensors", b"")


def _node(name: str) -> MapNode:
    kind = "head" if name.startswith("a") else "MLP"
    label, assigned, fixed, circuits, reason = LABELLED.get(name, ("retain", "retain", True, (), f"{name} is in no circuit."))
    return MapNode(label, assigned, fixed, place(name)[0], kind, N_PARAMETERS[kind], 0.5, 0.25, circuits, reason)
