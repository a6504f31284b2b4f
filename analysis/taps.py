"""One forward and backward pass of samples x runs with the tensors kept that attribution needs, and the scores of all edges from it."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from analysis import blocks as architecture
from analysis.blocks import Block, norm_parts
from analysis.interpolation import Run
from analysis.losses import Metric, answer_log_prob, answer_metric, n_kept
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch
from analysis.writes import Source, Writes, wide, wide_type


class Taps:
    """Rows of the pass are runs x samples, a run's samples together. Weights of runs are applied, and runs summed, on the way back.

    Gradients are taken at the q/k/v projections' outputs, in d_head space, and carried back through the norm analytically; MLPs and
    logits read the residual stream through a branch of their own.
    """

    def __init__(self, handle: ModelHandle, batch: TokenBatch, runs: list[Run], ablated: Source):
        self.handle, self.batch, self.runs, self.ablated = handle, batch, runs, ablated
        self.layers = architecture.blocks(handle.model, handle.index)
        kind = {"device": handle.device, "dtype": wide_type(handle.model.dtype)}
        self.points = torch.tensor([run.point for run in runs], **kind)[:, None, None, None]
        self.weights = torch.tensor([run.weight for run in runs], **kind)
        self.norm_inputs: list[Tensor] = []
        self.projected: list[Tensor] = []
        self.forks: list[Tensor] = []
        self.z: list[Tensor] = []
        self.mlp: list[Tensor] = []

    def run(self, metric: Metric, clean: Writes | None) -> Writes:
        """Forward and backward. Returns the clean run, which is the first of `runs` where `clean` is not given."""
        embedded = self.handle.model.get_input_embeddings()(self.batch.input_ids)
        rows = embedded.expand(len(self.runs), *embedded.shape)
        rows = rows if (between := self.interpolate(rows, 0)) is None else between
        labels, n_samples = self.batch.labels.repeat(len(self.runs), 1), len(self.batch)
        with self.handle.lock, torch.enable_grad(), architecture.hooked(self.hooks(), self.layers):
            inputs = rows.flatten(0, 1).requires_grad_(True)
            logits = self.handle.model(inputs_embeds=inputs, use_cache=False, logits_to_keep=n_kept(labels)).logits
            log_prob = answer_log_prob(logits, labels)
            if clean is None:
                clean = Writes(self.layers, embedded, self.z, self.mlp, log_prob[:n_samples].detach())
            total = answer_metric(log_prob, clean.log_prob.repeat(len(self.runs)), metric).sum()
            gradients = torch.autograd.grad(total, [*self.projected, *self.forks])
        self.projected = [x.detach() for x in self.projected]
        self.at_projected, self.at_forks = gradients[: len(self.projected)], gradients[len(self.projected) :]
        return clean

    def hooks(self) -> list:
        hooks = []
        for layer, block in enumerate(self.layers):
            hooks.append((block.attn_norm, "pre", lambda x: self.norm_inputs.append(x.detach())))
            hooks += [(module, "post", lambda out: self.projected.append(out)) for module in block.projections]
            hooks.append((block.out_proj, "pre", self.keep_z))
            hooks.append((block.post_norm or block.out_proj, "post", lambda out, b=block, g=1 + 2 * layer: self.keep_heads(out, b, g)))
            hooks.append((block.mlp_norm, "pre", self.fork))
            hooks.append((block.mlp, "post", lambda out, g=2 + 2 * layer: self.keep_mlp(out, g)))
        return [*hooks, (architecture.final_norm(self.handle.model), "pre", self.fork)]

    def first_run(self, x: Tensor) -> Tensor:
        return x.detach()[: len(self.batch)]

    def by_run(self, rows: Tensor) -> Float[Tensor, "runs batch ..."]:
        return rows.unflatten(0, (len(self.runs), -1))

    def fork(self, x: Tensor) -> Tensor:
        self.forks.append(x.view_as(x))
        return self.forks[-1]

    def keep_z(self, z: Tensor) -> None:
        self.last_z = z.detach()
        self.z.append(self.first_run(z))

    def keep_heads(self, out: Tensor, block: Block, group: int) -> Tensor | None:
        bias = block.out_proj.bias
        if bias is not None and block.post_norm is not None:
            bias = self.by_run(block.writes(self.last_z)[1])
        return self.interpolate(out, group, bias)

    def keep_mlp(self, out: Tensor, group: int) -> Tensor | None:
        self.mlp.append(self.first_run(out))
        return self.interpolate(out, group)

    def interpolate(self, out: Tensor, group: int, bias: Tensor | None = None) -> Tensor | None:
        """In the runs of this group, its output between ablated and clean, a constant; None where no run is of this group.

        Everything before the group is clean in these runs, so that what it computes is its clean output.
        """
        if all(run.group != group for run in self.runs):
            return None
        chosen = torch.tensor([run.group == group for run in self.runs], device=out.device)
        bias = 0 if bias is None else bias
        rows = out if out.dim() == 4 else self.by_run(out)
        between = torch.lerp(wide(self.ablated.group(group)).expand(rows.shape), wide(rows.detach() - bias), self.points) + bias
        between = torch.where(chosen[:, None, None, None], between.to(rows.dtype), rows)
        return between if out.dim() == 4 else between.flatten(0, 1)

    def add_scores(self, scores: Float[Tensor, "batch n_forward n_backward"], difference: Tensor, positions: slice) -> None:
        """Add what these positions contribute; `difference` [n_forward, batch, pos, d_model] is clean minus ablated."""
        difference = difference.flatten(2).transpose(0, 1)  # [batch, n_forward, pos * d_model]
        for column, gradient in self.gradients(positions):
            n_sources = self.handle.index.n_sources(column)
            part = scores[:, :n_sources, column : column + len(gradient)]
            part += difference[:, :n_sources] @ gradient.flatten(2).permute(1, 2, 0)

    def gradients(self, positions: slice) -> Iterator[tuple[int, Float[Tensor, "columns batch pos d_model"]]]:
        """Weighted sum over runs of the gradient at each destination, with its first column."""
        index, per_layer = self.handle.index, len(self.layers[0].projections)
        for layer, block in enumerate(self.layers):
            span = slice(layer * per_layer, (layer + 1) * per_layer)
            at = _by_head(block, [x[:, positions] for x in self.at_projected[span]])
            out = _by_head(block, [x[:, positions] for x in self.projected[span]])
            yield index.qkv_columns(layer).start, self.pull_back(block, wide(self.norm_inputs[layer][:, positions]), out, at)
            yield index.mlp_column(layer), self.sum_runs(self.at_forks[layer][:, positions])[None]
        yield index.n_backward - 1, self.sum_runs(self.at_forks[-1][:, positions])[None]

    def sum_runs(self, x: Tensor) -> Tensor:
        return torch.tensordot(self.weights, self.by_run(wide(x)), 1)

    def pull_back(self, block: Block, x: Tensor, out: Tensor, g: Tensor) -> Float[Tensor, "columns batch pos d_model"]:
        """Weighted sum over runs of the gradient at each head's q, k and v input, from `g` at the projections' outputs.

        For a norm y = gain * x_hat + bias with x_hat = (x - mean) / sigma, and a read-out W:
        dM/dx = (W' g - x_hat (x_hat . W' g) / d) / sigma, W' = centred gain * W; and x_hat . W' g = g . (out - constant part of
        out). Runs are summed before the product with W', so that its cost does not depend on their number.
        """
        weight, read_bias = (wide(w) for w in block.read_weights())  # [3, heads, d_model, d_head], [3, heads, d_head]
        *parts, centred = norm_parts(block.attn_norm, x)
        x_hat, sigma, gain, norm_bias = (wide(part) for part in parts)  # [runs * batch, pos, d_model]
        constant = torch.einsum("d,lhde->lhe", norm_bias, weight) + read_bias
        folded = weight * gain[:, None]
        if centred:
            folded = folded - folded.mean(2, keepdim=True)
        d_model = x.shape[-1]
        scaled = g * (self.weights.repeat_interleave(len(self.batch))[:, None, None] / sigma)[..., None, None]
        along = (scaled * (out - constant)).sum(-1).flatten(2) / d_model  # [runs * batch, pos, columns]
        summed = self.by_run(scaled).sum(0).flatten(0, 1).flatten(1, 2)  # [batch * pos, columns, d_head]
        pulled = torch.bmm(summed.transpose(0, 1), folded.flatten(0, 1).transpose(1, 2))  # [columns, batch * pos, d_model]
        along, x_hat = (self.by_run(v).flatten(1, 2) for v in (along, x_hat))
        pulled -= torch.einsum("rnc,rnd->cnd", along, x_hat)
        return pulled.unflatten(1, (len(self.batch), -1))


def _by_head(block: Block, parts: list[Tensor]) -> Float[Tensor, "rows pos letter n_heads d_head"]:
    by_head = [block.split(part, which) for which, part in enumerate(parts)]
    return wide(torch.cat(by_head, -3) if len(by_head) > 1 else by_head[0])
