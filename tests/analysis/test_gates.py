"""Gates read off two circuits, on graphs written down edge by edge."""

import numpy as np
import pytest

from analysis.gates import Gate, gates_of
from analysis.graph import GraphIndex
from tests.made_circuits import made_circuit


def gates(maintain, breaking, noising=None, denoising=None, *, n_layers=1, n_heads=3):
    """{(target, kind): inputs} of two circuits given as edges; scores that are not given are 1 on every edge of either circuit."""
    size = {"n_layers": n_layers, "n_heads": n_heads}
    plain = dict.fromkeys([*maintain, *breaking], 1.0)
    kept, broken = (made_circuit(dict.fromkeys(edges, 1.0), **size) for edges in (maintain, breaking))
    clean, ablated = (made_circuit(plain | (scores or {}), **size).scores for scores in (noising, denoising))
    found = gates_of(kept.index, kept.in_circuit, broken.in_circuit, clean, ablated)
    assert all(gate.inputs for gate in found.gates)
    return {(gate.target, gate.kind): gate.inputs for gate in found.gates}


H0, H1, H2, OUT = "a0.h0->m0", "a0.h1->m0", "a0.h2->m0", "m0->logits"
INTO_OUT = {("logits", "ADDER"): ("m0",)}


def test_an_edge_in_one_circuit_is_and_or_or_and_in_both_an_adder():
    assert gates([H0, H1, OUT], [OUT]) == {("m0", "AND"): ("a0.h0", "a0.h1")} | INTO_OUT
    assert gates([OUT], [H0, H1, OUT]) == {("m0", "OR"): ("a0.h0", "a0.h1")} | INTO_OUT
    assert gates([H0, H1, OUT], [H0, H1, OUT]) == {("m0", "ADDER"): ("a0.h0", "a0.h1")} | INTO_OUT


def test_a_gate_of_one_input_is_that_input():
    assert gates([H0, OUT], [OUT]) == {("m0", "ADDER"): ("a0.h0",)} | INTO_OUT
    assert gates([OUT], [H0, OUT]) == {("m0", "ADDER"): ("a0.h0",)} | INTO_OUT


def test_the_one_input_that_a_small_circuit_holds_joins_its_siblings():
    either = gates([H0, OUT], [H0, H1, OUT], {H0: 0.4}, {H0: 1.0})
    assert either == {("m0", "OR"): ("a0.h0", "a0.h1")} | INTO_OUT
    needed = gates([H0, H1, OUT], [H0, OUT], {H0: 1.0}, {H0: 0.4})
    assert needed == {("m0", "AND"): ("a0.h0", "a0.h1")} | INTO_OUT
    for noising, denoising in ((0.6, 1.0), (1.0, 0.4)):  # no less than half of the other end, and less at the wrong one
        assert ("m0", "OR") not in gates([H0, OUT], [H0, H1, OUT], {H0: noising}, {H0: denoising})
    alone = gates([H0, OUT], [H0, OUT], {H0: 0.0}, {H0: 1.0})  # no sibling in `break` alone
    assert alone == {("m0", "ADDER"): ("a0.h0",)} | INTO_OUT


def test_a_target_can_have_gates_of_all_kinds():
    found = gates([H0, OUT, "a0.h2->m0", "a0.h3->m0", "a0.h4->m0"], [H0, H1, OUT, "a0.h2->m0"], {H0: 0}, n_heads=5)
    assert found == {("m0", "AND"): ("a0.h3", "a0.h4"), ("m0", "OR"): ("a0.h0", "a0.h1"), ("m0", "ADDER"): ("a0.h2",)} | INTO_OUT


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_the_size_of_all_scores_at_one_end_says_nothing(scale):
    """Where the answer's probability is near 1, its log-probability is flat: every noising score shrinks alike."""
    def scaled(edges):
        return {edge: scale * score for edge, score in edges.items()}

    additive = gates([H0, OUT], [H0, H1, OUT], scaled({H0: 1, H1: 1, OUT: 2}), {H0: 1, H1: 1, OUT: 2})
    assert ("m0", "OR") not in additive
    either = gates([H0, OUT], [H0, H1, OUT], scaled({H0: 0.2, H1: 0.2, OUT: 2}), {H0: 1, H1: 1, OUT: 2})
    assert ("m0", "OR") in either


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_what_an_edge_into_the_output_passes_on_is_a_share_of_all_into_the_output(scale):
    near, far = "a0.h0->logits", "a0.h1->logits"
    additive = gates([near], [near, far], {near: scale, far: scale}, {near: 1, far: 1})
    assert additive == {("logits", "ADDER"): ("a0.h0", "a0.h1")}
    either = gates([near], [near, far], {near: 0.2 * scale, far: 1.8 * scale}, {near: 1, far: 1})
    assert either == {("logits", "OR"): ("a0.h0", "a0.h1")}


