"""EAP-IG over activations, exact edges, metrics, quadrature rules and half precision, each against something slow and plain."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from analysis import faithfulness as machinery
from analysis.ablation import node_outputs, replacement
from analysis.attribution import AttributionConfig, completeness_error, edge_scores
from analysis.interpolation import quadrature, runs_of
from analysis.losses import answer_log_prob, answer_metric, n_kept
from analysis.model import handle_of
from analysis.scoring import circuits_of
from analysis.tokens import TokenBatch
from tests.tiny_models import tiny_model

METHODS = ["EAP", "EAP-IG-inputs", "EAP-IG-activations", "exact"]


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def test_quadrature_points_and_weights_by_hand():
    assert quadrature("left", 4) == ([0.75, 0.5, 0.25, 0.0], [0.25] * 4)
    assert quadrature("right", 4) == ([1.0, 0.75, 0.5, 0.25], [0.25] * 4)
    assert quadrature("midpoint", 2) == ([0.75, 0.25], [0.5, 0.5])
    points, weights = quadrature("gauss-legendre", 3)  # 1/2 +- sqrt(15)/10; 5/18, 8/18, 5/18
    assert points == pytest.approx([0.887298334620742, 0.5, 0.112701665379258])
    assert weights == pytest.approx([5 / 18, 8 / 18, 5 / 18])


def test_gauss_legendre_is_exact_to_degree_2n_minus_1_and_no_further():
    points, weights = (np.array(v) for v in quadrature("gauss-legendre", 3))
    assert weights @ points**5 == pytest.approx(1 / 6, abs=1e-14)
    assert abs(weights @ points**6 - 1 / 7) > 1e-4


def test_activations_run_the_input_each_layers_heads_and_each_mlp_in_turn(handle):
    runs = runs_of("EAP-IG-activations", "right", 5, handle.index)
    assert [run.group for run in runs] == [g for g in range(5) for _ in range(5)]
    assert sum(run.weight for run in runs) == pytest.approx(1)
    assert runs[0].point == 1


@pytest.mark.slow
@pytest.mark.parametrize("ablation", ["zero", "mean", "patching"])
@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "phi", "gemma2", "gemma2 biased"])
def test_activations_equal_a_loop_over_groups_and_steps(kind, ablation, make_handle, batch):
    handle, sample, other = make_handle(kind), batch.select([3]), batch.select([3])
    other.input_ids[:, 3] += 1
    config = AttributionConfig("EAP-IG-activations", ablation, 3, quadrature="right")
    scores = edge_scores(handle, sample, config, corrupted=other)[0]
    ablated = replacement(handle, sample, ablation, None, other).expand_as(node_outputs(handle, sample)[0])
    expected = looped(handle, sample, ablated, (1 / 3, 2 / 3, 1.0))
    assert relative(scores, expected) < 1e-9
    control = edge_scores(handle, sample, dataclasses.replace(config, method="EAP-IG-inputs"), corrupted=other)[0]
    assert relative(control, expected) > 0.01


def looped(handle, sample, ablated, points):
    """One run per group and point through machinery that computes every destination's input apart, a nudge at each of them."""
    clean = node_outputs(handle, sample)[0].detach()
    index, total = handle.index, 0
    groups = [slice(0, 1)]
    for layer in range(index.n_layers):
        groups += [index.head_rows(layer), slice(index.mlp_row(layer), index.mlp_row(layer) + 1)]
    for rows in groups:
        for point in points:
            total = total + nudge_gradient(handle, sample, rows, ablated[:, rows] + point * (clean[:, rows] - ablated[:, rows]))
    scores = torch.einsum("bupd,vpd->uv", clean - ablated, total / (len(groups) * len(points)))
    return (scores * torch.from_numpy(index.real_edges)).numpy()


