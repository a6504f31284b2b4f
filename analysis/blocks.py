"""Where each architecture keeps its norms, projections and MLPs, and hooks on them. Plain Hugging Face modules, never changed.

Supported are decoders whose readers (each head's q, k and v, each MLP, the logits) see a norm of the plain sum of all earlier
writers. Position embeddings and output biases are constants of the residual stream, not nodes (as in EAP-IG, where `input` is the
token embedding; in Gemma the embedding as scaled by the model). Two families bend that rule:

* Gemma 2 and 3 norm what attention and MLP give before adding it. That norm divides the heads' sum by one scale; a head writes
  its linear share at the scale of that very run (`Block.writes`), so that the stream remains the sum of its writers.
* Phi's attention and MLP read one shared norm. They are separate readers all the same: the MLP is given a norm of its own
  (`SharedNorm`), of the same weights.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from analysis.architectures import check_supported
from analysis.graph import GraphIndex


@dataclass(frozen=True)
class SharedNorm:
    """A norm that attention and MLP share, as the MLP reads it: what a "pre" hook returns is normed for the MLP alone."""

    norm: nn.Module
    mlp: nn.Module


@dataclass(frozen=True)
class Block:
    """One layer's modules. `projections` is one fused module or q, k and v apart; `layout` says how outputs are ordered.

    `mlp` is the module whose output joins the residual stream: the norm after the MLP where there is one.
    """

    layout: str  # "fused" q|k|v, "interleaved" per head q|k|v, "separate"
    n_heads: int
    n_kv_heads: int
    attention: nn.Module
    attn_norm: nn.Module
    projections: tuple[nn.Module, ...]
    out_proj: nn.Module
    mlp_norm: nn.Module | SharedNorm
    mlp: nn.Module
    post_norm: nn.Module | None = None  # between the out-projection and the residual stream

    def split(self, output: Tensor, which: int) -> Float[Tensor, "... letter n_heads d_head"]:
        """Output of projection `which`, by letter (q, k, v) and head; grouped K/V heads must already be repeated."""
        if self.layout == "fused":
            return output.unflatten(-1, (3, self.n_heads, -1))
        if self.layout == "interleaved":
            return output.unflatten(-1, (self.n_heads, 3, -1)).transpose(-3, -2)
        return output.unflatten(-1, (1, self.n_heads, -1))

    def join(self, parts: Float[Tensor, "... letter n_heads d_head"]) -> Tensor:
        """The inverse of `split`."""
        return (parts.transpose(-3, -2) if self.layout == "interleaved" else parts).flatten(-3)

    def read_weights(self) -> tuple[Float[Tensor, "letter n_heads d_model d_head"], Float[Tensor, "letter n_heads d_head"]]:
        """Weights and biases by which each head's q, k and v input is read; K/V repeated per query head."""
        weights, biases = [], []
        for which, module in enumerate(self.projections):
            weight = module.weight if _is_conv1d(module) else module.weight.T  # [d_model, out]
            bias = torch.zeros_like(weight[0]) if module.bias is None else module.bias
            stacked = torch.cat([weight, bias[None]])
            if self.layout == "separate" and which > 0:
                stacked = self.repeat(stacked)
            parts = self.split(stacked, which).permute(1, 2, 0, 3)  # [letter, n_heads, d_model + 1, d_head]
            weights.append(parts[:, :, :-1])
            biases.append(parts[:, :, -1])
        return torch.cat(weights), torch.cat(biases)

    def writes(self, z: Float[Tensor, "batch pos features"]) -> tuple[Float[Tensor, "batch n_heads pos d_model"], Tensor]:
        """What each head adds to the residual stream, from the out-projection's input; and what the output bias adds."""
        heads = torch.einsum("bphe,hed->bhpd", z.unflatten(-1, (self.n_heads, -1)), self.write_weights())
        bias = heads.new_zeros(heads.shape[-1]) if self.out_proj.bias is None else self.out_proj.bias
        if self.post_norm is None:
            return heads, bias
        _, sigma, gain, _, _ = norm_parts(self.post_norm, heads.sum(1) + bias)
        share = gain / sigma  # [batch, pos, d_model]
        return heads * share[:, None], bias * share

    def write_weights(self) -> Float[Tensor, "n_heads d_head d_model"]:
        """The out-projection's weights per head; a norm after it, where there is one, comes on top (see `writes`)."""
        weight = self.out_proj.weight if _is_conv1d(self.out_proj) else self.out_proj.weight.T
        return weight.unflatten(0, (self.n_heads, -1))

    def repeat(self, grouped: Tensor) -> Tensor:
        """Repeat K/V heads so that each query head has its own, as grouped-query attention does by itself later."""
        groups = self.n_heads // self.n_kv_heads
        return grouped.unflatten(-1, (self.n_kv_heads, -1)).repeat_interleave(groups, -2).flatten(-2)


