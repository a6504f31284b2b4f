"""Edge scores against finite differences of really ablated runs, and the invariants of EAP and EAP-IG."""

import dataclasses

import numpy as np
import pytest
import torch

from analysis import faithfulness as machinery
from analysis.ablation import node_outputs
from analysis.attribution import AttributionConfig, completeness_error, edge_scores
from analysis.faithfulness import ablated_log_prob, faithfulness
from analysis.model import fingerprint
from analysis.tokens import tokenize
from tests.tiny_models import KINDS


def one(batch, row):
    return batch.select([row])


def slopes(handle, batch, edges, epsilon=1e-4):
    """dM by the share of one edge's clean-minus-zero difference that is kept, by central differences over graded edge masks."""
    kept = np.repeat(handle.index.real_edges[None].astype(float), 2 * len(edges), 0)
    for run, (source, column) in enumerate(edges):
        kept[2 * run, source, column] += epsilon
        kept[2 * run + 1, source, column] -= epsilon
    zero = torch.zeros(1, handle.index.n_forward, 1, handle.index.d_model, dtype=torch.float64)
    values = torch.cat([machinery._run(handle, batch, part, zero) for part in torch.from_numpy(kept).split(64)]).numpy()
    return (values[0::2] - values[1::2]) / (2 * epsilon)


@pytest.mark.parametrize("kind", KINDS)
def test_eap_equals_the_finite_difference_of_every_edge(kind, make_handle, batch):
    handle, sample = make_handle(kind), one(batch, 3)
    scores = edge_scores(handle, sample, AttributionConfig("EAP"))[0]
    oracle = slopes(handle, sample, np.argwhere(handle.index.real_edges))
    np.testing.assert_allclose(scores[handle.index.real_edges], oracle, rtol=2e-4, atol=1e-7 * np.abs(oracle).max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_edges_out_of_input_sum_to_the_effect_of_ablating_it(kind, make_handle, batch):
    """Completeness; the control is plain EAP, which does not have it."""
    handle, sample = make_handle(kind), one(batch, 1)
    reference = one(batch, 5)
    gap = input_effect(handle, sample, reference)
    scores = edge_scores(handle, sample, AttributionConfig("EAP-IG-inputs", "mean", 200), reference=reference)[0]
    assert scores[0].sum() == pytest.approx(gap, rel=2e-3)
    plain = edge_scores(handle, sample, AttributionConfig("EAP", "mean"), reference=reference)[0]
    assert abs(plain[0].sum() - gap) > 0.05 * abs(gap)


def test_ig_is_the_mean_of_the_finite_differences_along_the_way(handle, batch):
    """Each edge of EAP-IG against differences of runs whose input stands at each midpoint; the difference term stays clean."""
    sample = one(batch, 4)
    config = AttributionConfig("EAP-IG-inputs", "zero", 2)
    scores = edge_scores(handle, sample, config)[0]
    clean, _ = node_outputs(handle, sample)
    for u, v in [(0, 0), (0, 9), (2, 13), (5, 20), (7, 26), (10, 26)]:
        along = []
        for point in (0.25, 0.75):
            up, down = (shifted(handle, sample, point, u, v, clean[:, u], e) for e in (1e-4, -1e-4))
            along.append((up - down) / 2e-4)
        assert scores[u, v] == pytest.approx(np.mean(along), rel=1e-3, abs=1e-8), (u, v)


def shifted(handle, sample, point, source, column, direction, epsilon):
    """M with the input scaled by `point` and epsilon * direction added to what one destination reads."""
    from analysis.losses import answer_log_prob, n_kept

    zero = torch.zeros(1, handle.index.n_forward, 1, handle.index.d_model, dtype=torch.float64)
    run = machinery._AblatedRun(handle, torch.from_numpy(handle.index.real_edges[None].astype(float)), zero, sample.input_ids)
    run.outputs[:, 0] *= point
    read = run.read

    def nudged(columns):
        values = read(columns)
        stop = columns.start + values.shape[1]
        if columns.start <= column < stop:
            values[:, column - columns.start] += epsilon * direction
        return values

    run.read = nudged
    with torch.no_grad(), machinery.architecture.hooked(run.hooks(), run.layers):
        logits = handle.model(inputs_embeds=run.outputs[:, 0].clone(), use_cache=False, logits_to_keep=n_kept(sample.labels)).logits
    return float(answer_log_prob(logits, sample.labels))


def test_completeness_error_shrinks_with_steps_and_is_large_for_plain_eap(handle, batch):
    errors = {}
    for config in (AttributionConfig("EAP"), AttributionConfig(ig_steps=5), AttributionConfig(ig_steps=100)):
        scores = edge_scores(handle, batch, config)
        errors[config.method, config.ig_steps] = np.median(completeness_error(handle, batch, scores, config))
    assert errors["EAP-IG-inputs", 100] < 0.01 < errors["EAP", 20]
    assert errors["EAP-IG-inputs", 100] < errors["EAP-IG-inputs", 5]


def input_effect(handle, sample, reference):
    from analysis.ablation import replacement
    from analysis.losses import answer_log_prob

    ablated = replacement(handle, sample, "mean", reference, None)[:, 0].expand(-1, sample.input_ids.shape[1], -1)
    with torch.no_grad():
        logits = handle.model(inputs_embeds=ablated.contiguous()).logits
    return float(node_outputs(handle, sample)[1] - answer_log_prob(logits, sample.labels))


@pytest.mark.parametrize("config", [AttributionConfig("EAP"), AttributionConfig("EAP-IG-inputs", "zero", 3)])
def test_padding_and_batching_change_nothing(config, make_handle, batch):
    handle = make_handle("llama")
    together = edge_scores(handle, batch, config)
    for row in range(len(batch)):
        np.testing.assert_allclose(together[row], edge_scores(handle, one(batch, row), config)[0], rtol=1e-7, atol=1e-10)


def test_one_step_at_the_clean_end_is_eap(handle, batch):
    ig = edge_scores(handle, batch, AttributionConfig("EAP-IG-inputs", "zero", 1, quadrature="right"))
    np.testing.assert_array_equal(ig, edge_scores(handle, batch, AttributionConfig("EAP")))


def test_patching_with_the_clean_prompt_gives_zeros_and_another_prompt_does_not(handle, batch):
    config = AttributionConfig("EAP-IG-inputs", "patching", 2)
    assert np.abs(edge_scores(handle, batch, config, corrupted=batch)).max() < 1e-12
    other = dataclasses.replace(batch, input_ids=torch.where(batch.labels == -100, batch.input_ids.roll(1, 0), batch.input_ids))
    assert np.abs(edge_scores(handle, batch, config, corrupted=other)).max() > 1e-3


def test_scores_are_zero_where_there_is_no_edge(handle, batch):
    scores = edge_scores(handle, batch, AttributionConfig())
    assert (scores[:, ~handle.index.real_edges] == 0).all()
    assert (np.abs(scores[:, handle.index.real_edges]) > 0).mean() > 0.99


def test_the_model_is_bit_identical_afterwards_and_keeps_no_hook(make_handle, batch):
    handle = make_handle("llama")
    before = fingerprint(handle.model)
    edge_scores(handle, batch, AttributionConfig())
    faithfulness(handle, one(batch, 0), handle.index.real_edges[None], "zero")
    assert fingerprint(handle.model) == before == handle.fingerprint
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in handle.model.modules())
    assert {m.num_key_value_groups for m in handle.model.modules() if hasattr(m, "num_key_value_groups")} == {2}