def nudge_gradient(handle, sample, rows, value):
    """dM/d nudge [n_backward, pos, d_model], where each destination reads its input plus a nudge, and `rows` write `value`."""
    index = handle.index
    real = torch.from_numpy(index.real_edges[None].astype(float))
    zero = torch.zeros(1, index.n_forward, 1, index.d_model, dtype=torch.float64)
    run = machinery._AblatedRun(handle, real, zero, sample.input_ids)
    nudge = torch.zeros(index.n_backward, *run.outputs.shape[2:], dtype=torch.float64, requires_grad=True)
    read, keep_heads, keep_mlp = run.read, run.keep_heads, run.keep_mlp

    def pinned(keep):
        def kept(out, layer):
            run.outputs = run.outputs.clone()
            keep(out, layer)
            run.outputs = run.outputs.clone()
            run.outputs[:, rows] = value

        return kept

    def nudged(columns):
        values = read(columns)
        return values + nudge[columns.start : columns.start + values.shape[1]]

    def keep_pinned(z, layer):  # the output bias at the scale of a norm that follows is constant with the heads
        keep_heads(z.detach() if rows == index.head_rows(layer) else z, layer)

    run.read, run.keep_heads, run.keep_mlp = nudged, pinned(keep_pinned), pinned(keep_mlp)
    embedded = run.outputs[:, 0].clone()  # the pinned input comes after: the constant of the stream is what the model adds to this
    start = run.start
    run.start = lambda x, layer: (start(x, layer), pinned(lambda out, la: None)(None, layer) if rows.start == 0 else None)[1]
    with torch.enable_grad(), machinery.architecture.hooked(run.hooks(), run.layers):
        logits = handle.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=n_kept(sample.labels)).logits
        return torch.autograd.grad(answer_log_prob(logits, sample.labels).sum(), nudge)[0]


def test_exact_is_the_difference_that_a_plain_hook_makes(make_handle, batch):
    handle, rows = make_handle("llama"), batch.select([0, 4])
    scores = edge_scores(handle, rows, AttributionConfig("exact", metric="probability"))
    for row in (0, 1):
        sample = rows.select([row])
        clean, log_prob = node_outputs(handle, sample)
        layer = handle.model.model.layers[1]
        last, mlp = handle.model.model.norm, layer.post_attention_layernorm
        for norm, column, source in [(last, 26, 5), (mlp, 25, 7), (last, 26, 0)]:
            hook = norm.register_forward_pre_hook(lambda _m, args, gone=clean[:, source]: (args[0] - gone,))
            ablated = node_outputs(handle, sample)[1].exp()
            hook.remove()
            assert scores[row, source, column] == pytest.approx(float(log_prob.exp() - ablated), rel=1e-6), (source, column)
    assert (scores[:, ~handle.index.real_edges] == 0).all()


def test_exact_refuses_a_large_graph(handle, batch, monkeypatch):
    monkeypatch.setattr("analysis.exact.MAX_EDGES", 100)
    with pytest.raises(ValueError, match="at most 100 edges, got 110; use EAP-IG-inputs"):
        edge_scores(handle, batch, AttributionConfig("exact"))


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox"])
def test_ig_ranks_edges_more_like_exact_than_eap_does_under_patching(kind, make_handle):
    """Mean Spearman over six samples, one prompt token changed. Under zero ablation, far from what models see, it need not hold."""
    ids = torch.randint(2, 290, (6, 14), generator=torch.Generator().manual_seed(0))
    batch = TokenBatch(ids, torch.ones_like(ids), torch.where(torch.arange(14) >= 9, ids, -100))
    corrupted = dataclasses.replace(batch, input_ids=torch.where(torch.arange(14) == 4, ids.flip(0), ids))
    handle, agreement = make_handle(kind), {}
    scores = {m: edge_scores(handle, batch, AttributionConfig(m, "patching", 10), corrupted=corrupted) for m in METHODS}
    for method in ("EAP", "EAP-IG-inputs"):
        pairs = [(a[handle.index.real_edges], b[handle.index.real_edges]) for a, b in zip(scores[method], scores["exact"], strict=True)]
        agreement[method] = np.mean([spearmanr(a, b).statistic for a, b in pairs])
    assert agreement["EAP-IG-inputs"] > agreement["EAP"] > 0.5


