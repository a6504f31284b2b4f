"""A step: masks that act on the update, micro-batches that add up, adapters that merge, precision."""

import copy
from dataclasses import replace

import pytest
import torch

from analysis.evaluation import answer_logits
from analysis.lora import add_adapters, merged
from analysis.methods import METHODS, NPO, RMU, UNDIAL, GradDiff
from analysis.model import fingerprint
from analysis.stages import Stage
from analysis.training import Trainer, micro_batches
from analysis.unlearning import UnlearningConfig, unlearn
from tests.tiny_models import tiny_model

CONFIG = UnlearningConfig(NPO(), 1e-2, 3, 2, weight_decay=0.5)
LAYER = "transformer.h.0.mlp.c_fc.weight"


@pytest.fixture
def split(batch):
    return batch.select([0, 1, 2]), batch.select([3, 4, 5])


def last_model(handle, split, config=CONFIG, **options):
    return [m for _, m in unlearn(handle, *split, split[1], config, **options)][-1]


def masked(mask, config=CONFIG):
    """A mask for the whole run."""
    return [Stage("mask", config.n_epochs, mask)]


def moved(handle, model) -> set[str]:
    """Names of the parameters that have changed at all."""
    before = dict(handle.model.named_parameters())
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


def test_a_mask_that_frees_all_is_no_mask(handle, split):
    free = {name: torch.ones(p.shape, dtype=torch.bool) for name, p in handle.model.named_parameters()}
    assert fingerprint(last_model(handle, split, stages=masked(free))) == fingerprint(last_model(handle, split)) != handle.fingerprint


def test_what_a_mask_freezes_keeps_its_bits_against_weight_decay_and_momentum(handle, split):
    free = torch.rand(handle.model.get_parameter(LAYER).shape, generator=torch.Generator().manual_seed(0)) < 0.5
    bias = "transformer.h.1.ln_2.bias"
    model = last_model(handle, split, stages=masked({LAYER: free, bias: torch.zeros(16, dtype=torch.bool)}))
    assert moved(handle, model) == {LAYER}
    assert moved(handle, last_model(handle, split)) > {LAYER, bias}  # weight decay alone moves everything else
    before, after = handle.model.get_parameter(LAYER), model.get_parameter(LAYER)
    assert torch.equal(before[~free], after[~free]) and (before[free] != after[free]).all()


def test_masked_gradients_take_no_part_in_clipping(handle, split):
    """The one free weight gets the whole norm; were the others counted, it would get almost none of it."""
    gradient = {}
    for name, free in (("one", False), ("all", True)):
        mask = torch.full(handle.model.get_parameter(LAYER).shape, free)
        mask[0, 0] = True
        trainer = Trainer(handle, replace(CONFIG, method=GradDiff(gamma=1e4)), split[0], masked({LAYER: mask}))
        trainer.step(split[0], [0, 1], split[1], [0, 1])
        gradient[name] = float(trainer.model.get_parameter(LAYER).grad[0, 0])
    assert abs(gradient["one"]) == pytest.approx(1.0, abs=1e-5) and abs(gradient["all"]) < 0.5


@pytest.mark.parametrize(("mask", "message"), [
    ({"x.weight": torch.ones(2, dtype=torch.bool)}, "the model has no parameter 'x.weight'; it has transformer.wte.weight"),
    ({LAYER: torch.ones(3, dtype=torch.bool)}, r"expected bool of shape \(16, 24\), got torch.bool of shape \(3,\)"),
    ({LAYER: torch.ones(16, 24)}, "got torch.float32"),
    ({LAYER: torch.zeros(16, 24, dtype=torch.bool)}, "expected at least one weight that may change, got none"),
    ({}, "expected at least one weight"),
])
def test_masks_that_do_not_fit_are_named(mask, message, handle, split):
    with pytest.raises(ValueError, match=message):
        next(unlearn(handle, *split, split[1], CONFIG, stages=masked(mask)))


def test_a_mask_refuses_lora_and_a_method_that_cannot_reach_what_is_free(handle, split):
    mask = {LAYER: torch.ones(16, 24, dtype=torch.bool)}
    with pytest.raises(ValueError, match="give one or the other"):
        next(unlearn(handle, *split, split[1], replace(CONFIG, lora_rank=2), stages=masked(mask)))
    above = {"transformer.h.1.mlp.c_fc.weight": mask[LAYER]}
    with pytest.raises(ValueError, match="the losses depend on no weight that may change"):
        next(unlearn(handle, *split, split[1], replace(CONFIG, method=RMU(layer=0)), stages=masked(above)))


def test_micro_batches_cover_both_lists_once_in_order():
    for n_rows, n_beside, size in ((8, 8, 4), (3, 8, 4), (1, 8, 2), (5, 2, 2), (1, 1, 1), (7, 7, 3)):
        rows, beside = list(range(n_rows)), list(range(100, 100 + n_beside))
        parts = micro_batches(rows, beside, size)
        assert [r for some, _ in parts for r in some] == rows and [r for _, others in parts for r in others] == beside
        assert all(some and others for some, others in parts)
    assert [(len(a), len(b)) for a, b in micro_batches(list(range(8)), list(range(8)), 4)] == [(4, 4), (4, 4)]
    assert len(micro_batches([1, 2], [3, 4], 2)) == 1


