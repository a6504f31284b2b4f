"""Which weights a node owns, as masks of whole parameters: what training may change.

A head owns the outputs of W_Q, W_K and W_V that are its own, with their biases, and the inputs of W_O that read it: rows and columns
of nn.Linear, columns and rows of GPT-2's Conv1D. An MLP owns all its weights and biases. Embeddings, norms (those of queries and keys,
and those after attention and MLP, too), W_O's bias and the unembedding belong to no node. Where query heads share their keys and
values, these are every sharer's: they are free only where all of them are. (The code released with CLUE, arXiv 2509.20977, slices W_O
on its other axis and divides the number of K/V heads twice.)
"""

from collections.abc import Collection

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from analysis import blocks as architecture
from analysis.blocks import Block
from analysis.model import ModelHandle

Mask = dict[str, Tensor]  # name of a parameter -> bool of its shape, True = the weight is the nodes'; others are not named


def mask_of(handle: ModelHandle, nodes: Collection[str]) -> Mask:
    """The weights of these heads and MLPs, on the CPU. Raises ValueError for a name that is neither in this model.

    Tested by intervention in tests/analysis/test_node_masks.py: new values there change what these nodes write, and no other node's.
    """
    index = handle.index
    if unknown := sorted(set(nodes) - set(index.forward_names[1:])):
        raise ValueError(f"expected heads and MLPs of the model, {index.forward_names[1]} to m{index.n_layers - 1}, got {unknown[0]!r}")
    modules, mask = {module: name for name, module in handle.model.named_modules()}, {}
    for layer, block in enumerate(architecture.blocks(handle.model, index)):
        owners = torch.tensor([f"a{layer}.h{head}" in nodes for head in range(index.n_heads)])
        if owners.any():  # else a large model's masks would be made whole for every single node of it
            mask |= _of_heads(block, owners, modules)
        if f"m{layer}" in nodes:
            name = f"{modules[block.attention].rpartition('.')[0]}.mlp"  # `block.mlp` is the norm after it where there is one
            weights = handle.model.get_submodule(name).named_parameters(prefix=name)
            mask |= {key: torch.ones(weight.shape, dtype=torch.bool) for key, weight in weights}
    return {name: free for name, free in mask.items() if free.any()}


def _of_heads(block: Block, owners: Bool[Tensor, " n_heads"], modules: dict[nn.Module, str]) -> Mask:
    """These heads' part of a layer's attention."""
    mask = {f"{modules[block.out_proj]}.weight": _across(block.out_proj, _by_feature(block, owners).flatten(), dim=1)}
    for which, module in enumerate(block.projections):
        own = _own_outputs(block, which, owners)
        mask[f"{modules[module]}.weight"] = _across(module, own, dim=0)
        mask |= {} if module.bias is None else {f"{modules[module]}.bias": own}
    return mask


def _by_feature(block: Block, owners: Bool[Tensor, " n_heads"]) -> Bool[Tensor, "n_heads d_head"]:
    return owners[:, None].expand(-1, block.write_weights().shape[1])


def _own_outputs(block: Block, which: int, owners: Bool[Tensor, " n_heads"]) -> Bool[Tensor, " features"]:
    """Which outputs of projection `which` are these heads': of shared keys and values, those that no other head reads."""
    if block.layout != "separate":
        return block.join(_by_feature(block, owners).expand(3, -1, -1).float()).bool()
    if which > 0:
        owners = owners.view(block.n_kv_heads, -1).all(1)
    return _by_feature(block, owners).flatten()


def _across(module: nn.Module, own: Bool[Tensor, " features"], dim: int) -> Bool[Tensor, "rows columns"]:
    """The module's weights at these outputs (dim 0 of nn.Linear) or inputs (dim 1); Conv1D has them the other way round."""
    rows = isinstance(module, nn.Linear) == (dim == 0)
    return (own[:, None] if rows else own[None]).expand(module.weight.shape).contiguous()


def n_parameters(mask: Mask) -> int:
    """How many weights a mask frees."""
    return sum(int(free.sum()) for free in mask.values())