@pytest.mark.parametrize("kind", KINDS)
def test_all_edges_kept_is_the_clean_run_and_the_whole_circuit_is_faithful(kind, make_handle, batch):
    handle, sample = make_handle(kind), one(batch, 2)
    real = handle.index.real_edges
    clean = float(node_outputs(handle, sample)[1])
    kept, none = ablated_log_prob(handle, sample, np.stack([real, real & False]), "zero")
    assert kept == pytest.approx(clean, abs=1e-9)
    assert none != pytest.approx(clean, abs=1e-3)
    assert faithfulness(handle, sample, np.stack([real, real & False]), "zero") == pytest.approx([1.0, 0.0])


def test_faithfulness_refuses_more_than_one_sample(handle, batch):
    with pytest.raises(ValueError, match="one sample at a time, got 6"):
        faithfulness(handle, batch, handle.index.real_edges[None], "zero")


def test_patching_without_a_corrupted_batch_is_refused(handle, batch, samples, tokenizer):
    with pytest.raises(ValueError, match="needs a corrupted batch"):
        edge_scores(handle, batch, AttributionConfig("EAP", "patching"))
    with pytest.raises(ValueError, match="corrupted_question"):
        tokenize(samples, tokenizer, corrupted=True)
    uneven = dataclasses.replace(samples[0], corrupted_question="Where was the very old Ana Rook born?")
    with pytest.raises(ValueError, match="equal length"):
        tokenize([uneven], tokenizer, corrupted=True)


def test_an_unknown_architecture_is_named(tokenizer):
    from transformers import OPTConfig, OPTForCausalLM

    from analysis.model import ModelError, handle_of

    with pytest.raises(ModelError, match="'opt' is not supported; expected one of gpt2"):
        handle_of(OPTForCausalLM(OPTConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=8, vocab_size=30,
                                           word_embed_proj_dim=16)), tokenizer, "x")
