"""Planted gates, found from tokens to gates; first, the planted models really compute them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from analysis import edge_pruning, logical_circuits
from analysis.ablation import exchanged, node_outputs, replacement
from analysis.dataset import DataError
from analysis.faithfulness import ablated_log_prob, faithfulness, masked_log_prob
from analysis.growth import smallest
from analysis.logical_circuits import DiscoveryConfig, set_circuits
from analysis.tokens import tokenize
from analysis.writes import plain_run
from tests.planted_gates import LOGIC, TRUTH, WORDS, planted, planted_samples

EXPECTED = {
    "AND": {("m0", "AND"): ("a0.h0", "a0.h1")},
    "OR": {("m0", "OR"): ("a0.h0", "a0.h1")},
    "ADDER": {("m0", "ADDER"): ("a0.h0", "a0.h1")},
    "OR + ADDER": {("m0", "OR"): ("a0.h0", "a0.h1"), ("m0", "ADDER"): ("a0.h2",)},
    "AND + ADDER": {("m0", "AND"): ("a0.h0", "a0.h1"), ("m0", "ADDER"): ("a0.h2",)},
}
SIZES = {"AND": (5, 3), "OR": (3, 5), "ADDER": (5, 5), "OR + ADDER": (5, 7), "AND + ADDER": (7, 5)}  # edges; 2 per head's path


def found(handle, **options):
    """{(target, kind): inputs} of the planted samples' set, and the circuits."""
    samples = planted_samples()
    reference = tokenize(samples, handle.tokenizer, corrupted=True)
    circuits = set_circuits(handle, samples, DiscoveryConfig(**options), reference=reference)
    return {(gate.target, gate.kind): gate.inputs for gate in circuits.logical.gates}, circuits


def without(handle, heads):
    """The answer's log-probability with these heads switched off by a plain hook on the model."""
    projection = handle.model.transformer.h[0].attn.c_proj
    width = handle.index.d_model // handle.index.n_heads

    def off(_module, args):
        z = args[0].clone()
        for head in heads:
            z[..., head * width : (head + 1) * width] = 0
        return (z,)

    hook = projection.register_forward_pre_hook(off)
    try:
        return plain_run(handle, tokenize(planted_samples(), handle.tokenizer)).log_prob
    finally:
        hook.remove()


@pytest.mark.parametrize("logic", LOGIC)
def test_planted_models_compute_what_they_should(logic):
    handle = planted(logic)
    for on in product([0, 1], repeat=3):
        logit = 4.0 * TRUTH[logic](*on)
        expected = logit - np.log(np.exp(logit) + len(WORDS) - 1)
        off = [head for head, value in enumerate(on) if not value]
        assert without(handle, off).numpy() == pytest.approx(expected, abs=1e-4)
        assert without(handle, [*off, 3]).numpy() == pytest.approx(expected, abs=1e-4)  # head 3 does nothing


