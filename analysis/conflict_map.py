"""conflicts.json, what the command `conflicts` finds: every head and MLP with its label, and what it was read off. No torch.

`assigned` is a node's place in the optimum that the masks follow, `label` the same unless other optima place it elsewhere: `free`.
"""

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from analysis.gates import Gate, GateKind, LogicalCircuit, place

FILE = "conflicts.json"
NAME = re.compile(r"a\d+\.h\d+|m\d+")
Side = Literal["forget", "retain"]
Assigned = Literal["forget", "retain", "conflict"]
Label = Literal["forget", "retain", "conflict", "free"]
NUMBER, SIDES = (int, float), get_args(Side)
# What each field of the file may hold: a type, types, or the values themselves.
GATE = {"target": str, "kind": get_args(GateKind), "inputs": list}
NODE = {"label": get_args(Label), "assigned": get_args(Assigned), "fixed": bool, "layer": int, "kind": ("head", "MLP"),
        "n_parameters": int, "forget_score": NUMBER, "retain_score": NUMBER, "in": list, "reason": str}
CIRCUIT = {"set": SIDES, "file": str, "n_samples": int, "n_maintain": int, "n_break": int, "faithfulness": (*NUMBER, type(None)),
           "completeness": (*NUMBER, type(None)), "reached": bool}
WHOLE = {"status": str, "n_conflicts": int, "at_least": int, "seconds": NUMBER, "nodes": dict, "gates": dict, "circuits": list,
         "solver": dict, "n_parameters": int, "masks": dict, "config": dict}
SIZES = {"stage1": int, "stage2": int, "touched": int}


@dataclass(frozen=True)
class MapNode:
    """A head or an MLP. `n_parameters` is what a mask of it alone frees: without keys and values that other heads share.

    Scores are sums of |noising score| (nats per answer token) over all edges out of it, in a circuit or not: in the forget set, and on
    average over the retain sets. `circuits` says which sides' circuits it is in ("in" in the file).
    """

    label: Label
    assigned: Assigned
    fixed: bool
    layer: int
    kind: Literal["head", "MLP"]
    n_parameters: int
    forget_score: float
    retain_score: float
    circuits: tuple[Side, ...]
    reason: str


@dataclass(frozen=True)
class MapCircuit:
    """How a set's circuits were found: edges of its maintain and its break circuit, and what these keep and break (NaN where
    ablation changes nothing)."""

    set: Side
    file: str
    n_samples: int
    n_maintain: int
    n_break: int
    faithfulness: float
    completeness: float
    reached: bool
    logical: LogicalCircuit

    @property
    def n_gates(self) -> dict[GateKind, int]:
        counts = Counter(gate.kind for gate in self.logical.gates)
        return {kind: counts[kind] for kind in get_args(GateKind)}


@dataclass(frozen=True)
class ConflictMap:
    """What was found, of which model and data (`provenance`) and with which settings (`config`).

    `at_least` is the proven lower bound of `n_conflicts`, `seconds` the solver's, `n_parameters` the whole model's. `masks` maps a
    what-if to the numbers of parameters that it frees: stage1, under the forget loss alone; stage2, under both; touched, in either.
    """

    status: str
    n_conflicts: int
    at_least: int
    seconds: float
    nodes: dict[str, MapNode]  # in the order of the forward pass
    circuits: tuple[MapCircuit, ...]  # the forget set's, then the retain sets'
    solver: dict[str, int | float]
    n_parameters: int
    masks: dict[str, dict[str, int]]
    config: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def forget(self) -> LogicalCircuit:
        return self.circuits[0].logical

    @property
    def retains(self) -> tuple[LogicalCircuit, ...]:
        return tuple(circuit.logical for circuit in self.circuits[1:])

    @property
    def fingerprint(self) -> str:
        """Of the weights that the map is about."""
        return self.provenance["fingerprint"]

    def assigned(self, where: Assigned) -> tuple[str, ...]:
        """The nodes that the masks take for forget, retain or conflict nodes."""
        return tuple(name for name, node in self.nodes.items() if node.assigned == where)

    def n_labelled(self) -> dict[Label, int]:
        """How many nodes have each label."""
        counts = Counter(node.label for node in self.nodes.values())
        return {label: counts[label] for label in get_args(Label)}


def to_json(found: ConflictMap) -> dict[str, Any]:
    """The content of conflicts.json; `parsed` gives the map back."""
    whole = {key: getattr(found, key) for key in WHOLE if key not in ("nodes", "gates", "circuits")}
    nodes = {name: {key: getattr(node, key) for key in NODE if key != "in"} | {"in": list(node.circuits)}
             for name, node in found.nodes.items()}
    circuits = [{key: _or_null(getattr(c, key)) for key in CIRCUIT} | {"gates": c.n_gates} for c in found.circuits]
    gates = {"forget": _listed(found.forget), "retain": [_listed(logical) for logical in found.retains]}
    return whole | {"nodes": nodes, "gates": gates, "circuits": circuits} | found.provenance


def _listed(logical: LogicalCircuit) -> list[dict[str, Any]]:
    return [{"target": gate.target, "kind": gate.kind, "inputs": list(gate.inputs)} for gate in logical.gates]


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value  # JSON has no NaN


