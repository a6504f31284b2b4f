"""MRD's invariants, and MRD against the exact Hessian trace on a 2-layer float64 model."""

import copy

import numpy as np
import pytest
import torch
from torch.func import functional_call, hessian
from torch.nn.attention import SDPBackend, sdpa_kernel

from analysis import perturbation
from analysis.losses import token_log_probs
from analysis.model import fingerprint, handle_of
from analysis.mrd import mrd
from analysis.tokens import TokenBatch


@pytest.fixture(scope="module")
def micro(tokenizer):
    """A 2-layer float64 model small enough for its full Hessian."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"n_embd": 4, "n_layer": 2, "n_head": 2, "n_inner": 4, "n_positions": 12, "vocab_size": 6}
    config = GPT2Config(**sizes, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0, eos_token_id=0)
    model = GPT2LMHeadModel(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return handle_of(model, tokenizer, "micro")


@pytest.fixture(scope="module")
def micro_batch():
    ids = torch.tensor([[1, 2, 3, 4, 5], [2, 2, 5, 1, 0]])
    labels = torch.tensor([[-100, -100, 3, 4, 5], [-100, -100, 5, 1, -100]])
    return TokenBatch(ids, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]), labels)


def exact_trace_term(handle, batch):
    """|sum_t Tr(H_t) / P_t| / 2 per sample, by torch.func's full Hessian."""
    model = copy.deepcopy(handle.model)
    names, values = zip(*model.named_parameters(), strict=True)
    shapes, sizes = [v.shape for v in values], [v.numel() for v in values]
    flat = torch.cat([v.detach().flatten() for v in values])

    def log_probs(theta):
        parts = {n: p.view(s) for n, p, s in zip(names, theta.split(sizes), shapes, strict=True)}
        logits = functional_call(model, parts, (batch.input_ids,), {"use_cache": False}).logits
        return token_log_probs(logits, batch.labels)[0]

    base = log_probs(flat)
    with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivatives
        full = hessian(log_probs)(flat)
    curvature = full.diagonal(dim1=-2, dim2=-1).sum(-1)
    counted = batch.labels[:, 1:] != -100
    return 0.5 * torch.where(counted, curvature / base, 0.0).sum(1).abs().numpy()


@pytest.mark.slow
def test_pairs_along_every_axis_add_up_to_the_exact_trace(micro, micro_batch, monkeypatch):
    """The trace is the sum of the second derivatives along the axes, so that nothing is left to chance."""
    sizes = [p.numel() for p in micro.model.parameters()]

    def axis(like, seed, draw, place):
        like.zero_()
        own = draw - sum(sizes[:place])
        if 0 <= own < sizes[place]:
            like[own] = 1.0
        return like

    monkeypatch.setattr(perturbation, "noise", axis)
    found = mrd(micro.model, micro_batch, sigma=1e-3, n_pairs=sum(sizes))
    assert found.value * sum(sizes) / 1e-6 == pytest.approx(exact_trace_term(micro, micro_batch), rel=1e-3)


@pytest.mark.parametrize("estimator, n", [("antithetic", 200), pytest.param("hutchinson", 100, marks=pytest.mark.slow)])
def test_both_second_order_estimators_reach_the_exact_trace_within_their_standard_errors(micro, micro_batch, estimator, n):
    sigma, expected = 1e-3, exact_trace_term(micro, micro_batch)
    found = mrd(micro.model, micro_batch, sigma=sigma, n_pairs=n, estimator=estimator)
    value, stderr = found.value, found.stderr
    assert stderr[0] < 0.5 * value[0]  # the second sample's trace happens to be nearly zero
    assert np.all(np.abs(value / sigma**2 - expected) < 4 * stderr / sigma**2)


def test_antithetic_and_hutchinson_agree_within_two_percent_along_the_same_directions(micro, micro_batch):
    settings = {"sigma": 1e-3, "n_pairs": 4}
    pairs = mrd(micro.model, micro_batch, **settings)
    probes = mrd(micro.model, micro_batch, **settings, estimator="hutchinson")
    assert probes.value == pytest.approx(pairs.value, rel=0.02)
    assert probes.stderr == pytest.approx(pairs.stderr, rel=0.02)


def test_mrd_is_zero_without_perturbation_and_grows_with_sigma_squared(micro, micro_batch):
    assert mrd(micro.model, micro_batch, sigma=0.0, n_pairs=2).value == pytest.approx([0, 0], abs=1e-15)
    small, large = (mrd(micro.model, micro_batch, sigma=s, n_pairs=40).value for s in (1e-4, 3e-4))
    assert large / small == pytest.approx([9, 9], rel=1e-3)


