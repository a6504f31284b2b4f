"""Signed scores of all edges of all samples at once: EAP, EAP-IG over inputs or activations, and the real effect of each edge.

EAP(u->v) = sum over positions of (z_u clean - z_u ablated) . dM/d in_v, M = the metric (see `losses.answer_metric`), in_v = the
residual stream as destination v reads it. EAP-IG-inputs averages the gradient over inputs between ablated and clean
(arXiv 2403.17806); EAP-IG-activations over runs in which one node group's output stands between ablated and clean, for the
input, each layer's heads together and each MLP in turn (as released with arXiv 2601.09624: 5 steps, "right", zero ablation).
`exact` ablates one edge at a time. Positive = the edge supports the answer, the sign of EAP-IG's library with loss = -M.

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

from analysis.ablation import Ablation, check_corrupted, replacement
from analysis.exact import exact_scores
from analysis.interpolation import QUADRATURES, Quadrature, Run, runs_of
from analysis.losses import METRICS, Metric, answer_metric
from analysis.memory import DEFAULT_BUDGET, Chunk, Need, chunks
from analysis.model import ModelHandle
from analysis.taps import Taps
from analysis.tokens import TokenBatch
from analysis.writes import Fixed, Source, plain_run, score_type, wide_type

Method = Literal["EAP", "EAP-IG-inputs", "EAP-IG-activations", "exact"]
METHODS = ("EAP", "EAP-IG-inputs", "EAP-IG-activations", "exact")


@dataclass(frozen=True)
class AttributionConfig:
    """How edges are scored. `ig_steps` and `quadrature` count only for EAP-IG; under zero ablation few steps are far from complete."""

    method: Method = "EAP-IG-inputs"
    ablation: Ablation = "zero"
    ig_steps: int = 20
    metric: Metric = "log_prob"
    quadrature: Quadrature = "midpoint"

    def __post_init__(self):
        known = {"method": METHODS, "ablation": ("zero", "mean", "patching"), "metric": METRICS, "quadrature": QUADRATURES}
        for name, expected in known.items():
            if getattr(self, name) not in expected:
                raise ValueError(f"{name}: expected one of {', '.join(expected)}, got {getattr(self, name)!r}")
        if self.ig_steps < 1:
            raise ValueError(f"ig_steps: expected at least 1, got {self.ig_steps}")


def edge_scores(
    handle: ModelHandle,
    batch: TokenBatch,
    config: AttributionConfig,
    *,
    reference: TokenBatch | None = None,
    corrupted: TokenBatch | None = None,
    memory_budget: int = DEFAULT_BUDGET,
    report: Callable[[int, int], None] = lambda done, total: None,
    keep: Callable[[list[int], np.ndarray], None] = lambda rows, scores: None,
) -> Float[np.ndarray, "n_samples n_forward n_backward"]:
    """Scores of every edge for every sample; 0 where there is no edge. float32, or float64 for a float64 model.

    `reference` is the batch whose mean outputs replace nodes under mean ablation (default: `batch`), `corrupted` the runs that
    replace them under patching. Given these, padding and the other samples of the batch do not change a sample's scores.
    `memory_budget` in bytes is for everything but the model and the result. `keep` is given the rows of the batch that are done, with
    their scores, as soon as they are. Raises ValueError where one row needs more, and for
    `exact` on a graph of too many edges. Tested against finite differences in tests/analysis/test_attribution.py.
    """
    if config.ablation == "patching":
        check_corrupted(batch, corrupted)
    if config.method == "exact":
        reference = batch if reference is None else reference
        return exact_scores(handle, batch, config.ablation, config.metric, reference, corrupted, memory_budget, report, keep)
    runs = runs_of(config.method, config.quadrature, config.ig_steps, handle.index)
    fixed = _fixed(handle, batch, config.ablation, reference)
    scores = np.zeros((len(batch), handle.index.n_forward, handle.index.n_backward), score_type(handle))
    n_done = 0
    for chunk in chunks(Need.of(handle, batch), batch, len(runs), memory_budget):
        part = batch.select(chunk.rows).to(handle.device)
        ablated = fixed or plain_run(handle, corrupted.select(chunk.rows).to(handle.device))
        scores[chunk.rows] = _scores(handle, part, ablated, runs, config.metric, chunk).cpu().numpy()
        keep(chunk.rows, scores[chunk.rows])
        n_done += len(chunk.rows)
        report(n_done, len(batch))
    return scores


def _scores(handle: ModelHandle, batch: TokenBatch, ablated: Source, runs: list[Run], metric: Metric, chunk: Chunk) -> Tensor:
    """Scores [batch, n_forward, n_backward] of one chunk of samples."""
    clean = None if runs[0].point == 1 else plain_run(handle, batch)
    sizes = len(batch), handle.index.n_forward, handle.index.n_backward
    scores = torch.zeros(sizes, device=handle.device, dtype=wide_type(handle.model.dtype))
    for start in range(0, len(runs), chunk.n_runs):
        taps = Taps(handle, batch, runs[start : start + chunk.n_runs], ablated)
        clean = taps.run(metric, clean)
        for first in range(0, batch.input_ids.shape[1], chunk.n_positions):
            positions = slice(first, first + chunk.n_positions)
            taps.add_scores(scores, clean.outputs(positions).sub_(ablated.outputs(positions)), positions)
    return scores


def completeness_error(
    handle: ModelHandle,
    batch: TokenBatch,
    scores: Float[np.ndarray, "n_samples n_forward n_backward"],
    config: AttributionConfig,
    *,
    reference: TokenBatch | None = None,
    corrupted: TokenBatch | None = None,
    memory_budget: int = DEFAULT_BUDGET,
) -> Float[np.ndarray, " n_samples"]:
    """How far the edges out of `input` are from adding up to the effect of ablating the input, as a share of that effect.

    |sum - (M(clean) - M(ablated input))| / |M(clean) - M(ablated input)|; goes to 0 for EAP-IG-inputs as its steps grow. EAP counts
    as one step of it. NaN for EAP-IG-activations and `exact`, whose scores have no reason to add up.
    """
    if config.method not in ("EAP", "EAP-IG-inputs"):
        return np.full(len(batch), np.nan)
    fixed = _fixed(handle, batch, config.ablation, reference)
    effects = np.zeros(len(batch))
    for chunk in chunks(Need.of(handle, batch), batch, 1, memory_budget):
        part = batch.select(chunk.rows).to(handle.device)
        clean = plain_run(handle, part)
        embedded = fixed.group(0) if fixed else plain_run(handle, corrupted.select(chunk.rows).to(handle.device)).embedded
        ablated = plain_run(handle, part, embedded.expand_as(clean.embedded))
        clean_value, value = (answer_metric(run.log_prob, clean.log_prob, config.metric) for run in (clean, ablated))
        effects[chunk.rows] = (clean_value - value).cpu().double().numpy()
    return np.abs(scores[:, 0].sum(-1) - effects) / np.maximum(np.abs(effects), 1e-12)


def _fixed(handle: ModelHandle, batch: TokenBatch, ablation: Ablation, reference: TokenBatch | None) -> Fixed | None:
    """What replaces nodes in every sample alike; None under patching, where each sample has its own corrupted run."""
    return None if ablation == "patching" else Fixed(handle.index, replacement(handle, batch, ablation, reference, None))
