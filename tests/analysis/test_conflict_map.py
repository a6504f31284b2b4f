"""conflicts.json: what is written is read back, and what is damaged or something else is refused by what was expected."""

import copy
import json
import math
from dataclasses import replace

import pytest

from analysis import atomic, conflict_map
from analysis.conflict_map import ConflictMap, MapCircuit, MapNode
from analysis.gates import Gate, LogicalCircuit

FORGET = LogicalCircuit((Gate("m0", "OR", ("a0.h0", "a0.h1")), Gate("logits", "ADDER", ("m0",))))
RETAIN = LogicalCircuit((Gate("logits", "AND", ("a0.h1", "m0")),))


def node(label="retain", assigned=None, kind="head", circuits=("forget", "retain"), layer=0, **changes):
    made = MapNode(label, assigned or label, label != "free", layer, kind, 10, 0.5, 0.25, circuits, f"it is {label}")
    return replace(made, **changes)


def made_map(nodes, **changes):
    """A map with these nodes, of one forget and one retain set."""
    circuits = (MapCircuit("forget", "forget.jsonl", 4, 7, 5, 0.9, 0.8, True, FORGET),
                MapCircuit("retain", "retain.jsonl", 4, 6, 5, math.nan, 0.8, False, RETAIN))
    n_conflicts = sum(n.label == "conflict" for n in nodes.values())
    found = ConflictMap("optimal", n_conflicts, n_conflicts, 0.5, nodes, circuits, {"n_variables": 7}, 1000,
                        {"clue": {"stage1": 10, "stage2": 10, "touched": 20}}, {"target": 0.9}, {"fingerprint": "0" * 16})
    return replace(found, **changes)


@pytest.fixture
def found():
    return made_map({"a0.h0": node("forget"), "a0.h1": node("free", "retain"), "m0": node("conflict", kind="MLP"),
                     "a1.h0": node(circuits=(), layer=1)})


def test_what_is_written_is_read_back(found, tmp_path):
    atomic.write_json(tmp_path / "conflicts.json", conflict_map.to_json(found))
    again = conflict_map.read(tmp_path)
    assert math.isnan(again.circuits[1].faithfulness) and "NaN" not in (tmp_path / "conflicts.json").read_text()
    assert repr(again) == repr(found) and again.nodes == found.nodes  # repr: a NaN equals nothing
    assert conflict_map.to_json(again) == conflict_map.to_json(found)


def test_nodes_are_read_in_the_order_of_the_forward_pass(found):
    shuffled = conflict_map.to_json(found)
    shuffled["nodes"] = dict(reversed(shuffled["nodes"].items())) | {"a0.h10": conflict_map.to_json(found)["nodes"]["a0.h0"]}
    assert list(conflict_map.parsed(shuffled).nodes) == ["a0.h0", "a0.h1", "a0.h10", "m0", "a1.h0"]


def test_the_map_counts_and_names_its_nodes(found):
    assert found.n_labelled() == {"forget": 1, "retain": 1, "conflict": 1, "free": 1}
    assert found.assigned("retain") == ("a0.h1", "a1.h0") and found.assigned("forget") == ("a0.h0",)
    assert found.circuits[0].n_gates == {"AND": 0, "OR": 1, "ADDER": 1}
    assert (found.forget, found.retains, found.fingerprint) == (FORGET, (RETAIN,), "0" * 16)


def test_the_file_says_what_the_command_promises(found):
    record = conflict_map.to_json(found)
    assert record["nodes"]["m0"] == {"label": "conflict", "assigned": "conflict", "fixed": True, "layer": 0, "kind": "MLP",
                                     "n_parameters": 10, "forget_score": 0.5, "retain_score": 0.25, "in": ["forget", "retain"],
                                     "reason": "it is conflict"}
    assert record["gates"]["retain"] == [[{"target": "logits", "kind": "AND", "inputs": ["a0.h1", "m0"]}]]
    assert record["circuits"][1] == {"set": "retain", "file": "retain.jsonl", "n_samples": 4, "n_maintain": 6, "n_break": 5,
                                     "faithfulness": None, "completeness": 0.8, "reached": False,
                                     "gates": {"AND": 1, "OR": 0, "ADDER": 0}}
    assert record["fingerprint"] == "0" * 16 and record["masks"]["clue"]["touched"] == 20


def edited(record, path, value):
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return record


@pytest.mark.parametrize(("path", "value", "message"), [
    (["nodes"], None, "one without nodes"),
    (["nodes", "m0", "label"], "both", "node m0: label: expected forget or retain or conflict or free, got 'both'"),
    (["nodes", "m0", "label"], ["forget"], "node m0: label"),
    (["nodes", "m0", "fixed"], 1, "node m0: fixed: expected bool, got 1"),
    (["nodes", "m0", "layer"], True, "node m0: layer: expected int, got True"),
    (["nodes", "m0", "in"], ["input"], "node m0: in: expected forget and retain"),
    (["nodes", "input"], {}, "expected names such as a0.h1 and m0, got 'input'"),
    (["nodes", "m0"], 3, "node m0: expected an object with label"),
    (["nodes", "m0", "layer"], 7, "node m0: expected its own layer and kind, got layer 7 and MLP"),
    (["nodes", "m0", "kind"], "head", "node m0: expected its own layer and kind, got layer 0 and head"),
    (["nodes", "m0", "forget_score"], math.nan, "expected finite numbers, got NaN"),
    (["nodes"], {}, "expected nodes and parameters, got 0 and 1000"),
    (["n_parameters"], 0, "expected nodes and parameters, got 4 and 0"),
    (["n_conflicts"], 2, "expected 2 nodes in conflict, as n_conflicts says, got 1"),
    (["gates", "retain"], [], "expected the sets that have gates, forget, got forget, retain"),
    (["gates", "retain", 0], 7, "expected a list for each set, got 7"),
    (["gates", "forget", 0, "kind"], "XOR", "kind: expected AND or OR or ADDER, got 'XOR'"),
    (["gates", "forget", 0, "inputs"], ["x" * 900], "expected names such as a0.h1, m0 and logits"),
    (["circuits", 0, "faithfulness"], "all", "circuit 0: faithfulness: expected int or float or null, got 'all'"),
    (["masks", "clue"], {"stage1": 1}, "masks, clue: expected an object with stage1, stage2, touched"),
    (["fingerprint"], None, "expected an object with fingerprint"),
])
def test_a_damaged_map_is_refused_by_the_place_of_the_damage(found, path, value, message, tmp_path):
    record = edited(copy.deepcopy(json.loads(json.dumps(conflict_map.to_json(found)))), path, value)
    atomic.write_json(tmp_path / "conflicts.json", record)
    with pytest.raises(ValueError, match="by the command `conflicts`") as caught:
        conflict_map.read(tmp_path)
    assert message in str(caught.value) and len(str(caught.value)) < 700


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000, b'{"runs": 1}'])
def test_another_file_is_refused_and_so_is_none(content, tmp_path):
    with pytest.raises(ValueError, match=r"expected a folder with conflicts\.json, found none; make it"):
        conflict_map.read(tmp_path)
    (tmp_path / "conflicts.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"conflicts\.json: not a conflict map: .*make it anew"):
        conflict_map.read(tmp_path)
