"""Both difficulty scores of a whole forget set: circuits, anchor runs, CUD and MRD in one table."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis import anchors, difficulty
from analysis.attribution import AttributionConfig, completeness_error, edge_scores
from analysis.circuit import Circuit, select
from analysis.dataset import Sample
from analysis.evaluation import answer_nll
from analysis.methods import METHODS
from analysis.model import ModelHandle
from analysis.tokens import tokenize
from analysis.unlearning import final_nll, preset


@dataclass(frozen=True)
class ScoringConfig:
    """How a forget set is scored. `n_anchors` on each side, from a random half of the set; `n_edges` per circuit."""

    attribution: AttributionConfig
    n_edges: int
    preset: str = "embedded"
    n_anchors: int = 12
    sigma: float = 1e-3
    n_pairs: int = 30
    seed: int = 0

    def __post_init__(self):
        for name, least in (("n_edges", 1), ("n_anchors", 1), ("n_pairs", 2), ("sigma", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Scoring:
    """`table` has one row per sample in the order of the file; see `score` for its columns."""

    table: pd.DataFrame
    circuits: list[Circuit]
    details: dict[str, Any]


def circuits_of(
    handle: ModelHandle, samples: list[Sample], config: AttributionConfig, n_edges: int, reference: list[Sample] | None = None,
    report: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> tuple[list[Circuit], float]:
    """One greedy circuit of at most `n_edges` edges per sample, and the scores' median completeness error.

    `reference` (default: `samples`) is what mean ablation averages.
    """
    batch = tokenize(samples, handle.tokenizer, max_length=handle.max_length)
    patching = config.ablation == "patching"
    corrupted = tokenize(samples, handle.tokenizer, corrupted=True) if patching else None
    mean_over = tokenize(reference, handle.tokenizer, max_length=handle.max_length) if reference else None
    scores = edge_scores(
        handle, batch, config, reference=mean_over, corrupted=corrupted, report=lambda done, n: report("circuits", done, n)
    )
    error = completeness_error(handle, batch, scores, config.ablation, reference=mean_over, corrupted=corrupted)
    circuits = [
        Circuit(sample.id, handle.fingerprint, handle.index, row, select(row, handle.index, n_edges))
        for sample, row in zip(samples, scores.astype(np.float32), strict=True)
    ]
    return circuits, round(float(np.median(error)), 4)


def score(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], config: ScoringConfig,
    report: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> Scoring:
    """Score every sample of the forget set.

    Columns: sample_id, row, question, answer, n_answer_tokens, base_nll (nats per answer token), cud, cud_role (anchor_easy,
    anchor_hard, scored), mrd, mrd_stderr, rank_cud, rank_mrd (1 = hardest). Anchors come from unlearning runs on a random half
    of the set (`details["anchor_pool"]`); only samples outside it are a fair test of CUD. `details["anchor_forget_probability"]`
    says how far those runs got: anchors of runs that forgot nothing mean nothing.
    Raises ValueError if the half is smaller than 2 * n_anchors.
    """
    if len(forget) // 2 < 2 * config.n_anchors:
        raise ValueError(
            f"{config.n_anchors} easy and {config.n_anchors} hard anchors are drawn from half of the forget set: expected at least "
            f"{4 * config.n_anchors} samples, got {len(forget)}; give more samples or fewer anchors"
        )
    batch = tokenize(forget, handle.tokenizer, max_length=handle.max_length)
    circuits, error = circuits_of(handle, forget, config.attribution, config.n_edges, report=report)
    pool = anchors.anchor_pool(len(forget), config.seed)
    losses = anchor_losses(handle, forget, retain, pool, config, report)
    easy, hard = anchors.consensus(losses, config.n_anchors)
    index, by_row = handle.index, [c.scores for c in circuits]
    ends = [anchors.anchor_circuit([by_row[row] for row in rows], index, config.n_edges) for rows in (easy, hard)]
    cud = difficulty.cud(np.stack([c.in_circuit for c in circuits]), *ends)
    mrd, stderr = difficulty.mrd(
        handle, batch, sigma=config.sigma, n_pairs=config.n_pairs, seed=config.seed, report=lambda d, n: report("MRD", d, n)
    )
    role = np.full(len(forget), "scored", dtype=object)
    role[easy], role[hard] = "anchor_easy", "anchor_hard"
    table = pd.DataFrame({
        "sample_id": [s.id for s in forget],
        "row": [s.row for s in forget],
        "question": [s.question for s in forget],
        "answer": [s.answer for s in forget],
        "n_answer_tokens": batch.n_answer_tokens.numpy(),
        "base_nll": answer_nll(handle.model, batch),
        "cud": cud,
        "cud_role": role,
        "mrd": mrd,
        "mrd_stderr": stderr,
        "rank_cud": difficulty.ranks(cud, hard_is="high"),
        "rank_mrd": difficulty.ranks(mrd, hard_is="low"),
    })
    details = {
        "config": asdict(config),
        "completeness_error": error,
        "anchor_pool": [forget[row].id for row in pool],
        "anchor_forget_probability": {method: round(float(np.exp(-nll).mean()), 4) for method, nll in losses.items()},
        "anchor_losses": _by_id(losses, forget),
    }
    return Scoring(table, circuits, details)


def anchor_losses(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], pool: np.ndarray, config: ScoringConfig,
    report: Callable[[str, int, int], None],
) -> pd.DataFrame:
    """Answer NLL of the pool's samples after each method has unlearned the pool; rows = rows of `forget`, columns = methods."""
    batches = [
        tokenize(samples, handle.tokenizer, max_length=handle.max_length) for samples in ([forget[row] for row in pool], retain)
    ]
    losses = {}
    for done, method in enumerate(METHODS):
        report(f"anchor run with {method}", done, len(METHODS))
        losses[method] = final_nll(handle, *batches, replace(preset(config.preset, method), seed=config.seed)).forget_nll
    return pd.DataFrame(losses, index=[int(row) for row in pool])


def _by_id(losses: pd.DataFrame, forget: list[Sample]) -> dict[str, dict[str, float]]:
    return {m: {forget[row].id: round(float(v), 6) for row, v in losses[m].items()} for m in losses}
