"""Per-head edge scores of one sample at a time, by autograd through TransformerBridge's hooks: slow, plain, and none of ours.

The bridge recomputes attention with one copy of the residual stream per head and letter (hook_q_input, hook_k_input, hook_v_input,
before the layer's norm), so that autograd gives dM/d in_v directly; heads' writes are hook_result. It shares with analysis/ only the
order of rows and columns. Done here by hand, where the bridge has no hook:

* Grouped K/V heads are copied in the weights first, one per query head, so that each query head has its own K and V input.
* Phi's MLP reads the norm of the attention; it gets its own copy of the residual stream and the norm of that.
* Where a norm follows the attention (Gemma 2 and 3), a head's write is its share of that norm's output, by the scale of the run.

Importing transformer_lens takes seconds: only `BridgeOracle` does it.
"""

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from analysis.model import ModelHandle
from analysis.tokens import TokenBatch


class BridgeOracle:
    """Built once for a model, of which it keeps a changed copy; `edge_scores` may then be called in a loop."""

    def __init__(self, handle: ModelHandle):
        from transformer_lens.model_bridge import TransformerBridge

        model = ungrouped_copy(handle.model)
        model.config.architectures = [type(model).__name__]
        tokenizer = copy.deepcopy(handle.tokenizer)  # it is changed, too: never used here, but asked for
        tokenizer.bos_token = None
        self.index, self.device = handle.index, handle.device
        self.bridge = TransformerBridge.boot_transformers(
            handle.name, hf_model=model, tokenizer=tokenizer, dtype=handle.model.dtype, device=handle.device
        )
        self.bridge.set_use_split_qkv_input(True)
        self.bridge.set_use_attn_result(True)
        self.bridge.set_use_hook_mlp_in(True)
        self.bridge.eval().requires_grad_(False)
        self.shared_norm = not hasattr(self.bridge.blocks[0], "ln2")

    def edge_scores(
        self, sample: TokenBatch, ablation: str, points: Sequence[float], weights: Sequence[float] | None = None, *,
        reference: TokenBatch | None = None, corrupted: TokenBatch | None = None, activations: bool = False,
    ) -> np.ndarray:
        """Scores [n_forward, n_backward] of one sample without padding, M = mean log-probability of the answer's tokens.

        The gradient is averaged over `points` on the way from the ablated (0) to the clean (1) input with `weights` (default:
        equal); [1.0] is EAP. With `activations` it is averaged, too, over the node groups that stand between in turn: the input,
        each layer's heads together, each MLP. The default reference of mean ablation is the sample itself.
        """
        weights = [1 / len(points)] * len(points) if weights is None else weights
        clean = self.writes(sample)
        ablated = self.replacement(sample, clean, ablation, reference, corrupted)
        groups, gradients = self.groups() if activations else {"embed.hook_out": slice(0, 1)}, 0
        for name, rows in groups.items():
            difference = (clean - ablated)[rows].sum(0)
            for point, weight in zip(points, weights, strict=True):
                gradients = gradients + weight / len(groups) * self.gradients(sample, name, (point - 1) * difference)
        scores = torch.einsum("upd,vpd->uv", clean - ablated, gradients)
        return (scores * self.is_edge()).cpu().numpy()

    def replacement(self, sample, clean: Tensor, ablation: str, reference, corrupted) -> Tensor:
        if ablation == "zero":
            return torch.zeros_like(clean)
        if ablation == "patching":
            return self.writes(corrupted)
        rows = sample if reference is None else reference
        writes = torch.cat([self.writes(rows.select([row])) for row in range(len(rows))], 1)
        return writes.mean(1, keepdim=True).expand_as(clean)

    def groups(self) -> dict[str, slice]:
        """The hook at which each node group's output joins the residual stream, and the group's rows."""
        groups, n_heads = {"embed.hook_out": slice(0, 1)}, self.index.n_heads
        for layer, block in enumerate(self.bridge.blocks):
            first = 1 + layer * (n_heads + 1)
            groups[f"blocks.{layer}.{'ln1_post' if hasattr(block, 'ln1_post') else 'attn'}.hook_out"] = slice(first, first + n_heads)
            groups[f"blocks.{layer}.{mlp_end(block)}.hook_out"] = slice(first + n_heads, first + n_heads + 1)
        return groups

    def writes(self, sample: TokenBatch) -> Tensor:
        """What each node writes in a plain run, [n_forward, pos, d_model]."""
        seen: dict[str, Tensor] = {}

        def keep(value: Tensor, hook) -> None:
            seen[hook.name] = value

        names = ["embed.hook_out"]
        for layer, block in enumerate(self.bridge.blocks):
            names += [f"blocks.{layer}.attn.hook_result", f"blocks.{layer}.{mlp_end(block)}.hook_out"]
            if hasattr(block, "ln1_post"):
                names.append(f"blocks.{layer}.ln1_post.hook_scale")
        with torch.no_grad():
            self.bridge.run_with_hooks(sample.input_ids.to(self.device), fwd_hooks=[(name, keep) for name in names])
        rows = [seen["embed.hook_out"]]
        for layer, block in enumerate(self.bridge.blocks):
            heads = seen[f"blocks.{layer}.attn.hook_result"][0].transpose(0, 1)  # [n_heads, pos, d_model]
            if hasattr(block, "ln1_post"):
                heads = heads * (1 + block.ln1_post.original_component.weight) / seen[f"blocks.{layer}.ln1_post.hook_scale"]
            rows += [heads, seen[f"blocks.{layer}.{mlp_end(block)}.hook_out"]]
        return torch.cat(rows)

    def gradients(self, sample: TokenBatch, group: str, shift: Tensor) -> Tensor:
        """dM/d residual stream as each destination reads it, [n_backward, pos, d_model], with one group's output shifted."""
        seen: dict[str, Tensor] = {}

        def fork(value: Tensor, hook) -> Tensor:
            seen[hook.name] = value.clone()
            return seen[hook.name]

        def fork_before_norm(value: Tensor, hook) -> Tensor:
            layer = hook.name.split(".")[1]
            seen[f"blocks.{layer}.hook_mlp_in"] = seen.pop(f"blocks.{layer}.ln1.hook_in").clone()
            return self.bridge.blocks[int(layer)].ln1.original_component(seen[f"blocks.{layer}.hook_mlp_in"])

        def keep(value: Tensor, hook) -> None:
            seen[hook.name] = value

        def constant(value: Tensor, hook) -> Tensor:
            return (value.detach() + (shift if hook.name == group else 0)).requires_grad_(True)

        hooks = [(name, constant) for name in dict.fromkeys(["embed.hook_out", group])] + [("ln_final.hook_in", fork)]
        for layer in range(self.index.n_layers):
            hooks += [(f"blocks.{layer}.attn.hook_{letter}_input", fork) for letter in "qkv"]
            if self.shared_norm:
                hooks += [(f"blocks.{layer}.ln1.hook_in", keep), (f"blocks.{layer}.mlp.hook_in", fork_before_norm)]
            else:
                hooks.append((f"blocks.{layer}.hook_mlp_in", fork))
        logits = self.bridge.run_with_hooks(sample.input_ids.to(self.device), fwd_hooks=hooks)
        inputs = []
        for layer in range(self.index.n_layers):
            inputs += [seen[f"blocks.{layer}.attn.hook_{letter}_input"] for letter in "qkv"]
            inputs.append(seen[f"blocks.{layer}.hook_mlp_in"])
        inputs.append(seen["ln_final.hook_in"])
        metric, is_input = mean_answer_log_prob(logits, sample.labels.to(self.device)), group == "embed.hook_out"
        gradients = torch.autograd.grad(metric, inputs, materialize_grads=not is_input)  # a constant group has unused readers
        return torch.cat([g[0].transpose(0, 1) if g.dim() == 4 else g for g in gradients])

    def is_edge(self) -> Tensor:
        """Which sources have written before a destination reads, walking through the layers: [n_forward, n_backward]."""
        n_heads, n_layers = self.index.n_heads, self.index.n_layers
        n_written, counts = 1, []
        for _ in range(n_layers):
            counts += [n_written] * (3 * n_heads) + [n_written + (0 if self.index.parallel_attn_mlp else n_heads)]
            n_written += n_heads + 1
        counts.append(n_written)
        return torch.arange(n_written, device=self.device)[:, None] < torch.tensor(counts, device=self.device)


def mlp_end(block) -> str:
    """The part of a layer whose output is the MLP's write."""
    return "ln2_post" if hasattr(block, "ln2_post") else "mlp"


def ungrouped_copy(model: nn.Module) -> nn.Module:
    """The same function with one K and one V head per query head."""
    model = copy.deepcopy(model)
    config = model.config
    n_kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    if n_kv_heads == config.num_attention_heads:
        return model
    for layer in model.model.layers:
        attention = layer.self_attn
        for projection in (attention.k_proj, attention.v_proj):
            for name, parameter in list(projection.named_parameters()):
                per_head = parameter.detach().unflatten(0, (n_kv_heads, -1))
                repeated = per_head.repeat_interleave(config.num_attention_heads // n_kv_heads, 0).flatten(0, 1)
                setattr(projection, name, nn.Parameter(repeated))
            projection.out_features = projection.weight.shape[0]
        attention.num_key_value_groups = 1
    config.num_key_value_heads = config.num_attention_heads
    return model


def mean_answer_log_prob(logits: Tensor, labels: Tensor) -> Tensor:
    targets = labels[0, 1:]
    answer = targets != -100
    return logits[0, :-1].log_softmax(-1)[answer].gather(-1, targets[answer][:, None]).mean()