@pytest.mark.parametrize("method", [NPO(gamma=0.5), GradDiff()])
def test_accumulated_micro_batches_are_one_batch(method, handle, batch):
    whole = UnlearningConfig(method, 1e-2, 2, 4, seed=2)
    parts = replace(whole, batch_size=2, n_accumulation=2)
    sets = batch.select([0, 1, 2, 3, 4]), batch.select([1, 2, 3, 4, 5])  # a whole step, and one of a single row beside four
    one = list(unlearn(handle, *sets, sets[1], whole))
    two = list(unlearn(handle, *sets, sets[1], parts))
    assert [r.rows for r, _ in one] == [r.rows for r, _ in two] and sorted(one[1][0].rows + one[2][0].rows) == [0, 1, 2, 3, 4]
    assert [r.forget_loss for r, _ in two[1:]] == pytest.approx([r.forget_loss for r, _ in one[1:]], rel=1e-9)
    assert [r.retain_loss for r, _ in two[1:]] == pytest.approx([r.retain_loss for r, _ in one[1:]], rel=1e-9)
    for a, b in zip(one[-1][1].parameters(), two[-1][1].parameters(), strict=True):
        assert torch.allclose(a, b, rtol=0, atol=1e-7)
    smaller = last_model(handle, sets, replace(whole, batch_size=2))
    assert not torch.allclose(smaller.get_parameter(LAYER), one[-1][1].get_parameter(LAYER), atol=1e-4)  # and not two steps


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "llama"])
def test_lora_trains_adapters_alone_and_merges_into_the_same_function(kind, make_handle, split):
    handle = make_handle(kind)
    config = replace(CONFIG, lora_rank=2, learning_rate=5e-2)
    trainer = Trainer(handle, config, split[0])
    assert all(".lora_" in name for name in trainer.trained) and {min(p.shape) for p in trainer.trained.values()} == {2}
    model = last_model(handle, split, config)
    plain = merged(model)
    assert list(plain.state_dict()) == list(handle.model.state_dict()) and type(plain) is type(handle.model)
    with torch.no_grad():
        before, adapted, after = (answer_logits(m, split[0]) for m in (handle.model, model, plain))
    assert torch.allclose(adapted, after, rtol=0, atol=1e-9) and not torch.allclose(before, after, atol=1e-2)
    name = next(iter(trainer.trained)).split(".lora_")[0]
    assert torch.equal(model.get_submodule(name).base_layer.weight, handle.model.get_submodule(name).weight)
    change = plain.get_submodule(name).weight - handle.model.get_submodule(name).weight
    assert torch.linalg.matrix_rank(change, atol=1e-9) == 2


def test_fresh_adapters_change_nothing_and_a_model_without_them_is_left_as_it_is(handle, split, tokenizer):
    model = copy.deepcopy(handle.model)
    assert merged(model) is model
    add_adapters(model, 3)
    with torch.no_grad():
        assert torch.equal(answer_logits(model, split[0]), answer_logits(handle.model, split[0]))
    single = tiny_model("gpt2", len(tokenizer)).float()
    add_adapters(single, 3)
    assert {p.dtype for p in merged(single).parameters()} == {torch.float32}


def test_bf16_computes_the_losses_in_bf16_and_keeps_the_weights(tokenizer, split):
    from analysis.model import handle_of

    handle = handle_of(tiny_model("gpt2", len(tokenizer)).float(), tokenizer, "single")
    config = UnlearningConfig(GradDiff(), 1e-3, 1, 3)
    exact, rough = (list(unlearn(handle, *split, split[1], replace(config, precision=p))) for p in ("fp32", "bf16"))
    assert {p.dtype for p in rough[-1][1].parameters()} == {torch.float32}
    assert exact[1][0].retain_loss != rough[1][0].retain_loss == pytest.approx(exact[1][0].retain_loss, rel=2e-2)
    assert rough[0][0].evaluation.forget_nll.tolist() == exact[0][0].evaluation.forget_nll.tolist()  # evaluated in full


@pytest.mark.parametrize("method", [
    UNDIAL(), RMU(layer=0), NPO(), *(METHODS[name](retain_loss="KL") for name in ("GradDiff", "SimNPO", "UNDIAL", "IdkDPO")),
], ids=lambda method: f"{type(method).__name__}-{getattr(method, 'retain_loss', '')}")
def test_the_reference_stays_the_model_before_unlearning(method, handle, split):
    """After some steps the losses are those of a method prepared with the untouched model; of one prepared now they are others."""
    torch.manual_seed(0)  # RMU's direction
    trainer = Trainer(handle, replace(CONFIG, method=method, learning_rate=3e-2), split[0])
    for _ in range(3):
        trainer.step(split[0], [0, 1, 2], split[1], [0, 1, 2])

    def losses(prepared):
        with torch.no_grad():
            return [float(part) for part in prepared.losses(trainer.model, split[0], [0, 1, 2], split[1])]

    by_original = {}
    for name, model in (("before", handle.model), ("now", trainer.model)):
        torch.manual_seed(0)
        by_original[name] = copy.copy(method)
        by_original[name].prepare(model, split[0], handle.tokenizer)
    assert all(value is None for name, value in vars(method).items() if name.startswith("_"))  # the setting itself holds no model
    assert losses(trainer.method) == losses(by_original["before"]) != pytest.approx(losses(by_original["now"]), rel=1e-3)


def test_weight_decay_is_the_settings_own(handle, split):
    """With a rate of 0.1 and a decay of 5 a step halves every weight, but for at most 0.1 that AdamW adds itself."""
    trainer = Trainer(handle, replace(CONFIG, learning_rate=0.1, weight_decay=5.0), split[0])
    trainer.step(split[0], [0, 1], split[1], [0, 1])
    before, after = handle.model.get_parameter(LAYER), trainer.model.get_parameter(LAYER)
    assert (after - before / 2).abs().max() <= 0.1 + 1e-9 < (after - before).abs().max()
