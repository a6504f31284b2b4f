"""Peak memory stays under the budget that is given: every allocation of the pass is counted by torch's own profiler."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen3Config

from analysis.ablation import node_outputs, replacement
from analysis.attribution import AttributionConfig, edge_scores
from analysis.faithfulness import ablated_log_prob
from analysis.memory import Need, chunks
from analysis.model import handle_of
from analysis.tokens import TokenBatch

MIB = 1024**2


def peak_bytes(function, folder: Path) -> int:
    """Largest sum of live tensor bytes above what was live at the start."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        function()
    profile.export_chrome_trace(str(folder / "trace.json"))
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    changes = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e.get("name") == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    return peak


def model(kind: str, tokenizer):
    torch.manual_seed(0)
    common = {"vocab_size": 2000, "bos_token_id": None, "eos_token_id": 0}
    if kind == "gpt2":
        config = GPT2Config(n_embd=96, n_layer=4, n_head=6, n_positions=64, **common)
    else:
        common |= {"hidden_size": 96, "intermediate_size": 256, "num_hidden_layers": 4}
        common |= {"num_attention_heads": 6, "num_key_value_heads": 2}
        config = LlamaConfig(**common) if kind == "llama" else Qwen3Config(head_dim=64, **common)  # heads 4 times as wide as d_model
    return handle_of(AutoModelForCausalLM.from_config(config).eval(), tokenizer, kind)


def random_batch(n_samples: int) -> TokenBatch:
    ids = torch.randint(0, 2000, (n_samples, 40), generator=torch.Generator().manual_seed(1))
    labels = torch.where(torch.arange(40) >= 30, ids, -100)
    return TokenBatch(ids, torch.ones_like(ids), labels)


def test_the_measure_sees_a_tensor_of_known_size(tmp_path):
    assert peak_bytes(lambda: torch.zeros(3 * MIB // 4).add_(torch.zeros(MIB // 4)[:1]), tmp_path) == 4 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("method", ["EAP-IG-inputs", "EAP-IG-activations"])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_the_peak_stays_under_the_budget_when_the_batch_would_not_fit(kind, method, tokenizer, tmp_path, monkeypatch):
    """The control is the peak without a budget. 12 MiB hold fewer runs than one sample has."""
    monkeypatch.setattr("analysis.memory.CPU_TOKENS", 10**6)
    n_samples, n_steps = (6, 6) if method == "EAP-IG-inputs" else (2, 2)
    handle, batch, config = model(kind, tokenizer), random_batch(n_samples), AttributionConfig(method, "patching", n_steps)

    def peak(budget: int) -> int:
        return peak_bytes(lambda: edge_scores(handle, batch, config, corrupted=batch, memory_budget=budget), tmp_path)

    assert peak(10**12) > 40 * MIB
    assert 6 * MIB < peak(40 * MIB) < 40 * MIB
    assert peak(12 * MIB) < 12 * MIB


def least_budget(handle, batch: TokenBatch, n_runs: int) -> int:
    need, n_pos = Need.of(handle, batch), batch.input_ids.shape[1]
    return need.fixed + 2 * (need.sample(n_pos) + need.position(n_runs)) + need.row(n_pos)


@pytest.mark.parametrize("kind", ["gpt2", "qwen3"])
def test_the_least_budget_that_is_accepted_is_enough_however_wide_the_heads_are(kind, tokenizer, tmp_path):
    handle, batch = model(kind, tokenizer), random_batch(1)
    budget = least_budget(handle, batch, 1)
    assert peak_bytes(lambda: edge_scores(handle, batch, AttributionConfig("EAP"), memory_budget=budget), tmp_path) < budget


def test_edges_are_contracted_a_few_positions_at_a_time(tokenizer, tmp_path):
    """Many small heads: every node's output at all 40 positions, clean and ablated, takes more than a pass of the model."""
    config = GPT2Config(n_embd=96, n_layer=2, n_head=96, n_positions=64, vocab_size=2000, bos_token_id=None, eos_token_id=0)
    handle, batch = handle_of(AutoModelForCausalLM.from_config(config).eval(), tokenizer, "many heads"), random_batch(1)
    patching, least = AttributionConfig("EAP", "patching"), least_budget(handle, batch, 1)

    def peak(budget: int) -> int:
        return peak_bytes(lambda: edge_scores(handle, batch, patching, corrupted=batch, memory_budget=budget), tmp_path)

    assert peak(least) < least < peak(10**12)


@pytest.mark.slow
def test_exact_stays_under_its_budget_too(tokenizer, tmp_path, monkeypatch):
    """The control is the peak with a budget that holds 32 runs at once."""
    handle, batch = model("gpt2", tokenizer), random_batch(1)

    def shortened(handle, batch, kept, ablation, **options):  # 32 of the runs take as much memory as all, in less time
        return np.resize(ablated_log_prob(handle, batch, kept[:32], ablation, **options), len(kept))

    monkeypatch.setattr("analysis.exact.ablated_log_prob", shortened)

    def peak(budget: int) -> int:
        return peak_bytes(lambda: edge_scores(handle, batch, AttributionConfig("exact"), memory_budget=budget), tmp_path)

    assert peak(10**12) > 30 * MIB
    assert peak(20 * MIB) < 20 * MIB


def test_chunks_are_longest_first_whole_samples_where_they_fit_and_parts_of_one_where_not(tokenizer):
    handle, batch = model("gpt2", tokenizer), random_batch(6)
    batch.attention_mask[:, :] = torch.arange(40) < torch.tensor([10, 40, 20, 40, 30, 5])[:, None]
    need = Need.of(handle, batch)
    whole = list(chunks(need, batch, 5, 10**9))
    assert [row for chunk in whole for row in chunk.rows] == [1, 3, 4, 2, 0, 5]
    assert {chunk.n_runs for chunk in whole} == {5}
    parts = list(chunks(need, batch, 5, least_budget(handle, batch, 5) + int(2.2 * need.row(40))))
    assert (parts[0].rows, parts[0].n_runs) == ([1], 3)


def test_mean_ablation_adds_up_a_long_reference_in_little_memory(tokenizer, tmp_path):
    """All 16 x 40 positions of every node at once would take 7 MB."""
    handle, batch = model("gpt2", tokenizer), random_batch(16)
    at_once = 16 * 40 * handle.index.n_forward * handle.index.d_model * 4
    assert peak_bytes(lambda: replacement(handle, batch, "mean", None, None), tmp_path) < at_once
    expected = node_outputs(handle, batch)[0].mean((0, 2))
    torch.testing.assert_close(replacement(handle, batch, "mean", None, None)[0, :, 0], expected, rtol=1e-4, atol=1e-6)
