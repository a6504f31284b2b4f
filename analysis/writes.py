"""What every node writes to the residual stream in one run, kept small: heads as z, before the output projection."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from analysis import blocks as architecture
from analysis.blocks import Block
from analysis.graph import GraphIndex
from analysis.losses import answer_log_prob, n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch


def wide_type(dtype: torch.dtype) -> torch.dtype:
    """At least float32: a half-precision model runs in half precision, but its scores are added up in single."""
    return torch.promote_types(dtype, torch.float32)


def score_type(handle: ModelHandle) -> str:
    """The numpy type of this model's scores."""
    return str(wide_type(handle.model.dtype)).removeprefix("torch.")


def wide(x: Tensor) -> Tensor:
    return x.to(wide_type(x.dtype))


@dataclass(frozen=True)
class Fixed:
    """The same vector per node everywhere: zero or a mean. `values` is [1, n_forward, 1, d_model]."""

    index: GraphIndex
    values: Float[Tensor, "1 n_forward 1 d_model"]

    def outputs(self, positions: slice) -> Float[Tensor, "n_forward 1 1 d_model"]:
        return wide(self.values.transpose(0, 1))

    def group(self, group: int) -> Float[Tensor, "1 1 d_model"]:
        layer, is_mlp = divmod(group - 1, 2)
        rows = slice(0, 1) if group == 0 else self.index.head_rows(layer)
        rows = slice(self.index.mlp_row(layer), self.index.mlp_row(layer) + 1) if group and is_mlp else rows
        return self.values[:, rows].sum(1)


@dataclass(frozen=True)
class Writes:
    """One run of a batch: the embedded input, each layer's z and MLP output, and the answers' log-probability."""

    layers: list[Block]
    embedded: Float[Tensor, "batch pos d_model"]
    z: list[Float[Tensor, "batch pos heads"]]
    mlp: list[Float[Tensor, "batch pos d_model"]]
    log_prob: Float[Tensor, " batch"]

    def outputs(self, positions: slice) -> Float[Tensor, "n_forward batch pos d_model"]:
        """Heads write without the output bias, which belongs to no head."""
        embedded = wide(self.embedded[:, positions])
        n_heads = self.layers[0].n_heads
        result = embedded.new_empty(1 + len(self.layers) * (n_heads + 1), *embedded.shape)
        result[0] = embedded
        for layer, block in enumerate(self.layers):
            first = 1 + layer * (n_heads + 1)
            _write_heads(block, self.z[layer][:, positions], result[first : first + n_heads])
            result[first + n_heads] = self.mlp[layer][:, positions]
        return result

    def group(self, group: int) -> Float[Tensor, "batch pos d_model"]:
        layer, is_mlp = divmod(group - 1, 2)
        if group == 0:
            return self.embedded
        if is_mlp:
            return self.mlp[layer]
        block = self.layers[layer]
        return block.writes(self.z[layer])[0].sum(1) if block.post_norm else self.z[layer] @ block.write_weights().flatten(0, 1)


Source = Fixed | Writes  # whatever can say what nodes wrote, or write instead


def _write_heads(block: Block, z: Tensor, result: Float[Tensor, "n_heads batch pos d_model"]) -> None:
    """What `Block.writes` gives, put in place without a copy and in single precision where no norm comes after."""
    if block.post_norm is not None:
        result.copy_(block.writes(z)[0].transpose(0, 1))
        return
    by_head = wide(z).flatten(0, 1).unflatten(-1, (block.n_heads, -1)).transpose(0, 1)
    torch.bmm(by_head, wide(block.write_weights()), out=result.flatten(1, 2))


def plain_run(handle: ModelHandle, batch: TokenBatch, embedded: Tensor | None = None) -> Writes:
    """Run the model without gradients; `embedded` replaces the input's embedding."""
    layers, z, mlp = architecture.blocks(handle.model, handle.index), [], []
    embedded = handle.model.get_input_embeddings()(batch.input_ids) if embedded is None else embedded
    hooks = [(block.out_proj, "pre", lambda x: z.append(x)) for block in layers]  # list.append would be taken for a replacement
    hooks += [(block.mlp, "post", lambda out: mlp.append(out)) for block in layers]
    with handle.lock, torch.no_grad(), architecture.hooked(hooks, layers):
        logits = handle.model(inputs_embeds=embedded, use_cache=False, logits_to_keep=n_kept(batch.labels)).logits
    return Writes(layers, embedded, z, mlp, answer_log_prob(logits, batch.labels))
