"""The logit lens against the model's own output, a run by hand, TransformerLens' bridge, and answers that are not the sample's."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis.evaluation import answer_nll
from analysis.logit_lens import answer_by_layer, logit_lens, other_answers
from analysis.model import handle_of
from analysis.tokens import tokenize


def test_after_the_last_layer_it_is_the_models_own(make_handle, batch):
    for kind in ("gpt2", "gemma2"):
        handle = make_handle(kind)
        lens = logit_lens(handle, batch)
        assert lens.log_prob.shape == (handle.index.n_layers + 1, len(batch))
        np.testing.assert_allclose(lens.log_prob[-1], -answer_nll(handle.model, batch), rtol=1e-12)
        assert np.abs(np.diff(lens.log_prob, axis=0)).min() > 1e-3  # the layers differ


def test_the_first_token_is_read_where_it_is_predicted(handle, samples):
    one = tokenize(samples[1:2], handle.tokenizer)
    lens, start = logit_lens(handle, one), int((one.labels[0] != -100).int().argmax())
    log_probs = handle.model(one.input_ids).logits[0, start - 1].log_softmax(-1)
    own = one.input_ids[0, start]
    assert lens.first_log_prob[-1, 0] == pytest.approx(float(log_probs[own]), rel=1e-9)
    assert lens.first_rank[-1, 0] == 1 + int((log_probs > log_probs[own]).sum())
    assert lens.top_token[-1, 0] == int(log_probs.argmax())


def test_a_layer_that_writes_nothing_changes_nothing(handle, batch):
    model = copy.deepcopy(handle.model)
    with torch.no_grad():
        for part in (model.transformer.h[1].attn.c_proj, model.transformer.h[1].mlp.c_proj):
            part.weight.zero_()
            part.bias.zero_()
    log_prob = logit_lens(handle_of(model, handle.tokenizer, "silent"), batch).log_prob
    np.testing.assert_array_equal(log_prob[1], log_prob[2])
    assert np.abs(log_prob[0] - log_prob[1]).min() > 1e-3


def test_the_model_is_left_as_it_was(handle, batch):
    logit_lens(handle, batch)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in handle.model.modules())


def test_one_sample_next_to_other_answers(handle, samples):
    table = answer_by_layer(handle, samples[2], samples)
    assert table["layer"].tolist() == [-1, 0, 1] and (table["n_control"] == 5).all()
    own = logit_lens(handle, tokenize(samples[2:3], handle.tokenizer))
    np.testing.assert_allclose(table["log_prob"], own.log_prob[:, 0], rtol=1e-9)
    np.testing.assert_array_equal(table["first_rank"], own.first_rank[:, 0])
    swapped = tokenize([replace(samples[2], answer=other.answer) for other in samples if other is not samples[2]], handle.tokenizer)
    np.testing.assert_allclose(table["control"], logit_lens(handle, swapped).log_prob.mean(1), rtol=1e-9)
    assert (table["control_low"] < table["control"]).all() and (table["control"] < table["control_high"]).all()


def test_without_other_answers_the_control_is_missing(handle, samples):
    table = answer_by_layer(handle, samples[0], samples[:1])
    assert table["control"].isna().all() and math.isfinite(table["log_prob"].iloc[-1])


def test_other_answers_are_to_the_same_question_where_enough_are(samples):
    asked = [replace(samples[0], id=f"b{i}", question=f"Where was Ana{i} Rook born?", answer=f"Town{i}") for i in range(5)]
    assert other_answers(asked[0], samples + asked) == other_answers(asked[0], (samples + asked)[::-1])
    assert set(other_answers(asked[0], samples + asked)) == {"Lund", *(f"Town{i}" for i in range(1, 5))}
    assert "Geese" in other_answers(asked[0], samples[1:] + asked[:2])  # one alike is too few
    assert asked[0].answer not in other_answers(asked[0], asked + [replace(asked[0], id="copy")])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "gpt_neox sequential", "llama", "qwen3", "gemma", "gemma2", "gemma3_text", "phi"])
def test_it_agrees_with_the_bridge(make_handle, samples, kind):
    """The bridge's last layer is made to give what an earlier layer gave; norm, unembedding and soft cap are the bridge's own."""
    from tests.bridge_oracle import BridgeOracle, mean_answer_log_prob

    handle = make_handle(kind)
    bridge, last = BridgeOracle(handle).bridge, handle.index.n_layers - 1
    names = ["blocks.0.hook_in"] + [f"blocks.{layer}.hook_out" for layer in range(last + 1)]
    for sample in samples[:3]:
        one = tokenize([sample], handle.tokenizer)
        _, cache = bridge.run_with_cache(one.input_ids, names_filter=names)
        expected = []
        for name in names:
            put = (f"blocks.{last}.hook_out", lambda value, hook, state=cache[name]: state)
            expected.append(float(mean_answer_log_prob(bridge.run_with_hooks(one.input_ids, fwd_hooks=[put]), one.labels)))
        np.testing.assert_allclose(logit_lens(handle, one).log_prob[:, 0], expected, atol=1e-5)
