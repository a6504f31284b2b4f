"""Speed and exactness of attribution: `python tests/benchmarks/attribution.py` (a few minutes; closes with one line of JSON).

Random weights, 32 tokens of which 8 are the answer, EAP-IG-inputs with 5 midpoints and zero ablation, all edges of all samples, against
(a) the model's bare forward and backward: the same samples x steps in one batch, gradient of the same metric at the embedded
inputs, frozen weights, logits at the same positions; (b) the per-head oracle of tests/bridge_oracle.py, one sample at a time.
Repetitions are interleaved and ratios taken within a repetition; medians of them are printed. `--only NAME` runs one model.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from analysis.attribution import AttributionConfig, edge_scores  # noqa: E402
from analysis.interpolation import quadrature  # noqa: E402
from analysis.losses import answer_log_prob, n_kept  # noqa: E402
from analysis.model import ModelHandle, handle_of  # noqa: E402
from analysis.tokens import TokenBatch  # noqa: E402

SHAPES = {  # layers, d_model, heads, vocabulary, samples, repetitions, oracle samples per repetition
    "gpt2_6l": (6, 192, 6, 2000, 16, 9, 2),
    "gpt2_small": (12, 768, 12, 50257, 8, 5, 1),
}
CONFIG = AttributionConfig("EAP-IG-inputs", "zero", 5)


def random_handle(n_layers: int, d_model: int, n_heads: int, vocab: int) -> ModelHandle:
    from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    config = GPT2Config(vocab_size=vocab, n_positions=64, n_embd=d_model, n_layer=n_layers, n_head=n_heads, bos_token_id=0,
                        eos_token_id=0)
    tokenizer = AutoTokenizer.from_pretrained(Path(__file__).resolve().parents[2] / "data" / "model")  # the oracle asks for one
    return handle_of(GPT2LMHeadModel(config).eval(), tokenizer, "random")


def random_batch(vocab: int, n_samples: int, n_tokens: int = 32, n_answer: int = 8) -> TokenBatch:
    ids = torch.randint(0, vocab, (n_samples, n_tokens), generator=torch.Generator().manual_seed(1))
    labels = torch.full_like(ids, -100)
    labels[:, -n_answer:] = ids[:, -n_answer:]
    return TokenBatch(ids, torch.ones_like(ids), labels)


def bare(handle: ModelHandle, batch: TokenBatch) -> torch.Tensor:
    """What attribution needs at least: one forward and backward pass of samples x steps rows."""
    inputs = handle.model.get_input_embeddings()(batch.input_ids).repeat(CONFIG.ig_steps, 1, 1).requires_grad_(True)
    labels = batch.labels.repeat(CONFIG.ig_steps, 1)
    logits = handle.model(inputs_embeds=inputs, use_cache=False, logits_to_keep=n_kept(labels)).logits
    return torch.autograd.grad(answer_log_prob(logits, labels).sum(), inputs)[0]


def seconds(function, *arguments) -> tuple[float, object]:
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(name: str) -> dict[str, float]:
    from tests.bridge_oracle import BridgeOracle

    *shape, n_samples, n_repetitions, n_oracle = SHAPES[name]
    handle, batch = random_handle(*shape), random_batch(shape[-1], n_samples)
    oracle, points = BridgeOracle(handle), quadrature(CONFIG.quadrature, CONFIG.ig_steps)
    times, error = [], 0.0
    for repetition in range(n_repetitions + 1):  # the first one warms up
        row = repetition % n_samples
        samples = [batch.select([(row + i) % n_samples]) for i in range(n_oracle)]
        bare_s, _ = seconds(bare, handle, batch)
        ours_s, scores = seconds(edge_scores, handle, batch, CONFIG)
        oracle_s, expected = seconds(lambda some: [oracle.edge_scores(s, CONFIG.ablation, *points) for s in some], samples)
        for i, right in enumerate(expected):
            error = max(error, float(np.abs(scores[(row + i) % n_samples] - right).max() / np.abs(right).max()))
        if repetition:
            times.append((bare_s / n_samples, ours_s / n_samples, oracle_s / n_oracle))
    ratios = {"vs_forward_backward": [o / b for b, o, _ in times], "vs_oracle_loop": [r / o for _, o, r in times]}
    per_sample = [round(1000 * median(column), 1) for column in zip(*times, strict=True)]
    n_edges, n_threads = int(handle.index.real_edges.sum()), torch.get_num_threads()
    print(f"{name}: {n_samples} samples, vocabulary {shape[-1]}, {n_edges:,} edges, {n_threads} threads")
    print("  ms per sample: bare {}, ours {}, oracle {}".format(*per_sample))
    for key, values in ratios.items():
        print(f"  {key}: median {median(values):.2f}, {min(values):.2f} to {max(values):.2f} in {len(values)} repetitions")
    print(f"  largest error against the oracle, of the largest |score|: {error:.1e}", flush=True)
    return {key: round(median(values), 2) for key, values in ratios.items()} | {"max_rel_error": float(f"{error:.1e}")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SHAPES)
    names = [only] if (only := parser.parse_args().only) else list(SHAPES)
    print(json.dumps({name: measure(name) for name in names}))
