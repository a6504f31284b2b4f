"""Signed scores of all edges of all samples at once: EAP and EAP-IG-inputs.

EAP(u->v) = sum over positions of (z_u clean - z_u ablated) . dM/d in_v, M = mean log-probability of the answer's tokens, in_v =
the residual stream as destination v reads it. EAP-IG-inputs averages the gradient over inputs between ablated and clean
(arXiv 2403.17806). Positive = the edge supports the answer, the sign of EAP-IG's library with loss = -M.

What differs from that library: the unmodified Hugging Face model runs once for a batch of samples x steps. Gradients are taken at
the q/k/v projections, in d_head space, and carried back through the norm analytically; midpoints instead of left end points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from analysis import blocks as architecture
from analysis.ablation import Ablation, check_corrupted, node_outputs, replacement
from analysis.blocks import Block, norm_parts
from analysis.losses import answer_log_prob, n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch

ROWS_PER_PASS = 40  # samples x steps in one forward pass; more does not run faster on a CPU


@dataclass(frozen=True)
class AttributionConfig:
    """How edges are scored. `ig_steps` counts only for EAP-IG-inputs; under zero ablation few steps are far from complete."""

    method: Literal["EAP", "EAP-IG-inputs"] = "EAP-IG-inputs"
    ablation: Ablation = "zero"
    ig_steps: int = 20

    def __post_init__(self):
        if self.method not in ("EAP", "EAP-IG-inputs"):
            raise ValueError(f"method: expected EAP or EAP-IG-inputs, got {self.method!r}")
        if self.ablation not in ("zero", "mean", "patching"):
            raise ValueError(f"ablation: expected zero, mean or patching, got {self.ablation!r}")
        if self.ig_steps < 1:
            raise ValueError(f"ig_steps: expected at least 1, got {self.ig_steps}")

    def points(self) -> list[float]:
        """Where on the way from the ablated (0) to the clean input (1) the gradient is taken."""
        if self.method == "EAP":
            return [1.0]
        return [(step + 0.5) / self.ig_steps for step in range(self.ig_steps)]


def edge_scores(
    handle: ModelHandle,
    batch: TokenBatch,
    config: AttributionConfig,
    *,
    reference: TokenBatch | None = None,
    corrupted: TokenBatch | None = None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Float[np.ndarray, "n_samples n_forward n_backward"]:
    """Scores of every edge for every sample; 0 where there is no edge. float32, or float64 for a float64 model.

    `reference` is the batch whose mean outputs replace nodes under mean ablation (default: `batch`), `corrupted` the runs that
    replace them under patching. Given these, padding and the other samples of the batch do not change a sample's scores.
    Tested against finite differences in tests/analysis/test_attribution.py.
    """
    points = config.points()
    n_rows = max(1, ROWS_PER_PASS // len(points))
    fixed = _fixed_replacement(handle, batch, config.ablation, reference, corrupted)
    scores = []
    for start in range(0, len(batch), n_rows):
        rows = slice(start, min(start + n_rows, len(batch)))
        part, ablated = _chunk(handle, batch, rows, config.ablation, fixed, corrupted)
        scores.append(_scores(handle, part, ablated, points).cpu().numpy())
        report(rows.stop, len(batch))
    return np.concatenate(scores)


def completeness_error(
    handle: ModelHandle,
    batch: TokenBatch,
    scores: Float[np.ndarray, "n_samples n_forward n_backward"],
    ablation: Ablation,
    *,
    reference: TokenBatch | None = None,
    corrupted: TokenBatch | None = None,
) -> Float[np.ndarray, " n_samples"]:
    """How far the edges out of `input` are from adding up to the effect of ablating the input, as a share of that effect.

    |sum - (M(clean) - M(ablated input))| / |M(clean) - M(ablated input)|; goes to 0 for EAP-IG-inputs as its steps grow.
    """
    fixed = _fixed_replacement(handle, batch, ablation, reference, corrupted)
    errors = []
    for row in range(len(batch)):
        part, ablated = _chunk(handle, batch, slice(row, row + 1), ablation, fixed, corrupted)
        embedded = ablated[:, 0].expand(1, part.input_ids.shape[1], -1)
        with handle.lock, torch.no_grad():
            logits = handle.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=n_kept(part.labels)).logits
        effect = float(node_outputs(handle, part)[1] - answer_log_prob(logits, part.labels))
        errors.append(abs(float(scores[row, 0].sum()) - effect) / max(abs(effect), 1e-12))
    return np.array(errors)


def _fixed_replacement(handle, batch: TokenBatch, ablation: Ablation, reference, corrupted) -> Tensor | None:
    """What replaces nodes in every sample alike; None under patching, where each sample has its own corrupted run."""
    if ablation == "patching":
        check_corrupted(batch, corrupted)
        return None
    return replacement(handle, batch, ablation, reference, None)


def _chunk(handle, batch: TokenBatch, rows: slice, ablation: Ablation, fixed, corrupted) -> tuple[TokenBatch, Tensor]:
    """Some samples without needless padding, and what replaces nodes in them."""
    chosen = list(range(rows.start, rows.stop))
    part = batch.select(chosen).to(handle.device)
    if fixed is not None:
        return part, fixed
    return part, replacement(handle, part, ablation, None, corrupted.select(chosen).to(handle.device))


def _scores(handle: ModelHandle, batch: TokenBatch, ablated: Tensor, points: list[float]) -> Tensor:
    """Scores [batch, n_forward, n_backward] of one chunk of samples."""
    clean, _ = node_outputs(handle, batch)
    with handle.lock:
        taps = _Taps(handle, len(points))
        gradients = taps.run(batch, ablated[:, 0], clean[:, 0], points)
    index = handle.index
    difference = (clean - ablated).flatten(2)  # [batch, n_forward, pos * d_model]
    scores = difference.new_zeros(len(batch), index.n_forward, index.n_backward)
    for column, gradient in gradients:  # gradient [batch, n_columns, pos * d_model]
        n_sources = index.n_sources(column)
        columns = slice(column, column + gradient.shape[1])
        scores[:, :n_sources, columns] = difference[:, :n_sources] @ gradient.transpose(1, 2)
    return scores


class _Taps:
    """One forward and backward pass with the tensors kept that attribution needs; mean over steps taken on the way back."""

    def __init__(self, handle: ModelHandle, n_steps: int):
        self.handle, self.n_steps = handle, n_steps
        self.layers = architecture.blocks(handle.model, handle.index)
        self.norm_inputs: list[Tensor] = []
        self.projected: list[Tensor] = []
        self.forks: list[Tensor] = []  # the MLPs' and the logits' own branch of the residual stream

    def hooks(self) -> list:
        hooks = []
        for block in self.layers:
            hooks.append((block.attn_norm, "pre", lambda x: self.norm_inputs.append(x.detach())))
            hooks += [(module, "post", self.projected.append) for module in block.projections]
            hooks.append((block.mlp_norm, "pre", self.fork))
        return [*hooks, (architecture.final_norm(self.handle.model), "pre", self.fork)]

    def fork(self, x: Tensor) -> Tensor:
        self.forks.append(x.view_as(x))
        return self.forks[-1]

    def run(self, batch: TokenBatch, ablated: Tensor, clean: Tensor, points: list[float]) -> list[tuple[int, Tensor]]:
        """Mean gradient at each destination as (first column, [batch, n_columns, pos * d_model])."""
        embedded = torch.cat([torch.lerp(ablated.expand_as(clean), clean, point) for point in points])
        labels = batch.labels.repeat(len(points), 1)
        with torch.enable_grad(), architecture.hooked(self.hooks(), self.layers):
            embedded.requires_grad_(True)
            logits = self.handle.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=n_kept(labels)).logits
            total = answer_log_prob(logits, labels).sum()
            gradients = torch.autograd.grad(total, [*self.projected, *self.forks])
        return self.by_column(gradients[: len(self.projected)], gradients[len(self.projected) :])

    def by_column(self, projected: tuple[Tensor, ...], forks: tuple[Tensor, ...]) -> list[tuple[int, Tensor]]:
        index, result = self.handle.index, []
        per_layer = len(self.layers[0].projections)
        for layer, block in enumerate(self.layers):
            span = slice(layer * per_layer, (layer + 1) * per_layer)
            g = torch.cat([block.split(x, i) for i, x in enumerate(projected[span])], -3)
            out = torch.cat([block.split(x.detach(), i) for i, x in enumerate(self.projected[span])], -3)
            pulled = _pull_back(block, self.norm_inputs[layer], out, g, self.n_steps)
            result.append((index.qkv_columns(layer).start, pulled))
            result.append((index.mlp_column(layer), self.mean_over_steps(forks[layer])[:, None].flatten(2)))
        return [*result, (index.n_backward - 1, self.mean_over_steps(forks[-1])[:, None].flatten(2))]

    def mean_over_steps(self, x: Tensor) -> Tensor:
        return x.unflatten(0, (self.n_steps, -1)).mean(0)


def _pull_back(block: Block, x: Tensor, out: Tensor, g: Tensor, n_steps: int) -> Float[Tensor, "batch columns features"]:
    """Mean over steps of the gradient at each head's q, k and v input, from the gradient `g` at the projections' outputs.

    For a norm y = gain * x_hat + bias with x_hat = (x - mean) / sigma, and a read-out W:
    dM/dx = (W' g - x_hat (x_hat . W' g) / d) / sigma, W' = centred gain * W; and x_hat . W' g = g . (out - constant part of out).
    Steps are summed before the product with W', so that its cost does not depend on their number.
    """
    weight, read_bias = block.read_weights()  # [3, heads, d_model, d_head], [3, heads, d_head]
    x_hat, sigma, gain, norm_bias, centred = norm_parts(block.attn_norm, x)  # [steps * batch, pos, d_model]
    constant = torch.einsum("d,lhde->lhe", norm_bias, weight) + read_bias
    folded = weight * gain[:, None]
    if centred:
        folded = folded - folded.mean(2, keepdim=True)
    scaled = g / sigma[..., None, None]  # [steps * batch, pos, 3, heads, d_head]
    along = (scaled * (out - constant)).sum(-1) / x.shape[-1]  # [steps * batch, pos, 3, heads]
    summed = scaled.unflatten(0, (n_steps, -1)).sum(0)
    pulled = torch.einsum("bplhe,lhde->blhpd", summed, folded)
    along, x_hat = along.unflatten(0, (n_steps, -1)), x_hat.unflatten(0, (n_steps, -1))
    pulled = pulled - torch.einsum("sbplh,sbpd->blhpd", along, x_hat)
    return (pulled / n_steps).flatten(3).flatten(1, 2)
