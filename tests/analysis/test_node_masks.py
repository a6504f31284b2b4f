"""A node's mask holds its weights, all of them and no other's: shown by changing them and looking at what each node then writes."""

import copy
from dataclasses import replace

import pytest
import torch

from analysis.ablation import node_outputs
from analysis.blocks import blocks
from analysis.node_masks import mask_of, n_parameters
from analysis.writes import plain_run
from tests.tiny_models import KINDS

POST_NORMED = ("gemma2", "gemma2 biased", "gemma3_text")
GROUPED = [kind for kind in KINDS if kind not in ("gpt2", "gpt_neox", "gpt_neox sequential", "phi")]


def changed(handle, mask, seed=0):
    """The model with new random values where the mask is True; all else keeps its bits."""
    model = copy.deepcopy(handle.model)
    generator = torch.Generator().manual_seed(seed)
    for name, free in mask.items():
        weight = model.get_parameter(name)
        weight.copy_(torch.where(free, torch.randn(weight.shape, generator=generator, dtype=weight.dtype), weight))
    return replace(handle, model=model)


def writes(handle, batch):
    """What each node writes, by name. A norm after the heads divides them all by one scale, so there: what comes before that norm."""
    if handle.model.config.model_type not in POST_NORMED:
        return dict(zip(handle.index.forward_names, node_outputs(handle, batch)[0].transpose(0, 1), strict=True))
    run, found = plain_run(handle, batch), {}
    for layer, block in enumerate(run.layers):
        heads = replace(block, post_norm=None).writes(run.z[layer])[0]
        found |= {f"a{layer}.h{head}": heads[:, head] for head in range(handle.index.n_heads)} | {f"m{layer}": run.mlp[layer]}
    return found


def differing(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def later(handle, node):
    """Nodes that read what this one writes, directly or not."""
    index = handle.index
    layer, mlp_too = int(node[1:].split(".")[0]), node[0] == "a" and not index.parallel_attn_mlp
    return {name for name, place in zip(index.forward_names, index.forward_layers, strict=True)
            if place > layer or (mlp_too and name == f"m{layer}")}


@pytest.mark.parametrize("kind", [*KINDS, "gemma2 biased"])
def test_new_values_in_a_nodes_mask_change_what_it_writes_and_no_other_node(kind, make_handle, batch):
    handle = make_handle(kind)
    before = writes(handle, batch)
    for node in ("a0.h0", "a0.h3", "m0", "a1.h2", "m1"):
        found = differing(before, writes(changed(handle, mask_of(handle, {node})), batch))
        assert node in found and found - later(handle, node) == {node}, node


@pytest.mark.parametrize("kind", [*KINDS, "gemma2 biased"])
def test_new_values_everywhere_else_in_its_layer_leave_what_a_node_writes(kind, make_handle, batch):
    handle = make_handle(kind)
    before, layer = writes(handle, batch), [*(f"a0.h{head}" for head in range(4)), "m0"]
    for own in (["a0.h0", "a0.h1"], ["a0.h2", "a0.h3"]):  # heads that share their keys and values, where heads do
        others = [name for name in layer if name not in own]
        assert differing(before, writes(changed(handle, mask_of(handle, others)), batch)) & {*layer} == {*others}


@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "llama", "qwen2", "phi"])
def test_the_other_axis_of_the_out_projection_is_not_the_heads(kind, make_handle, batch):
    """The mistake of the released code, seen by the first test: a head's slice of W_O's other axis is a part of every head."""
    handle = make_handle(kind)
    mask, block = mask_of(handle, {"a0.h1"}), blocks(handle.model, handle.index)[0]
    name = next(name for name, weight in handle.model.named_parameters() if weight is block.out_proj.weight)
    axis = 0 if kind == "gpt2" else 1  # Conv1D has its inputs in rows, nn.Linear in columns
    assert torch.equal(mask[name].any(1 - axis), mask[name].all(1 - axis))
    assert mask[name].any(1 - axis).nonzero().flatten().tolist() == [4, 5, 6, 7]
    wrong = mask | {name: mask[name].T}  # W_O is square here
    found = differing(writes(handle, batch), writes(changed(handle, wrong), batch))
    assert {"a0.h0", "a0.h1", "a0.h2", "a0.h3"} <= found


