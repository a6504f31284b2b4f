"""Training in stages: each moves its own weights and no others, to where a loop written out by hand takes them."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import unlearning
from analysis.methods import METHODS, NPO, RMU, GradDiff
from analysis.model import fingerprint, handle_of
from analysis.mrd import mrd
from analysis.sampling import CGA, CGATwoLevel, Curriculum
from analysis.stages import Stage, split_epochs, stage_of
from analysis.training import Trainer
from analysis.unlearning import UnlearningConfig, unlearn
from tests.tiny_models import tiny_model

CONFIG = UnlearningConfig(NPO(), 1e-2, 5, 2, weight_decay=0.5, seed=3)  # 2 steps per epoch on 3 samples


@pytest.fixture
def split(batch):
    return batch.select([0, 1, 2]), batch.select([3, 4, 5])


def mask_of(model, head: int, mlp: int) -> dict[str, torch.Tensor]:
    """A head of layer 0 (width 4), its part of the output matrix with it, and the MLP of layer `mlp`; True = may change.

    Llama's keys and values serve two query heads each, so that a head alone does not free them.
    """
    mask = {name: torch.zeros(p.shape, dtype=torch.bool) for name, p in model.named_parameters()}
    own = slice(4 * head, 4 * head + 4)
    for name, free in mask.items():
        if f".{mlp}.mlp." in name:
            free[:] = True
        elif name.endswith("0.attn.c_attn.weight"):
            free.view(16, 3, 16)[:, :, own] = True
        elif name.endswith("0.attn.c_attn.bias"):
            free.view(3, 16)[:, own] = True
        elif name.endswith(("0.attn.c_proj.weight", "0.self_attn.q_proj.weight")):
            free[own] = True
        elif name.endswith("0.self_attn.o_proj.weight"):
            free[:, own] = True
    return {name: free for name, free in mask.items() if free.any()}


def two_stages(model, n_first: int = 2, n_second: int = 3) -> list[Stage]:
    """Other entries of the same attention matrices, and other MLPs."""
    return [Stage("forget", n_first, mask_of(model, 0, 1), with_retain=False), Stage("conflict", n_second, mask_of(model, 1, 0))]


def bits(model) -> dict[str, torch.Tensor]:
    """Every weight as the integer of its bits, as they are now."""
    return {name: p.detach().clone().view({4: torch.int32, 8: torch.int64}[p.itemsize]) for name, p in model.named_parameters()}


def moved_by_stage(handle, split, config, stages, **options):
    """Per stage, by parameter, which of its entries have other bits at its end than at its start; and all records."""
    ends, records, at = {0, *np.cumsum([s.n_epochs for s in stages]) * config.steps_per_epoch(3)}, [], []
    for record, model in unlearn(handle, *split, split[1], config, stages=stages, **options):
        records.append(record)
        if record.step in ends:
            at.append(bits(model))
    assert len(at) == len(stages) + 1
    return [{name: after[name] != before[name] for name in before} for before, after in zip(at, at[1:], strict=False)], records


def assert_moved_just(moved, stage: Stage) -> None:
    for name, changed in moved.items():
        assert torch.equal(changed, stage.mask.get(name, torch.zeros_like(changed))), name


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_stage_moves_all_its_weights_and_keeps_the_bits_of_all_others(kind, make_handle, split):
    """Against a decay of 0.5, and the momentum that stage 1 left: what it trained, stage 2 keeps as stage 1 left it."""
    handle = make_handle(kind)
    stages = two_stages(handle.model)
    shared = set(stages[0].mask) & set(stages[1].mask)
    assert shared and all(not (stages[0].mask[name] & stages[1].mask[name]).any() for name in shared)
    moved, records = moved_by_stage(handle, split, CONFIG, stages)
    for found, stage in zip(moved, stages, strict=True):
        assert_moved_just(found, stage)
    assert [r.stage for r in records[1:]] == ["forget"] * 4 + ["conflict"] * 6
    free, _ = moved_by_stage(handle, split, CONFIG, [Stage("all", 5, None)])
    assert all(changed.all() for changed in free[0].values())  # weight decay alone moves every weight that is free


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_trains_in_stages(name, handle, split):
    """RMU reads layer 0, so that nothing of its loss reaches MLP 1; all else is trained, by forget loss alone, then by both."""
    method = RMU(layer=0) if name == "RMU" else METHODS[name]()
    stages = two_stages(handle.model)
    moved, records = moved_by_stage(handle, split, replace(CONFIG, method=method), stages)
    if name == "RMU":
        stages[0] = replace(stages[0], mask={name: free for name, free in stages[0].mask.items() if ".mlp." not in name})
    for found, stage in zip(moved, stages, strict=True):
        assert_moved_just(found, stage)
    assert np.isnan([r.retain_loss for r in records[1:5]]).all() and np.isfinite([r.retain_loss for r in records[5:]]).all()
    assert np.isfinite([r.forget_loss for r in records[1:]]).all()


@pytest.mark.slow
@pytest.mark.parametrize("change", [
    {"sampling": CGA(refresh=2, n_pairs=2)}, {"sampling": CGATwoLevel(n_pairs=2)}, {"sampling": Curriculum("hard_first")},
    {"batch_size": 1, "n_accumulation": 2}, {"precision": "bf16"}, {"evaluate_every": 1, "retain_floor": 1e-9},
], ids=lambda change: "-".join(map(str, change.values())))
def test_stages_go_with_all_else_that_a_run_can_be(change, tokenizer, split):
    handle = handle_of(tiny_model("gpt2", len(tokenizer)).float(), tokenizer, "single")
    config, stages = replace(CONFIG, **change), two_stages(handle.model)
    options = {"difficulty": np.arange(3.0)} if isinstance(config.sampling, Curriculum) else {}
    moved, records = moved_by_stage(handle, split, config, stages, **options)
    for found, stage in zip(moved, stages, strict=True):
        assert_moved_just(found, stage)
    unmasked = [r for r, _ in unlearn(handle, *split, split[1], config, **options)]
    if not isinstance(config.sampling, CGA):  # which goes by the weights
        assert [r.rows for r in records] == [r.rows for r in unmasked]  # so that runs are paired by seed


def test_cga_counts_its_epochs_through_the_stages(handle, split, monkeypatch):
    measured = []
    monkeypatch.setattr(unlearning, "mrd", lambda model, *a, **k: measured.append(fingerprint(model)) or mrd(model, *a, **k))
    config = replace(CONFIG, sampling=CGA(refresh=2, n_pairs=2))
    run = unlearn(handle, *split, split[1], config, stages=two_stages(handle.model))
    at = {record.step: fingerprint(model) for record, model in run}
    assert measured == [at[0], at[4], at[8]]  # epochs 0, 2 and 4 of five, of two steps each


def test_without_the_retain_loss_the_retain_set_takes_no_forward_pass(handle, split):
    passes, config = [], replace(CONFIG, method=GradDiff(), n_epochs=2)
    for record, model in unlearn(handle, *split, split[1], config, stages=two_stages(handle.model, 1, 1)):
        if record.step == 0:
            model.register_forward_hook(lambda module, *_: passes.append(torch.is_grad_enabled()))
        elif record.evaluation is None:  # the first step of an epoch
            assert sum(passes) == {"forget": 1, "conflict": 2}[record.stage]
        passes.clear()


def by_hand(handle, forget, retain, config, stages, flaw=""):
    """GradDiff and AdamW written out, in batches of two, with whole tensors. `flaw`: what would be wrong."""
    model, rng = copy.deepcopy(handle.model).requires_grad_(True), np.random.default_rng(config.seed)
    weights = list(model.parameters())
    original, norms = [w.detach().clone() for w in weights], []

    def nll(batch):
        log_probs = model(batch.input_ids, attention_mask=batch.attention_mask).logits.log_softmax(-1)
        answers = batch.labels[:, 1:] != -100
        picked = log_probs[:, :-1].gather(-1, batch.labels[:, 1:].clamp(min=0)[..., None])[..., 0]
        return (-(picked * answers).sum(1) / answers.sum(1)).mean()

    for i, stage in enumerate(stages):
        start = original if flaw == "frozen at the original" else [w.detach().clone() for w in weights]
        free = [stage.mask.get(name, torch.zeros(p.shape, dtype=torch.bool)) for name, p in model.named_parameters()]
        if i == 0 or flaw != "momentum goes on":
            first, second, t = [torch.zeros_like(w) for w in weights], [torch.zeros_like(w) for w in weights], 0
        for _ in range(stage.n_epochs):
            order = rng.permutation(len(forget)).tolist()
            for rows in (order[:2], order[2:]):
                beside = rng.choice(len(retain), 2, replace=False).tolist()
                loss = -config.method.gamma * nll(forget.select(rows))
                if stage.with_retain or flaw == "retain loss in stage 1":
                    loss = loss + config.method.alpha * nll(retain.select(beside))
                gradients, t = torch.autograd.grad(loss, weights), t + 1
                counted = gradients if flaw == "norm of all" else [g * f for g, f in zip(gradients, free, strict=True)]
                norms.append(float(sum((g**2).sum() for g in counted)) ** 0.5)
                for w, g, f, m, v, before in zip(weights, gradients, free, first, second, start, strict=True):
                    g = g * f * min(1.0, 1 / (norms[-1] + 1e-6))
                    m.mul_(0.9).add_(0.1 * g)
                    v.mul_(0.999).add_(0.001 * g**2)
                    step = config.learning_rate * ((m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8) + config.weight_decay * w)
                    w.data = torch.where(f, w.data - step.detach(), before)
    assert max(norms) > 1  # so that clipping counts
    return model


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_two_stages_are_a_loop_written_out(kind, make_handle, split):
    handle, config = make_handle(kind), replace(CONFIG, method=GradDiff(gamma=0.6, alpha=0.7))
    stages = two_stages(handle.model)
    found = [m for _, m in unlearn(handle, *split, split[1], config, stages=stages)][-1]

    def difference(flaw):
        expected = by_hand(handle, *split, config, stages, flaw)
        return max(float((a - b).detach().abs().max()) for a, b in zip(found.parameters(), expected.parameters(), strict=True))

    assert difference("") < 1e-9
    for flaw in ("retain loss in stage 1", "norm of all", "momentum goes on", "frozen at the original"):
        assert difference(flaw) > 1e-3, flaw


def test_a_run_that_falls_below_its_floor_in_stage_2_has_what_stage_1_left(handle, split):
    config = UnlearningConfig(GradDiff(gamma=5.0, alpha=1e-6), 1e-2, 6, 3)  # 1 step per epoch; destroys the rest too
    second, first = two_stages(handle.model)
    stages = [replace(first, n_epochs=2, with_retain=False), replace(second, n_epochs=4, with_retain=True)]
    free = [(r, fingerprint(model)) for r, model in unlearn(handle, *split, split[1], config, stages=stages)]
    p = [r.evaluation.retain_probability for r, _ in free]
    assert p[0] > p[1] > p[2] > p[3]
    floored = replace(config, retain_floor=(p[2] + p[3]) / 2)
    found = [(r, fingerprint(model)) for r, model in unlearn(handle, *split, split[1], floored, stages=stages)]
    assert [(r.step, r.stage, r.stopped_early) for r, _ in found[1:]] == [
        (1, "conflict", False), (2, "conflict", False), (3, "forget", False), (2, None, True)
    ]
    assert found[4][1] == found[2][1] == free[2][1] != found[3][1]


def test_epochs_are_split_one_to_five_and_each_belongs_to_a_stage():
    assert [split_epochs(n) for n in (2, 3, 6, 10, 12, 15, 60)] == [(1, 1), (1, 2), (1, 5), (2, 8), (2, 10), (2, 13), (10, 50)]
    with pytest.raises(ValueError, match="two stages need at least 2 epochs, got 1"):
        split_epochs(1)
    assert [stage_of(epoch, [Stage("a", 1, None), Stage("b", 3, None), Stage("c", 1, None)]) for epoch in range(5)] == [0, 1, 1, 1, 2]


def test_stages_that_do_not_fit_are_named_before_anything_is_trained(handle, split):
    forget, conflict = two_stages(handle.model)
    unreached = {name: free for name, free in forget.mask.items() if ".mlp." in name}
    rmu = replace(CONFIG, method=RMU(layer=0))
    for stages, config, message in (
        ([], CONFIG, r"stages: expected at least 1 epoch each and 5 in all, as the run has, got \[\]"),
        ([forget, replace(conflict, n_epochs=4)], CONFIG, r"5 in all, as the run has, got \[2, 4\]"),
        ([replace(forget, n_epochs=0), replace(conflict, n_epochs=5)], CONFIG, r"at least 1 epoch each .* got \[0, 5\]"),
        ([forget, replace(conflict, name="forget")], CONFIG, "names that differ, got forget, forget"),
        ([forget, replace(conflict, mask={})], CONFIG, "mask of stage conflict: expected at least one weight that may change"),
        ([forget, conflict], replace(CONFIG, lora_rank=2), "give one or the other"),
        ([forget, replace(conflict, mask=unreached)], rmu, "mask of stage conflict: the losses depend on no weight"),
    ):
        with pytest.raises(ValueError, match=message):
            Trainer(handle, config, split[0], stages)