def read(folder: Path | str) -> ConflictMap:
    """The map in a folder that `conflicts` wrote. Raises ValueError if there is none, or it is damaged or something else."""
    file, hint = Path(folder) / FILE, "make it anew by the command `conflicts`"
    if not file.is_file():
        raise ValueError(f"{folder}: expected a folder with {FILE}, found none; {hint}")
    try:
        return parsed(json.loads(file.read_text(encoding="utf-8"), parse_constant=_refused))
    except (ValueError, OSError, RecursionError) as error:  # what is not UTF-8 or not JSON is a ValueError
        raise ValueError(f"{file}: not a conflict map: {error}; {hint}") from error


def _refused(name: str) -> None:
    raise ValueError(f"expected finite numbers, got {name}")


def parsed(record: Any) -> ConflictMap:
    """Raises ValueError, naming the place, for what is not the content of conflicts.json."""
    fields = _fields("the map", record, WHOLE)
    provenance = {key: value for key, value in record.items() if key not in WHOLE}
    _fields("the map", provenance, {"fingerprint": str})
    nodes = {name: _node(name, node) for name, node in fields["nodes"].items()}
    fields["nodes"] = dict(sorted(nodes.items(), key=lambda item: place(item[0])))
    fields["circuits"] = _circuits(fields["circuits"], fields.pop("gates"))
    fields["masks"] = {name: _fields(f"masks, {name}", sizes, SIZES) for name, sizes in fields["masks"].items()}
    if not fields["nodes"] or fields["n_parameters"] < 1:
        raise ValueError(f"expected nodes and parameters, got {len(fields['nodes'])} and {fields['n_parameters']}")
    found = ConflictMap(**fields, provenance=provenance)
    if (n_labelled := found.n_labelled()["conflict"]) != found.n_conflicts:
        raise ValueError(f"expected {found.n_conflicts} nodes in conflict, as n_conflicts says, got {n_labelled}")
    return found


def _node(name: str, record: Any) -> MapNode:
    if not NAME.fullmatch(name):
        raise ValueError(f"nodes: expected names such as a0.h1 and m0, got {name!r:.40}")
    fields = _fields(f"node {name}", record, NODE)
    if (fields["layer"], fields["kind"]) != (place(name)[0], "MLP" if name[0] == "m" else "head"):
        raise ValueError(f"node {name}: expected its own layer and kind, got layer {fields['layer']} and {fields['kind']}")
    sides = fields.pop("in")
    if not all(side in SIDES for side in sides):
        raise ValueError(f"node {name}: in: expected {' and '.join(SIDES)}, got {sides!r:.80}")
    return MapNode(**fields, circuits=tuple(sides))


def _circuits(records: list, gates: Any) -> tuple[MapCircuit, ...]:
    """The sets' circuits, each with its gates."""
    gates = _fields("gates", gates, {"forget": list, "retain": list})
    logical = [_logical(part) for part in (gates["forget"], *gates["retain"])]
    found = [_fields(f"circuit {i}", record, CIRCUIT) for i, record in enumerate(records)]
    expected = ["forget"] + ["retain"] * (len(logical) - 1)
    if (got := [fields["set"] for fields in found]) != expected:
        raise ValueError(f"circuits: expected the sets that have gates, {', '.join(expected)}, got {', '.join(got) or 'none'}")
    for fields in found:
        fields.update({key: math.nan for key in ("faithfulness", "completeness") if fields[key] is None})
    return tuple(MapCircuit(**fields, logical=part) for fields, part in zip(found, logical, strict=True))


def _logical(gates: Any) -> LogicalCircuit:
    if not isinstance(gates, list):
        raise ValueError(f"gates: expected a list for each set, got {gates!r:.80}")
    records = [_fields("gates", gate, GATE) for gate in gates]
    for name in (name for gate in records for name in (gate["target"], *gate["inputs"])):
        if name != "logits" and not (isinstance(name, str) and NAME.fullmatch(name)):
            raise ValueError(f"gates: expected names such as a0.h1, m0 and logits, got {name!r:.40}")
    return LogicalCircuit(tuple(Gate(gate["target"], gate["kind"], tuple(gate["inputs"])) for gate in records))


def _fields(where: str, record: Any, expected: dict[str, Any]) -> dict[str, Any]:
    """These fields of an object, each of which holds what it may."""
    if not isinstance(record, dict) or (missing := [key for key in expected if key not in record]):
        lacking = f"one without {', '.join(missing)}" if isinstance(record, dict) else f"{record!r:.80}"
        raise ValueError(f"{where}: expected an object with {', '.join(expected)}, got {lacking}")
    for key, allowed in expected.items():
        if not _fits(record[key], allowed):
            raise ValueError(f"{where}: {key}: expected {_said(allowed)}, got {record[key]!r:.80}")
    return {key: float(record[key]) if allowed == NUMBER else record[key] for key, allowed in expected.items()}


def _fits(value: Any, allowed: Any) -> bool:
    kinds = allowed if isinstance(allowed, tuple) else (allowed,)
    if not isinstance(kinds[0], type):
        return isinstance(value, str) and value in kinds
    if isinstance(value, int) and abs(value) >= 2**63:
        return False
    return isinstance(value, kinds) and (not isinstance(value, bool) or bool in kinds)  # to Python, True is a number


def _said(allowed: Any) -> str:
    kinds = allowed if isinstance(allowed, tuple) else (allowed,)
    return " or ".join("null" if kind is type(None) else kind.__name__ if isinstance(kind, type) else kind for kind in kinds)
