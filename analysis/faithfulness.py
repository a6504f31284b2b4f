"""Run the model with edges ablated: how much of the answer a circuit keeps, and how much is lost without it."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from analysis import blocks as architecture
from analysis.ablation import Ablation, replacement
from analysis.losses import answer_log_prob, n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch

Between = Callable[[], None] | None


def faithfulness(
    handle: ModelHandle, batch: TokenBatch, kept: Bool[np.ndarray, "n_circuits n_forward n_backward"],
    ablation: Ablation, *, reference: TokenBatch | None = None, corrupted: TokenBatch | None = None, between: Between = None,
) -> Float[np.ndarray, " n_circuits"]:
    """(M(circuit) - M(ablated)) / (M(clean) - M(ablated)) of one sample for each circuit; M = mean answer log-probability.

    1 = the circuit alone restores the answer, 0 = no better than the fully ablated model; may leave [0, 1]. NaN where the
    ablated model is as good as the clean one. Completeness is 1 minus the faithfulness of the complement.
    Raises ValueError unless `batch` holds one sample.
    """
    if len(batch) != 1:
        raise ValueError(f"faithfulness works on one sample at a time, got {len(batch)}")
    nothing = np.zeros((1, *kept.shape[1:]), dtype=bool)
    values = ablated_log_prob(
        handle, batch, np.concatenate([nothing, nothing | handle.index.real_edges, kept]), ablation,
        reference=reference, corrupted=corrupted, between=between,
    )
    empty, clean, circuits = values[0], values[1], values[2:]
    gap = clean - empty
    return (circuits - empty) / gap if abs(gap) > 1e-9 else np.full(len(kept), np.nan)


def ablated_log_prob(
    handle: ModelHandle, batch: TokenBatch, kept: Bool[np.ndarray, "n_runs n_forward n_backward"],
    ablation: Ablation, *, reference: TokenBatch | None = None, corrupted: TokenBatch | None = None, n_rows: int = 16,
    between: Between = None,
) -> Float[np.ndarray, " n_runs"]:
    """Mean answer log-probability of one sample, one run for each set of kept edges; all other edges carry the ablated value.

    `n_rows` runs are made at once; `between` is called before each such batch, and may raise to end the work.
    """
    batch = batch.to(handle.device)
    corrupted = None if corrupted is None else corrupted.to(handle.device)
    ablated = replacement(handle, batch, ablation, reference, corrupted)
    masks = torch.from_numpy(kept).to(handle.device)
    parts = []
    for start in range(0, len(masks), n_rows):
        if between:
            between()
        parts.append(_run(handle, batch, masks[start : start + n_rows], ablated))
    return torch.cat(parts).cpu().double().numpy()


@torch.no_grad()
def _run(handle: ModelHandle, batch: TokenBatch, kept: Tensor, ablated: Tensor) -> Float[Tensor, " n_runs"]:
    return masked_log_prob(handle, batch, kept, ablated)


def masked_log_prob(
    handle: ModelHandle, batch: TokenBatch, kept: Shaped[Tensor, "n_masks n_forward n_backward"],
    ablated: Float[Tensor, "*batch n_forward pos d_model"],
) -> Float[Tensor, " n_runs"]:
    """Mean answer log-probability of one sample under each mask, of each sample under one mask, or of each under its own.

    `kept` is the share of each edge's (clean - ablated) that stays, 0 to 1; the result has gradients with respect to it where it asks
    for them. `ablated` is as by `replacement`. Padding on the right changes nothing: attention is causal, padding has no labels.
    """
    run = _AblatedRun(handle, kept, ablated, batch.input_ids)
    embedded = run.outputs[:, 0].clone()
    with handle.lock, architecture.hooked(run.hooks(), run.layers):
        logits = handle.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=n_kept(batch.labels)).logits
    return answer_log_prob(logits, batch.labels.expand(len(embedded), -1))


class _AblatedRun:
    """Hooks that feed every destination its own residual stream: kept sources as computed, the others as ablated.

    A row is a sample under a mask; where there is one of either, it serves all rows. What nodes write goes into `outputs` in place,
    also under autograd: `read` subtracts before it multiplies, so that no gradient needs a tensor that is written to later.
    """

    def __init__(self, handle: ModelHandle, kept: Tensor, ablated: Tensor, input_ids: Tensor):
        self.handle, self.index = handle, handle.index
        self.layers = architecture.blocks(handle.model, handle.index)
        self.ablated = ablated
        n_rows = max(len(kept), len(input_ids))
        embedded = handle.model.get_input_embeddings()(input_ids).expand(n_rows, -1, -1)
        self.kept = kept.to(embedded.dtype).expand(n_rows, -1, -1)
        self.outputs = embedded.new_zeros(n_rows, self.index.n_forward, *embedded.shape[1:])
        self.outputs[:, 0] = embedded
        self.constant = torch.zeros_like(embedded)  # position embeddings and output biases, which no node owns

    def hooks(self) -> list:
        hooks = []
        for layer, block in enumerate(self.layers):
            hooks.append((block.attn_norm, "pre", lambda x, la=layer: self.start(x, la)))
            for which, module in enumerate(block.projections):
                hooks.append((module, "post", lambda _out, la=layer, i=which: self.project(la, i)))
            hooks.append((block.out_proj, "pre", lambda z, la=layer: self.keep_heads(z, la)))
            hooks.append((block.mlp_norm, "pre", lambda _x, la=layer: self.read(slice(self.index.mlp_column(la), None))[:, 0]))
            hooks.append((block.mlp, "post", lambda out, la=layer: self.keep_mlp(out, la)))
        end = (architecture.final_norm(self.handle.model), "pre", lambda _x: self.read(slice(self.index.n_backward - 1, None))[:, 0])
        return [*hooks, end]

    def start(self, x: Tensor, layer: int) -> None:
        if layer == 0:
            self.constant = x - self.outputs[:, 0]

    def read(self, columns: slice) -> Float[Tensor, "n_runs n_columns pos d_model"]:
        """The residual stream as each destination reads it."""
        n_sources = self.index.n_sources(columns.start)
        columns = slice(columns.start, columns.start + 1) if columns.stop is None else columns
        difference = self.outputs[:, :n_sources] - self.ablated[:, :n_sources]
        kept = torch.einsum("bupd,buv->bvpd", difference, self.kept[:, :n_sources, columns])
        return kept + self.ablated[:, :n_sources].sum(1, keepdim=True) + self.constant[:, None]

    def project(self, layer: int, which: int) -> Tensor:
        block, columns = self.layers[layer], self.index.qkv_columns(layer)
        if block.layout == "separate":  # only this letter's columns
            start = columns.start + which * self.index.n_heads
            columns = slice(start, start + self.index.n_heads)
        x_hat, _, gain, bias, _ = architecture.norm_parts(block.attn_norm, self.read(columns))
        weight, read_bias = (w.flatten(0, 1) for w in block.read_weights())  # [3 * heads, ...]
        if block.layout == "separate":
            letter = slice(which * self.index.n_heads, (which + 1) * self.index.n_heads)
            weight, read_bias = weight[letter], read_bias[letter]
        out = torch.einsum("bvpd,vde->bpve", x_hat * gain + bias, weight) + read_bias
        return block.join(out.unflatten(2, (-1, self.index.n_heads)))

    def keep_heads(self, z: Tensor, layer: int) -> None:
        self.outputs[:, self.index.head_rows(layer)], bias = self.layers[layer].writes(z)
        if self.index.parallel_attn_mlp:
            self.pending_bias = bias  # the MLP beside it does not read it
        else:
            self.constant = self.constant + bias

    def keep_mlp(self, out: Tensor, layer: int) -> None:
        self.outputs[:, self.index.mlp_row(layer)] = out
        if self.index.parallel_attn_mlp:
            self.constant = self.constant + self.pending_bias