def test_metrics_by_hand():
    run, clean = torch.tensor([-1.0, -2.0]).double(), torch.tensor([-0.5, -2.0]).double()
    assert answer_metric(run, clean, "log_prob").tolist() == [-1.0, -2.0]
    assert answer_metric(run, clean, "probability").tolist() == pytest.approx([0.36787944, 0.13533528])
    by_hand = -math.exp(0.60653066) * (0.60653066 - 0.36787944)
    assert answer_metric(run, clean, "released").tolist() == pytest.approx([by_hand, 0.0], rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_metrics_differ_only_by_their_slope(method, handle, batch):
    """`released` is e^{p_clean} times `probability` in every method; against the log-probability only EAP's factor is constant."""
    rows = batch.select([0, 2])
    by_metric = {m: edge_scores(handle, rows, AttributionConfig(method, "zero", 2, m)) for m in ("log_prob", "probability", "released")}
    p = node_outputs(handle, rows)[1].exp().numpy()[:, None, None]
    np.testing.assert_allclose(by_metric["released"], np.exp(p) * by_metric["probability"], rtol=1e-6, atol=1e-12)
    ratio = relative(by_metric["probability"], p * by_metric["log_prob"])
    assert ratio < 1e-9 if method == "EAP" else ratio > 1e-3


@pytest.mark.parametrize("metric", ["log_prob", "probability", "released"])
def test_ig_over_inputs_is_complete_in_every_metric_and_other_methods_have_no_such_error(metric, handle, batch):
    rows = batch.select([1, 3])
    few, many = (AttributionConfig("EAP-IG-inputs", "mean", n, metric, "gauss-legendre") for n in (2, 60))
    errors = [completeness_error(handle, rows, edge_scores(handle, rows, c), c) for c in (few, many)]
    assert (errors[1] < 1e-3).all() and np.median(errors[0]) > np.median(errors[1])
    assert np.isnan(completeness_error(handle, rows, np.zeros((2, 11, 27)), AttributionConfig("exact"))).all()


@pytest.mark.parametrize("method", METHODS)
def test_padding_other_samples_and_small_passes_change_nothing(method, make_handle, batch):
    """A budget just above the least makes passes of one run of one sample and of few positions."""
    handle, rows = make_handle("llama"), batch.select([0, 1, 3])
    config = AttributionConfig(method, "zero", 3)
    together = edge_scores(handle, rows, config)
    budget = 6_000_000 if method == "exact" else 1_250_000
    apart = np.concatenate([edge_scores(handle, rows.select([row]), config, memory_budget=budget) for row in range(3)])
    assert relative(together, apart) < 1e-7


@pytest.mark.parametrize("method", METHODS)
def test_a_budget_too_small_for_one_run_is_named(method, handle, batch):
    with pytest.raises(ValueError, match="memory_budget: one run .* needs about .* GB"):
        edge_scores(handle, batch, AttributionConfig(method), memory_budget=10_000)


@pytest.mark.parametrize("method", METHODS)
def test_mean_ablation_averages_the_whole_batch_where_no_reference_is_given(method, handle, batch):
    rows, config = batch.select([0, 3]), AttributionConfig(method, "mean", 2)
    together, alone = edge_scores(handle, rows, config)[1], rows.select([1])
    assert relative(edge_scores(handle, alone, config, reference=rows)[0], together) < 1e-9
    assert relative(edge_scores(handle, alone, config)[0], together) > 1e-3


def test_the_mean_is_over_every_token_and_no_padding(handle, batch):
    outputs = [node_outputs(handle, batch.select([row]))[0][0] for row in range(len(batch))]
    expected = torch.cat(outputs, 1).mean(1)
    torch.testing.assert_close(replacement(handle, batch, "mean", None, None)[0, :, 0], expected)


def test_the_completeness_error_is_measured_in_the_same_budget(handle, samples, monkeypatch):
    zeros = np.zeros((len(samples), handle.index.n_forward, handle.index.n_backward))
    monkeypatch.setattr("analysis.reuse.edge_scores", lambda *_, **__: zeros)
    assert circuits_of(handle, samples, AttributionConfig(), 5)[1] == 1
    with pytest.raises(ValueError, match="memory_budget: one run .* needs about .* GB"):
        circuits_of(handle, samples, AttributionConfig(), 5, memory_budget=10_000)


@pytest.mark.parametrize("method", METHODS)
def test_patching_refuses_samples_of_other_lengths_in_a_batch_of_the_same_shape(method, handle, batch):
    rows = batch.select([0, 1])
    with pytest.raises(ValueError, match="as long as the clean ones"):
        edge_scores(handle, rows, AttributionConfig(method, "patching", 2), corrupted=batch.select([1, 0]))


@pytest.mark.parametrize("method", METHODS[:3])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_bfloat16_model_is_scored_in_float32_near_the_float32_model(kind, method, tokenizer, batch):
    """Tolerance: 10 % of the largest |score| on these wild random weights; the model's own passes keep only bfloat16's 8 bits."""
    single, half = (handle_of(tiny_model(kind, len(tokenizer)).to(d), tokenizer, "x") for d in (torch.float32, torch.bfloat16))
    with torch.no_grad():
        for theirs, ours in zip(single.model.parameters(), half.model.parameters(), strict=True):
            theirs.copy_(ours)
    config = AttributionConfig(method, "zero", 3)
    expected, scores = (edge_scores(h, batch.select([0, 2]), config) for h in (single, half))
    assert scores.dtype == np.float32
    for a, b in zip(scores, expected, strict=True):
        assert 0 < relative(a, b) < 0.1
    assert len(np.unique(scores)) == 2 * 110 + 1  # sums in bfloat16 would coincide