def test_a_gate_downstream_does_not_hide_the_one_before():
    """m1 takes either of m0 and a0.h2, so that at the clean end all before it scores low; m0 passes its own inputs on undiminished."""
    circuit = [H0, H1, "m0->m1", "m1->logits"]
    noising = {H0: 0.05, H1: 0.05, "m0->m1": 0.1, "m1->logits": 2}
    denoising = {H0: 1, H1: 1, "m0->m1": 2, "m1->logits": 2}
    either = [*circuit, "a0.h2->m1"]
    found = gates([H0, "m0->m1", "m1->logits"], either, noising, denoising, n_layers=2)
    assert found["m1", "OR"] == ("a0.h2", "m0")
    assert ("m0", "OR") not in found


def test_inputs_of_a_head_are_joined_over_q_k_and_v():
    maintain, breaking = ["m0->a1.h0<q>", "a1.h0->logits"], ["m0->a1.h0<v>", "a1.h0->logits"]
    assert gates(maintain, breaking, n_layers=2)[("a1.h0", "ADDER")] == ("m0",)
    breaking, denoising = [*breaking, "a0.h0->a1.h0<v>"], {"m0->a1.h0<q>": 0, "m0->a1.h0<v>": 1}
    cancel = gates(maintain, breaking, {"m0->a1.h0<q>": -0.3, "m0->a1.h0<v>": 0.3}, denoising, n_layers=2)
    assert ("a1.h0", "OR") not in cancel  # what cancels is in use
    silent = gates(maintain, breaking, {"m0->a1.h0<q>": -0.2, "m0->a1.h0<v>": 0.2}, denoising, n_layers=2)
    assert silent["a1.h0", "OR"] == ("a0.h0", "m0")


def test_the_input_takes_no_part():
    found = gates(["input->m0", H0, "input->logits", OUT], [H0, "input->a0.h0<v>", OUT])
    assert found == {("m0", "ADDER"): ("a0.h0",)} | INTO_OUT
    assert gates(["input->m0", H0, OUT], [H0, H1, OUT], {H0: 0}) == {("m0", "OR"): ("a0.h0", "a0.h1")} | INTO_OUT  # no sibling


def test_what_cannot_reach_the_output_is_given_an_edge_to_it():
    assert gates([H0, OUT], [H0, "m0->a1.h1<k>", OUT], n_layers=2)[("logits", "ADDER")] == ("m0", "a1.h1")
    assert gates([H0], [H0]) == {("m0", "ADDER"): ("a0.h0",), ("logits", "ADDER"): ("m0",)}  # a0.h0 reaches it through m0
    assert gates(["input->a0.h1<v>"], [H0, OUT])[("logits", "ADDER")] == ("a0.h1", "m0")  # it reads, and nobody reads it


def test_gates_come_in_the_order_of_the_forward_pass():
    rng = np.random.default_rng(0)
    index = GraphIndex(3, 2, 2, 8)
    masks = [(rng.random(index.real_edges.shape) < 0.4) & index.real_edges for _ in range(2)]
    scores = [rng.normal(size=index.real_edges.shape) * index.real_edges for _ in range(2)]
    found = gates_of(index, *masks, *scores).gates
    names = [*index.forward_names, "logits"]
    assert len({(gate.target, gate.kind) for gate in found}) == len(found)
    assert [gate.target for gate in found] == sorted((gate.target for gate in found), key=names.index)
    assert all(list(gate.inputs) == sorted(gate.inputs, key=names.index) for gate in found)
    edges = {(source, gate.target) for gate in found for source in gate.inputs}
    assert len(edges) == sum(len(gate.inputs) for gate in found)  # an edge is in one gate
    assert not gates_of(index, *(mask & False for mask in masks), *scores).gates


def test_circuits_are_mirror_images():
    """Exchanging the two circuits and the two ends exchanges AND and OR, and changes nothing else."""
    rng = np.random.default_rng(1)
    index = GraphIndex(2, 3, 3, 8)
    other = {"AND": "OR", "OR": "AND", "ADDER": "ADDER"}
    for _ in range(20):
        masks = [(rng.random(index.real_edges.shape) < 0.3) & index.real_edges for _ in range(2)]
        scores = [rng.normal(size=index.real_edges.shape) ** 3 * index.real_edges for _ in range(2)]
        found = set(gates_of(index, *masks, *scores).gates)
        mirrored = gates_of(index, *masks[::-1], *scores[::-1]).gates
        assert found == {Gate(gate.target, other[gate.kind], gate.inputs) for gate in mirrored}
