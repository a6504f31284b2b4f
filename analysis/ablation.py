"""What every node writes in a clean run, and what replaces it when it is ablated."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from analysis.model import ModelHandle
from analysis.tokens import TokenBatch
from analysis.writes import plain_run, wide_type

Ablation = Literal["zero", "mean", "patching"]
NodeOutputs = Float[Tensor, "batch n_forward pos d_model"]


def node_outputs(handle: ModelHandle, batch: TokenBatch) -> tuple[NodeOutputs, Float[Tensor, " batch"]]:
    """Each node's write to the residual stream in a plain run, and the answers' mean log-probabilities.

    A head writes its result without the output bias, which belongs to no head.
    """
    run = plain_run(handle, batch)
    return run.outputs(slice(None)).transpose(0, 1).to(handle.model.dtype), run.log_prob


def replacement(
    handle: ModelHandle, batch: TokenBatch, ablation: Ablation, reference: TokenBatch | None, corrupted: TokenBatch | None
) -> Float[Tensor, "*batch n_forward pos d_model"]:
    """What nodes write when ablated, broadcastable to NodeOutputs: zero, a mean vector per node over all tokens of `reference`
    (default: `batch`), or under patching what the run of `corrupted` writes.

    Raises ValueError where `patching` has no corrupted batch of the same shape.
    """
    index = handle.index
    if ablation == "zero":
        return torch.zeros(1, index.n_forward, 1, index.d_model, device=handle.device, dtype=handle.model.dtype)
    if ablation == "mean":
        return _mean_outputs(handle, batch if reference is None else reference)
    check_corrupted(batch, corrupted)
    return node_outputs(handle, corrupted)[0]


def exchanged(
    kept: Float[Tensor, "n_masks n_forward n_backward"], clean: NodeOutputs,
    ablated: Float[Tensor, "#batch n_forward #pos d_model"],
) -> tuple[Float[Tensor, "n_masks n_forward n_backward"], NodeOutputs]:
    """Masks and replacements for the opposite run: from the ablated input, edges not kept carry what the clean run wrote.

    The run itself still starts from the clean embedding: of an edge out of `input`, kept and not kept change places instead.
    """
    embedded = ablated[:, :1].expand_as(clean[:, :1])
    return torch.cat([1 - kept[:, :1], kept[:, 1:]], 1), torch.cat([embedded, clean[:, 1:]], 1)


def check_corrupted(batch: TokenBatch, corrupted: TokenBatch | None) -> None:
    """Raises ValueError unless there is a corrupted batch of the same shape, each sample as long as the clean one."""
    if corrupted is None or corrupted.input_ids.shape != batch.input_ids.shape:
        got = "none" if corrupted is None else f"{tuple(corrupted.input_ids.shape)}"
        raise ValueError(f"patching needs a corrupted batch of shape {tuple(batch.input_ids.shape)}, got {got}")
    clean, other = (b.attention_mask.sum(1).tolist() for b in (batch, corrupted))
    if clean != other:
        raise ValueError(f"patching needs corrupted samples as long as the clean ones, {clean} tokens; got {other}")


def _mean_outputs(handle: ModelHandle, reference: TokenBatch, n_rows: int = 16) -> Float[Tensor, "1 n_forward 1 d_model"]:
    """A few positions at a time, and added up in at least float32."""
    total, count = 0.0, 0
    for start in range(0, len(reference), n_rows):
        part = reference.select(list(range(start, min(start + n_rows, len(reference))))).to(handle.device)
        writes, counted = plain_run(handle, part), part.attention_mask.to(wide_type(handle.model.dtype))
        for first in range(0, counted.shape[1], 4):
            positions = slice(first, first + 4)
            total = total + torch.einsum("ubpd,bp->ud", writes.outputs(positions), counted[:, positions])
        count += int(counted.sum())
    return (total / count)[None, :, None, :].to(handle.model.dtype)