def owned_by_nobody(name):
    return not any(part in name for part in ("attn.", "attention.", "mlp.")) or any(
        part in name for part in ("c_proj.bias", "dense.bias", "o_proj.bias", "q_norm", "k_norm")
    ) and ".mlp." not in name


@pytest.mark.parametrize("kind", [*KINDS, "gemma2 biased"])
def test_all_nodes_together_own_attention_and_mlps_but_norms_and_output_biases(kind, make_handle):
    handle = make_handle(kind)
    whole = mask_of(handle, handle.index.forward_names[1:])
    assert all(free.all() for free in whole.values())
    assert set(whole) == {name for name, _ in handle.model.named_parameters() if not owned_by_nobody(name)}
    assert mask_of(handle, []) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_no_weight_has_two_owners_and_shared_keys_and_values_belong_to_all_their_heads(kind, make_handle):
    handle = make_handle(kind)
    index = handle.index
    size = index.n_heads // index.n_kv_heads
    groups = [[f"a{layer}.h{head}" for head in range(first, first + size)]
              for layer in range(2) for first in range(0, index.n_heads, size)] + [["m0"], ["m1"]]
    whole = n_parameters(mask_of(handle, index.forward_names[1:]))
    assert sum(n_parameters(mask_of(handle, group)) for group in groups) == whole
    alone = sum(n_parameters(mask_of(handle, [name])) for name in index.forward_names[1:])
    assert alone < whole if kind in GROUPED else alone == whole  # no head alone may change what it shares
    count = {}
    for group in groups:
        for name, free in mask_of(handle, group).items():
            count[name] = count.get(name, 0) + free.int()
    assert all((times == 1).all() for times in count.values())


@pytest.mark.parametrize(("kind", "nodes", "expected"), [
    ("gpt2", ["a1.h3"], 3 * (16 * 4 + 4) + 4 * 16),  # q, k and v with biases, four rows of W_O
    ("gpt2", ["m0"], 16 * 24 + 24 + 24 * 16 + 16),
    ("gpt_neox", ["a0.h0"], 3 * (16 * 4 + 4) + 4 * 16),
    ("llama", ["a0.h0"], 2 * 16 * 4),  # q and W_O alone: k and v are the next head's, too
    ("llama", ["a0.h1", "a0.h2"], 2 * 2 * 16 * 4),  # of two groups
    ("llama", ["a0.h0", "a0.h1"], 2 * 2 * 16 * 4 + 2 * 16 * 4),
    ("llama", ["m1"], 3 * 16 * 24),
    ("qwen2", ["a0.h2", "a0.h3"], 2 * (2 * 16 * 4 + 4) + 2 * (16 * 4 + 4)),  # biases of q, k and v
    ("qwen3", ["a0.h0"], 2 * 16 * 6),  # heads of 6; no norm of queries
    ("gemma2", ["m0"], 3 * 16 * 24),  # no norm after it
    ("phi", ["a0.h0", "m0"], 3 * (16 * 4 + 4) + 4 * 16 + 16 * 24 + 24 + 24 * 16 + 16),
])
def test_counts_by_hand(kind, nodes, expected, make_handle):
    assert n_parameters(mask_of(make_handle(kind), nodes)) == expected


def test_what_is_no_head_or_mlp_of_the_model_is_refused(handle):
    for name in ("input", "logits", "a0.h4", "m2", "a0.h1<q>"):
        with pytest.raises(ValueError, match=f"expected heads and MLPs of the model, a0.h0 to m1, got '{name}'"):
            mask_of(handle, ["a0.h0", name])


def test_masks_are_whole_tensors_that_can_be_saved(handle):
    for name, free in mask_of(handle, ["a0.h0", "m1"]).items():
        assert free.shape == handle.model.get_parameter(name).shape and free.dtype == torch.bool and free.is_contiguous()
