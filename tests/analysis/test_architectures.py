"""Every architecture, from a checkpoint on disk: edge scores against another library's hooks, and what must hold in each of them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from analysis import blocks as architecture
from analysis.__main__ import app
from analysis.ablation import node_outputs
from analysis.architectures import ARCHITECTURES
from analysis.attribution import AttributionConfig, edge_scores
from analysis.faithfulness import ablated_log_prob
from analysis.model import ModelError, load_model
from tests.bridge_oracle import BridgeOracle
from tests.tiny_models import KINDS, random_model, tiny_config

ABLATIONS = ("zero", "mean", "patching")
CONFIGS = [
    AttributionConfig("EAP"), *(AttributionConfig("EAP-IG-inputs", a, 3, quadrature="midpoint") for a in ABLATIONS),
    AttributionConfig("EAP-IG-activations", "zero", 3, quadrature="midpoint"),
]
MIDPOINTS = [1 / 6, 3 / 6, 5 / 6]


@pytest.fixture(scope="module", params=KINDS)
def loaded(request, tokenizer, tmp_path_factory):
    """A float32 checkpoint in Hugging Face's format, written to disk and loaded from there."""
    folder = tmp_path_factory.mktemp("checkpoint")
    random_model(tiny_config(request.param, len(tokenizer))).float().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return load_model(folder, "cpu")


def corrupted(batch):
    """Other prompts before the same answers."""
    return dataclasses.replace(batch, input_ids=torch.where(batch.labels == -100, batch.input_ids.flip(1), batch.input_ids))


def error(ours, oracle):
    return np.abs(ours - oracle).max() / np.abs(oracle).max()


@pytest.mark.slow
def test_edge_scores_equal_the_bridges(loaded, batch):
    """The control: plain EAP is far from EAP-IG, so that agreement is no matter of course."""
    oracle, sample = BridgeOracle(loaded), batch.select([4])
    for config in CONFIGS:
        others = {"reference": batch} if config.ablation == "mean" else {}
        others |= {"corrupted": corrupted(sample)} if config.ablation == "patching" else {}
        points, activations = [1.0] if config.method == "EAP" else MIDPOINTS, config.method == "EAP-IG-activations"
        expected = oracle.edge_scores(sample, config.ablation, points, activations=activations, **others)
        assert error(edge_scores(loaded, sample, config, **others)[0], expected) <= 1e-4, config
    assert error(edge_scores(loaded, sample, CONFIGS[1])[0], edge_scores(loaded, sample, CONFIGS[0])[0]) > 1e-2


def test_the_residual_stream_is_what_nodes_write_and_a_constant(loaded, batch):
    """What no node writes (positions, biases) is the same whatever the text says."""
    sample, seen = batch.select([0, 3]), []
    with architecture.hooked([(architecture.final_norm(loaded.model), "pre", seen.append)], []):
        outputs, _ = node_outputs(loaded, sample)
    constant = seen[0] - outputs.sum(1)
    torch.testing.assert_close(constant[0], constant[1], rtol=0, atol=2e-5)
    assert (outputs[0].sum(0) - outputs[1].sum(0)).abs().max() > 0.1


@pytest.mark.parametrize("kind", [*KINDS, "gemma2 biased"])
def test_without_any_edge_the_model_says_what_the_corrupted_run_says(kind, make_handle, batch):
    handle, sample = make_handle(kind), batch.select([3])
    other, real = corrupted(sample), handle.index.real_edges
    kept, none = ablated_log_prob(handle, sample, np.stack([real, real & False]), "patching", corrupted=other)
    assert none == pytest.approx(float(node_outputs(handle, other)[1]), abs=1e-9)
    assert kept == pytest.approx(float(node_outputs(handle, sample)[1]), abs=1e-9)
    assert abs(kept - none) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_batching_change_nothing(kind, make_handle, batch):
    handle, config = make_handle(kind), AttributionConfig("EAP-IG-inputs", "zero", 2)
    together = edge_scores(handle, batch, config)
    for row in (1, 2, 4):
        alone = edge_scores(handle, batch.select([row]), config)[0]
        np.testing.assert_allclose(together[row], alone, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("kind", ["phi", "gemma2"])
def test_no_hook_stays_behind_even_after_an_error(kind, make_handle, batch):
    handle = make_handle(kind)
    edge_scores(handle, batch, AttributionConfig("EAP"))
    block = architecture.blocks(handle.model, handle.index)[0]
    with pytest.raises(ZeroDivisionError), architecture.hooked([(block.mlp_norm, "pre", lambda x: 1 / 0)], [block]):
        handle.model(batch.input_ids)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in handle.model.modules())


def test_gemmas_input_is_the_embedding_as_the_model_scales_it(make_handle, batch):
    handle = make_handle("gemma")
    outputs, log_prob = node_outputs(handle, batch)
    torch.testing.assert_close(outputs[:, 0], handle.model.model.embed_tokens.weight[batch.input_ids] * 4)  # sqrt(d_model)
    logits = handle.model(batch.input_ids).logits
    picked = logits[0, :-1].log_softmax(-1).gather(-1, batch.labels[0, 1:, None].clamp(min=0))[:, 0]
    assert float(log_prob[0]) == pytest.approx(float(picked[batch.labels[0, 1:] != -100].mean()), abs=1e-9)


def test_every_supported_architecture_is_among_the_tested():
    assert {kind.split()[0] for kind in KINDS} == set(ARCHITECTURES)


@pytest.mark.parametrize(("config", "message"), [
    ({"model_type": "opt"}, "architecture 'opt' is not supported; expected one of gpt2, gpt_neox, llama"),
    ({"model_type": "olmo2"}, "'olmo2' is not supported (its attention and MLP read the residual stream without a norm"),
    ({"model_type": "made_up"}, "architecture 'made_up' is not supported"),
    ({}, "expected config.json to be a JSON object with a model_type"), ([1], "expected config.json to be a JSON object"),
    ({"model_type": "phi"}, "expected weights in model.safetensors"),  # the control: supported, but there is nothing to load
    ({"model_type": "gpt2", "n_layer": "many"}, "num_hidden_layers: expected a whole number from 1"),
])
def test_what_is_not_supported_is_refused_from_its_config_alone(config, message, tmp_path):
    """The folder holds no weights: nothing but config.json has been read."""
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as refused:
        load_model(tmp_path)
    assert message in str(refused.value) and str(tmp_path) in str(refused.value)


def test_the_command_line_refuses_in_one_line(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text('{"model_type": "olmo2"}')
    (tmp_path / "data.jsonl").write_text('{"question": "Q?", "answer": "A"}\n')
    arguments = ["--model", tmp_path / "model", "--data", tmp_path / "data.jsonl", "--output", tmp_path / "out"]
    result = CliRunner().invoke(app, ["circuits", *map(str, arguments)])
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1 and "'olmo2' is not supported" in result.stderr
    assert not (tmp_path / "out").exists()