def describe(model: nn.Module) -> GraphIndex:
    """Sizes of the model's graph. Raises ValueError for an architecture that is not supported."""
    config = model.config
    check_supported(config.model_type)
    parallel = config.model_type == "phi" or (config.model_type == "gpt_neox" and config.use_parallel_residual)
    n_heads = config.num_attention_heads
    n_kv_heads = getattr(config, "num_key_value_heads", None) or n_heads
    return GraphIndex(config.num_hidden_layers, n_heads, n_kv_heads, config.hidden_size, parallel)


def blocks(model: nn.Module, index: GraphIndex) -> list[Block]:
    """The model's layers, in order."""
    kind, sizes = model.config.model_type, (index.n_heads, index.n_kv_heads)
    if kind == "gpt2":
        return [
            Block("fused", *sizes, b.attn, b.ln_1, (b.attn.c_attn,), b.attn.c_proj, b.ln_2, b.mlp) for b in model.transformer.h
        ]
    if kind == "gpt_neox":
        return [
            Block("interleaved", *sizes, b.attention, b.input_layernorm, (b.attention.query_key_value,), b.attention.dense,
                  b.post_attention_layernorm, b.mlp) for b in model.gpt_neox.layers
        ]
    layer_of = {"phi": _phi_layer, "gemma2": _post_normed_layer, "gemma3_text": _post_normed_layer}.get(kind, _llama_layer)
    return [
        Block("separate", *sizes, b.self_attn, b.input_layernorm, (b.self_attn.q_proj, b.self_attn.k_proj, b.self_attn.v_proj),
              *layer_of(b)) for b in model.model.layers
    ]


def _llama_layer(b: nn.Module) -> tuple:
    return b.self_attn.o_proj, b.post_attention_layernorm, b.mlp


def _post_normed_layer(b: nn.Module) -> tuple:
    return b.self_attn.o_proj, b.pre_feedforward_layernorm, b.post_feedforward_layernorm, b.post_attention_layernorm


def _phi_layer(b: nn.Module) -> tuple:
    return b.self_attn.dense, SharedNorm(b.input_layernorm, b.mlp), b.mlp


def final_norm(model: nn.Module) -> nn.Module:
    """The norm before the logits."""
    return {
        "gpt2": lambda m: m.transformer.ln_f, "gpt_neox": lambda m: m.gpt_neox.final_layer_norm,
        "phi": lambda m: m.model.final_layernorm,
    }.get(model.config.model_type, lambda m: m.model.norm)(model)


def norm_parts(norm: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, bool]:
    """Normalised input (before gain), its scale sigma, gain, bias and whether the norm centres."""
    centred = isinstance(norm, nn.LayerNorm)
    shifted = x - x.mean(-1, keepdim=True) if centred else x
    eps = norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps
    sigma = (shifted.pow(2).mean(-1, keepdim=True) + eps).sqrt()
    bias = norm.bias if centred and norm.bias is not None else torch.zeros_like(norm.weight)
    gain = 1 + norm.weight if type(norm).__name__.startswith("Gemma") else norm.weight
    return shifted / sigma, sigma, gain, bias, centred


@contextmanager
def hooked(hooks: list[tuple[nn.Module | SharedNorm, str, Callable]], layers: list[Block]) -> Iterator[None]:
    """Install hooks ("pre" gets and may replace the input, "post" the output), K/V per query head; all undone at the end.

    A "post" hook on a K or V projection sees one output per *query* head.
    """
    groups = [(b, b.attention.num_key_value_groups) for b in layers if b.n_kv_heads != b.n_heads]
    with ExitStack() as stack:
        for block, n_groups in groups:
            stack.callback(setattr, block.attention, "num_key_value_groups", n_groups)
            block.attention.num_key_value_groups = 1
            for module in block.projections[1:]:
                stack.callback(module.register_forward_hook(lambda _m, _a, out, b=block: b.repeat(out)).remove)
        for module, kind, function in hooks:
            if isinstance(module, SharedNorm):
                handles = _hook_shared(module, function)
            elif kind == "pre":
                handles = [module.register_forward_pre_hook(lambda _m, args, f=function: _as_args(f(args[0]), args))]
            else:
                handles = [module.register_forward_hook(lambda _m, _args, out, f=function: f(out))]
            for handle in handles:
                stack.callback(handle.remove)
        yield


def _hook_shared(shared: SharedNorm, function: Callable) -> list:
    """Show `function` the input of the shared norm, and norm what it returns again for the MLP alone."""
    inputs = []

    def renorm(_mlp: nn.Module, args: tuple) -> tuple | None:
        replaced = function(inputs.pop())
        return None if replaced is None else (shared.norm.forward(replaced), *args[1:])  # `forward`: no hook sees it twice

    keep = shared.norm.register_forward_pre_hook(lambda _m, args: inputs.append(args[0]))
    return [keep, shared.mlp.register_forward_pre_hook(renorm)]


def _as_args(replacement: Tensor | None, args: tuple) -> tuple | None:
    return None if replacement is None else (replacement, *args[1:])


def _is_conv1d(module: nn.Module) -> bool:
    return type(module).__name__ == "Conv1D"  # GPT-2's linear layer, with its weight the other way round