@pytest.mark.parametrize("ablation", ["mean", *(pytest.param(other, marks=pytest.mark.slow) for other in ("zero", "patching"))])
@pytest.mark.parametrize("logic", LOGIC)
def test_planted_gates_are_found(logic, ablation):
    gates, circuits = found(planted(logic), ablation=ablation)
    assert gates == EXPECTED[logic] | {("logits", "ADDER"): ("m0",)}  # and so head 3, which does nothing, is in none
    assert (circuits.maintain.sum(), circuits.breaking.sum()) == SIZES[logic]
    assert circuits.reached and circuits.n_samples == 4
    assert circuits.faithfulness == pytest.approx(1, abs=1e-4)
    assert circuits.completeness == pytest.approx(1, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("logic", LOGIC)
def test_planted_gates_are_found_under_noise(logic):
    """The inputs of a saturated gate then score less than what is of no use: growth takes that first, thinning throws it out."""
    gates, circuits = found(planted(logic, noise=1e-3), ablation="patching")
    assert gates == EXPECTED[logic] | {("logits", "ADDER"): ("m0",)}
    assert (circuits.maintain.sum(), circuits.breaking.sum()) == SIZES[logic]
    if logic == "OR":
        into_m0, into_logits = np.abs(circuits.noising[1:5, [12, 13]]).T  # of the four heads
        assert into_m0[:2].max() < into_logits[2:].max()


@pytest.mark.slow
@pytest.mark.parametrize("logic", LOGIC)
def test_edge_pruning_finds_them_too(logic):
    gates, circuits = found(planted(logic, noise=1e-3), ablation="mean", method="edge-pruning")
    assert gates == EXPECTED[logic] | {("logits", "ADDER"): ("m0",)}
    assert circuits.reached and (circuits.maintain.sum(), circuits.breaking.sum()) == SIZES[logic]


@pytest.mark.slow
@pytest.mark.parametrize("logic", ["AND", "OR", "ADDER"])
@pytest.mark.parametrize(("target", "sharpness"), [(0.5, 4.0), (0.9, 12.0)])
def test_neither_the_target_nor_an_answer_near_certainty_changes_the_gates(logic, target, sharpness):
    gates, circuits = found(planted(logic, sharpness=sharpness), ablation="patching", target=target)
    assert gates == EXPECTED[logic] | {("logits", "ADDER"): ("m0",)}
    size = np.abs(circuits.noising).max() / np.abs(circuits.denoising).max()
    assert size < 1e-3 if sharpness == 12 else size > 0.01  # where the answer is certain, noising scores all but vanish


def test_an_and_behind_an_and_is_found():
    gates, _ = found(planted("AND", then_and=True), ablation="patching")
    assert gates == EXPECTED["AND"] | {("m1", "AND"): ("a0.h2", "m0"), ("logits", "ADDER"): ("m1",)}


def test_an_or_behind_an_and_shows_one_input_only():
    """A limit of reading gates off two small circuits: to break the AND, its other input is the shorter way, so that nothing asks
    for all inputs of the OR. Besides, the OR is saturated at the clean end and the AND at the ablated end, and no score tells."""
    gates, circuits = found(planted("OR", then_and=True), ablation="patching")
    assert np.abs([circuits.noising[1:3, 12], circuits.denoising[1:3, 12]]).max() < 1e-9  # a0.h0 and a0.h1 into m0
    assert gates["m1", "AND"] == ("a0.h2", "m0")
    assert gates["m0", "ADDER"] in {("a0.h0",), ("a0.h1",)} and ("m0", "OR") not in gates


def test_the_opposite_run_carries_the_ablation_along_its_edges_only():
    """Against switching heads off by a hook: a break circuit of some heads' paths acts as these heads' ablation."""
    handle = planted("OR")
    batch, index = tokenize(planted_samples(), handle.tokenizer), handle.index
    clean, ablated = node_outputs(handle, batch)[0], replacement(handle, batch, "zero", None, None)
    for heads in ([], [0], [1], [0, 1]):
        edges = ["m0->logits"] + [edge for h in heads for edge in (f"input->a0.h{h}<v>", f"a0.h{h}->m0")]
        kept = torch.zeros(1, index.n_forward, index.n_backward)
        for source, _, target in (edge.partition("->") for edge in edges):
            kept[0, index.forward_names.index(source), index.backward_names.index(target)] = 1
        log_prob = masked_log_prob(handle, batch, *exchanged(kept, clean, ablated))
        assert log_prob.numpy() == pytest.approx(without(handle, heads).numpy(), abs=1e-4)


@pytest.mark.parametrize("ablation", ["zero", "mean", "patching"])
def test_circuits_reach_the_target_and_are_measured_as_single_samples_are(handle, samples, ablation):
    """On a random model: shares against `faithfulness` and against patching with clean and corrupted exchanged."""
    pair = [replace(samples[0], corrupted_question=samples[3].question)]
    batch = tokenize(pair, handle.tokenizer)
    corrupted = tokenize(pair, handle.tokenizer, corrupted=True) if ablation == "patching" else None
    reference = tokenize(samples, handle.tokenizer)
    circuits = set_circuits(handle, pair, DiscoveryConfig(ablation=ablation, target=0.8), reference=reference)
    (value,) = faithfulness(handle, batch, circuits.maintain[None], ablation, reference=reference, corrupted=corrupted)
    assert value == pytest.approx(circuits.faithfulness)
    assert circuits.reached and min(circuits.faithfulness, circuits.completeness) >= 0.8
    if ablation == "patching":
        real = handle.index.real_edges
        kept = np.stack([real & False, real, circuits.breaking])
        clean, broken, here = ablated_log_prob(handle, corrupted, kept, "patching", corrupted=batch)
        assert circuits.completeness == pytest.approx((clean - here) / (clean - broken))


@pytest.mark.slow
def test_shares_are_ratios_of_means_over_the_samples_drawn(handle, samples):
    circuits = set_circuits(handle, samples, DiscoveryConfig(ablation="zero", target=0.7, n_samples=3, seed=5))
    rows = sorted(np.random.default_rng(5).permutation(len(samples))[:3])
    real = handle.index.real_edges
    runs = np.stack([real & False, real, circuits.maintain])
    none, everything, here = np.mean(
        [ablated_log_prob(handle, tokenize([samples[row]], handle.tokenizer), runs, "zero") for row in rows], 0
    )
    assert circuits.n_samples == 3
    assert circuits.faithfulness == pytest.approx((here - none) / (everything - none))
    whole = set_circuits(handle, samples, DiscoveryConfig(ablation="zero", target=0.7))
    assert whole.n_samples == len(samples)
    assert np.array_equal(whole.noising, circuits.noising)  # scores are over all samples


def test_each_circuit_grows_by_the_scores_of_its_own_end(monkeypatch):
    grown_by = []
    monkeypatch.setattr(logical_circuits, "smallest", lambda scores, *rest: grown_by.append(scores) or smallest(scores, *rest))
    _, circuits = found(planted("AND"), ablation="zero")
    assert np.array_equal(grown_by, [circuits.noising, circuits.denoising])
    assert not np.array_equal(*grown_by)


def test_a_set_has_reached_the_target_if_both_circuits_have(monkeypatch):
    handle = planted("AND")
    for n_found, reached in ((2, True), (1, False), (0, False)):
        masks = iter([handle.index.real_edges] * n_found + [handle.index.real_edges & False] * 2)
        monkeypatch.setattr(logical_circuits, "smallest", lambda *_, masks=masks: next(masks))
        assert found(handle, ablation="zero")[1].reached == reached


def test_edge_pruning_is_asked_for_what_the_settings_say(monkeypatch):
    handle, asked = planted("AND"), []

    def pruned(_handle, batch, goal, ablation, *, target, reference, corrupted, seed, report):
        asked.append((goal, ablation, target, seed))
        rows = sorted(np.random.default_rng(3).permutation(4)[:2])
        for part, is_corrupted in ((batch, False), (corrupted, True)):
            assert torch.equal(part.input_ids, tokenize(planted_samples(), handle.tokenizer, corrupted=is_corrupted).input_ids[rows])
        return handle.index.real_edges

    monkeypatch.setattr(edge_pruning, "prune_edges", pruned)
    found(handle, method="edge-pruning", ablation="patching", target=0.8, n_samples=2, seed=3)
    assert asked == [("maintain", "patching", 0.8, 3), ("break", "patching", 0.8, 3)]


def test_what_cannot_be_asked_is_refused(handle, samples):
    for wrong in ({"target": 0.0}, {"target": 1.1}, {"target": float("nan")}, {"n_samples": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DiscoveryConfig(**wrong)
    with pytest.raises(ValueError, match="at least one sample"):
        set_circuits(handle, [], DiscoveryConfig())
    with pytest.raises(DataError, match="corrupted_question"):
        set_circuits(handle, samples, DiscoveryConfig(ablation="patching"))
