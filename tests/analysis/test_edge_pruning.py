"""Gates by hand, masked runs and their gradients against other ways to the same numbers, and a circuit that was planted."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from analysis.ablation import node_outputs, replacement
from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import prune, select
from analysis.edge_pruning import _Task, _trained, open_probability, prune_edges, sampled_gates, settled_gates
from analysis.faithfulness import ablated_log_prob, masked_log_prob
from analysis.growth import Runs
from analysis.losses import answer_log_prob, n_kept
from analysis.model import fingerprint, handle_of
from tests.tiny_models import KINDS

SHAPES = ["gpt2", "gpt_neox", "llama"]  # the second parallel, the third with grouped queries
ABLATIONS = ["zero", "mean", "patching"]


def others(batch, ablation):
    """Corrupted runs where they are needed: the same answers after other prompts of the same length."""
    if ablation != "patching":
        return {}
    ids = torch.where(batch.labels == -100, batch.input_ids.flip(1), batch.input_ids)
    return {"corrupted": dataclasses.replace(batch, input_ids=ids)}


def graded_mask(handle, seed=0):
    real = torch.from_numpy(handle.index.real_edges)
    return torch.rand(real.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * real


def set_scores(handle, batch, kept, ablation, **more):
    """Faithfulness of the whole set under each mask, one sample at a time."""
    masks = np.stack([kept[0] & False, handle.index.real_edges, *kept])
    values = []
    for row in range(len(batch)):
        own = {name: other.select([row]) for name, other in more.items()}
        values.append(ablated_log_prob(handle, batch.select([row]), masks, ablation, reference=batch, **own))
    empty, clean, *circuits = np.mean(values, 0)
    return (np.array(circuits) - empty) / (clean - empty)


def test_gates_by_hand():
    even = torch.zeros(1, dtype=torch.float64)
    assert float(settled_gates(even)) == pytest.approx(0.5)  # 0.5 * 1.2 - 0.1
    assert float(settled_gates(even + math.log(3))) == pytest.approx(0.8)  # 0.75 * 1.2 - 0.1
    assert float(settled_gates(even + 3)) == 1 and float(settled_gates(even - 3)) == 0
    half = torch.full((1,), 0.5, dtype=torch.float64)
    assert float(sampled_gates(even + 2 / 3 * math.log(3), half)) == pytest.approx(0.8)  # sigmoid(log 3) = 0.75
    assert float(sampled_gates(even, torch.full_like(half, 0.8))) == pytest.approx(8 / 9 * 1.2 - 0.1)  # 4 ** (3 / 2) = 8
    assert float(sampled_gates(even, torch.full_like(half, 0.99))) == 1
    assert float(open_probability(even)) == pytest.approx(1 / (1 + 11 ** (-2 / 3)))


@pytest.mark.parametrize("log_alpha", [-3.0, -1.0, 0.0, 2.0])
def test_the_open_probability_is_how_often_a_drawn_gate_is_open(log_alpha):
    alpha = torch.full((200_000,), log_alpha, dtype=torch.float64)
    uniform = torch.rand(len(alpha), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    drawn = sampled_gates(alpha, uniform)
    assert float((drawn > 0).double().mean()) == pytest.approx(float(open_probability(alpha[:1])), abs=4e-3)
    assert torch.equal(drawn, drawn.clamp(0, 1)) and float(((drawn > 0) & (drawn < 1)).double().mean()) > 0.05


@pytest.mark.parametrize(("kind", "ablation"), [*((kind, "mean") for kind in KINDS), ("gpt2", "zero"), ("llama", "patching")])
def test_the_gradient_with_all_edges_kept_is_eap(kind, ablation, make_handle, batch):
    """dM/dm_uv at m = 1 is the sum of (clean - ablated) . dM/d in_v; under one mask for all, the sum over samples."""
    handle, rows = make_handle(kind), batch.select([0, 3, 4])
    more, real = others(rows, ablation), handle.index.real_edges
    ablated = replacement(handle, rows, ablation, None, more.get("corrupted"))
    kept = torch.from_numpy(real[None].astype(float)).requires_grad_()
    gradient, = torch.autograd.grad(masked_log_prob(handle, rows, kept, ablated).sum(), kept)
    scores = edge_scores(handle, rows, AttributionConfig("EAP", ablation), **more).sum(0)
    np.testing.assert_allclose(gradient[0].numpy()[real], scores[real], rtol=1e-6, atol=1e-9 * np.abs(scores).max())


@pytest.mark.parametrize("kind", SHAPES)
def test_the_gradient_is_the_finite_difference_between_clean_and_ablated_too(kind, make_handle, batch):
    """At a mask of shares, where it is not EAP."""
    handle, rows = make_handle(kind), batch.select([1, 2])
    ablated = replacement(handle, rows, "mean", batch, None)
    mask, real = graded_mask(handle), np.argwhere(handle.index.real_edges)
    kept = mask[None].clone().requires_grad_()
    gradient, = torch.autograd.grad(masked_log_prob(handle, rows, kept, ablated).sum(), kept)
    edges = real[np.random.default_rng(0).choice(len(real), 12, replace=False)]
    for source, column in edges:
        nudged = mask.repeat(2, 1, 1)
        nudged[:, source, column] += torch.tensor([1e-5, -1e-5], dtype=torch.float64)
        up, down = (masked_log_prob(handle, rows, part[None], ablated).sum() for part in nudged)
        assert float(gradient[0, source, column]) == pytest.approx(float(up - down) / 2e-5, rel=1e-4, abs=1e-7)
    scores = edge_scores(handle, rows, AttributionConfig("EAP", "mean"), reference=batch).sum(0)
    assert np.abs(gradient[0].numpy() - scores).max() > 0.1 * np.abs(scores).max()


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("ablation", ABLATIONS)
def test_several_samples_under_one_mask_are_as_one_at_a_time(kind, ablation, make_handle, batch):
    handle, more = make_handle(kind), others(batch, ablation)
    masks = np.stack([handle.index.real_edges, handle.index.real_edges & False, graded_mask(handle).numpy() > 0.3])
    ablated = replacement(handle, batch, ablation, None, more.get("corrupted"))
    together = np.stack([masked_log_prob(handle, batch, torch.from_numpy(mask[None]), ablated).numpy() for mask in masks], 1)
    for row in range(len(batch)):
        own = {name: other.select([row]) for name, other in more.items()}
        alone = ablated_log_prob(handle, batch.select([row]), masks, ablation, reference=batch, **own)
        np.testing.assert_allclose(together[row], alone, rtol=1e-9)
    np.testing.assert_allclose(together[:, 0], node_outputs(handle, batch)[1].numpy(), rtol=1e-9)
    assert np.abs(together[:, 0] - together[:, 1]).min() > 1e-3
    each = masked_log_prob(handle, batch, torch.from_numpy(masks[[0, 1, 2, 0, 1, 2]]), ablated).numpy()  # each under its own
    np.testing.assert_allclose(each, together[np.arange(6), [0, 1, 2, 0, 1, 2]], rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "goal"), [("gpt2", "maintain"), ("gpt_neox", "break"), ("llama", "maintain"), ("llama", "break")])
def test_the_target_is_reached_by_some_of_the_edges_and_the_weights_stay(kind, goal, make_handle, batch):
    handle, rows = make_handle(kind), batch.select([0, 2, 5])
    handle.model.requires_grad_(True)  # even where somebody wants their gradients
    found = prune_edges(handle, rows, goal, "mean", target=0.8, n_steps=10)
    assert fingerprint(handle.model) == handle.fingerprint
    assert all(p.requires_grad and p.grad is None for p in handle.model.parameters())
    handle.model.requires_grad_(False)
    real = handle.index.real_edges
    assert 0 < found.sum() < real.sum() and not (found & ~real).any()
    assert Runs(handle, rows, goal, replacement(handle, rows, "mean", None, None)).share(found) >= 0.8 - 1e-6
    assert (found == prune(found, handle.index)).all()


def test_patching_prunes_too_and_a_seed_gives_its_edges_again(handle, batch):
    rows = batch.select([1, 4])
    more, options = others(rows, "patching"), {"target": 0.7, "n_steps": 6}
    first, again, other = (prune_edges(handle, rows, "maintain", "patching", seed=s, **options, **more) for s in (3, 3, 4))
    assert set_scores(handle, rows, [first], "patching", **more) >= 0.7 - 1e-9
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("goal", ["maintain", "break"])
def test_samples_in_any_order_keep_their_own_runs(goal, handle, batch):
    """As drawn for a step: whose clean run, whose corrupted one, whose answer with no edge."""
    task = _Task(handle, batch, goal, replacement(handle, batch, "patching", None, others(batch, "patching")["corrupted"]))
    kept, nothing = graded_mask(handle), torch.zeros_like(graded_mask(handle))
    with torch.no_grad():
        alone = torch.cat([task.log_prob(kept, [row]) for row in range(len(batch))])
        empty = torch.cat([task.log_prob(nothing, [row]) for row in range(len(batch))])
        together = task.log_prob(kept, [4, 0, 2])
    np.testing.assert_allclose(together, alone[[4, 0, 2]], rtol=1e-9)
    expected = (alone - empty)[[4, 0, 2]].mean() / task.gap
    assert float(task.score(together, [4, 0, 2])) == pytest.approx(float(expected))
    assert len({round(float(value), 6) for value in [*alone, *empty]}) == 2 * len(batch)


@pytest.fixture(scope="module")
def planted(tokenizer, make_handle, batch):
    """Taught the answers while only a0.h1, a1.h2 and m1 write: what the other heads and m0 write is zero, whatever they read."""
    model = make_handle("gpt2", 1).model.requires_grad_(True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        logits = model(batch.input_ids, attention_mask=batch.attention_mask, logits_to_keep=n_kept(batch.labels)).logits
        (-answer_log_prob(logits, batch.labels).mean()).backward()
        optimizer.step()
        with torch.no_grad():
            for block, head in zip(model.transformer.h, (1, 2), strict=True):
                block.attn.c_proj.weight *= torch.eye(4, dtype=torch.float64)[head].repeat_interleave(4)[:, None]
            for parameter in model.transformer.h[0].mlp.c_proj.parameters():
                parameter.zero_()
    return handle_of(model, tokenizer, "planted")


@pytest.mark.parametrize("goal", ["maintain", pytest.param("break", marks=pytest.mark.slow)])
def test_a_planted_circuit_is_found_with_no_more_edges_than_by_ranking_scores(goal, planted, batch):
    """The edges between nodes that write; of the others none can matter, though all 150 start alike."""
    index = planted.index
    scores = edge_scores(planted, batch, AttributionConfig("EAP-IG-inputs", "zero", 5)).mean(0)

    def values(chosen):
        return Runs(planted, batch, goal, replacement(planted, batch, "zero", None, None)).shares(np.stack(chosen))

    found = prune_edges(planted, batch, goal, "zero", target=0.9, n_steps=40)
    by_score = [select(scores, index, n) for n in range(3, 17)]
    assert values([found]) >= 0.9 - 1e-9
    assert 0 < found.sum() <= next(edges.sum() for edges, value in zip(by_score, values(by_score), strict=True) if value >= 0.9)
    sources, columns = np.nonzero(found)
    assert {index.forward_names[u] for u in sources} <= {"input", "a0.h1", "a1.h2", "m1"}
    assert {index.backward_names[v].split("<")[0] for v in columns} <= {"a0.h1", "a1.h2", "m1", "logits"}


class Linear(_Task):
    """A share that half of 40 edges hold nine tenths of: each opens where the multiplier has risen to 0.56, the others at 5."""

    def __init__(self):
        self.real, self.type, self.batch = torch.ones(1, 40, dtype=torch.bool), torch.float64, [0]
        self.weights = torch.tensor([0.045] * 20 + [0.005] * 20, dtype=torch.float64)

    def log_prob(self, kept, rows):
        return (kept[self.real] @ self.weights)[None]

    def score(self, log_prob, rows):
        return log_prob.mean()


def test_training_opens_what_the_target_takes_and_shuts_the_rest():
    gates = settled_gates(_trained(Linear(), 0.85, 200, 0, lambda done, total: None))
    assert gates[:20].min() > 0.9 and gates[20:].max() < 0.1


@pytest.mark.parametrize(("options", "message"), [
    ({"target": 0.0}, "above 0 and at most 1, got 0.0"), ({"target": 1.2}, "above 0 and at most 1, got 1.2"),
    ({"target": 0.5, "n_steps": 0}, "n_steps: expected at least 1, got 0"),
])
def test_what_cannot_be_is_refused(options, message, handle, batch):
    with pytest.raises(ValueError, match=message):
        prune_edges(handle, batch, "maintain", "zero", **options)


def test_a_set_that_ablation_does_not_touch_is_refused(handle, batch):
    with pytest.raises(ValueError, match="ablating every edge changes the answers' log-probability by"):
        prune_edges(handle, batch, "maintain", "patching", target=0.9, corrupted=batch)