def test_mrd_depends_on_the_seed_alone_not_on_order_padding_or_neighbours(handle, batch):
    value = mrd(handle.model, batch, sigma=3e-3, n_pairs=4).value
    again = mrd(handle.model, batch, sigma=3e-3, n_pairs=4).value
    other = mrd(handle.model, batch, sigma=3e-3, n_pairs=4, seed=1).value
    reordered = mrd(handle.model, batch.select([4, 2, 0, 1, 3, 5]), sigma=3e-3, n_pairs=4).value
    alone = mrd(handle.model, batch.select([3]), sigma=3e-3, n_pairs=4).value
    assert np.array_equal(value, again)
    assert not np.allclose(value, other, rtol=0.02)
    assert reordered == pytest.approx(value[[4, 2, 0, 1, 3, 5]], rel=1e-6)
    assert alone == pytest.approx(value[[3]], rel=1e-6)


def test_seeds_draws_and_parameters_share_no_noise():
    made = [perturbation.noise(torch.empty(50), *place).clone() for place in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))]
    again = perturbation.noise(torch.zeros(50), 0, 1, 0)
    assert torch.equal(again, made[2])  # whatever was there before
    assert all(not torch.equal(a, b) for i, a in enumerate(made) for b in made[:i])


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("estimator", ["antithetic", "monte_carlo", "hutchinson", "gradient_norm"])
def test_mrd_leaves_the_model_bit_identical_even_when_it_breaks_off(make_handle, batch, estimator, half):
    model = make_handle().model
    model = model.bfloat16() if half else model
    weights, before = list(model.parameters()), fingerprint(model)
    pointers, flags = [p.data_ptr() for p in weights], [p.requires_grad for p in weights]

    def stop(done, total):
        raise KeyboardInterrupt

    if estimator == "gradient_norm":  # it reports nothing
        mrd(model, batch, sigma=3e-3, n_pairs=2, estimator=estimator)
    else:
        with pytest.raises(KeyboardInterrupt):
            mrd(model, batch, sigma=3e-3, n_pairs=2, estimator=estimator, report=stop)
    assert fingerprint(model) == before
    assert [p.data_ptr() for p in model.parameters()] == pointers and [p.requires_grad for p in weights] == flags
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_layer_by_layer_no_weight_is_kept_in_its_wide_form(make_handle, batch):
    model = make_handle().model.bfloat16()
    place = perturbation.LayerByLayer(model, 0)
    place.move(0, 1e-3)
    with torch.no_grad():
        place.model(batch.input_ids, attention_mask=batch.attention_mask)
    assert {p.data_ptr() for p in place.model.parameters()} == {p.data_ptr() for p in model.parameters()}


def test_a_model_in_training_mode_is_measured_without_dropout_and_stays_in_it(make_handle, batch):
    model = make_handle().model
    expected = mrd(model, batch, sigma=3e-3, n_pairs=2).value
    model.transformer.drop.p = 0.5
    model.train()
    assert np.array_equal(mrd(model, batch, sigma=3e-3, n_pairs=2).value, expected)
    assert model.training


@pytest.mark.parametrize("estimator", ["antithetic", "hutchinson", "gradient_norm"])
def test_a_half_precision_model_is_measured_as_its_float32_twin(make_handle, batch, estimator):
    half = make_handle().model.bfloat16()
    twin = copy.deepcopy(half).float()
    settings = {"sigma": 3e-3, "n_pairs": 3, "estimator": estimator}
    found, expected = (mrd(model, batch, **settings).value for model in (half, twin))
    assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("wrong, message", [
    ({"n_pairs": 1}, "at least 2 pairs"), ({"sigma": -1.0}, "sigma >= 0"), ({"sigma": float("nan")}, "sigma >= 0"),
    ({"max_pairs": 4}, "max_pairs: expected at least 5"), ({"estimator": "exact"}, "estimator: expected one of"),
    ({"scope": "prompt"}, "scope: expected one of"),
])
def test_nonsense_is_refused(handle, batch, wrong, message):
    with pytest.raises(Exception, match=message if set(wrong) <= {"n_pairs", "sigma", "max_pairs"} else "exact|prompt"):
        mrd(handle.model, batch, **{"sigma": 3e-3, "n_pairs": 2} | wrong)
