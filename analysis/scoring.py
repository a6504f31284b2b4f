"""Both difficulty scores of a whole forget set: circuits, anchor runs, CUD and MRD in one table."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis import difficulty, reuse
from analysis.anchor_runs import anchor_losses
from analysis.attribution import AttributionConfig, completeness_error
from analysis.circuit import Circuit, select
from analysis.cross_fitting import CrossFitted, CudConfig, cross_fitted, folds
from analysis.dataset import Sample
from analysis.estimators import Estimator, Scope
from analysis.evaluation import answer_nll
from analysis.memory import DEFAULT_BUDGET
from analysis.methods import ANCHOR_METHODS
from analysis.model import ModelHandle
from analysis.mrd import MrdScores
from analysis.presets import preset
from analysis.statistics import percent_ranks
from analysis.templates import template
from analysis.tokens import IGNORED, TokenBatch, tokenize

COLUMNS = [
    "sample_id", "row", "question", "answer", "n_answer_tokens", "base_nll", "token_frequency", "template", "fold", "cud", "cud_role",
    "mrd", "mrd_stderr", "rank_cud", "rank_mrd",
]


@dataclass(frozen=True)
class ScoringConfig:
    """How a forget set is scored. `seed`: of the halves, of the anchor runs and of MRD's perturbations.

    `learning_rate` of the anchor runs; None: the preset's. `sigma` and `n_pairs` None: found for the model and set at hand, see
    `mrd`, as are `estimator`, `max_pairs` and `mrd_scope`.
    """

    attribution: AttributionConfig
    cud: CudConfig
    preset: str = "embedded"
    sigma: float | None = None
    n_pairs: int | None = None
    seed: int = 0
    estimator: Estimator = "antithetic"
    max_pairs: int = 100
    mrd_scope: Scope = "answer"
    learning_rate: float | None = None

    def __post_init__(self):
        for name, least in (("n_pairs", 2), ("max_pairs", 5), ("sigma", 0), ("seed", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value < float("inf"):
                raise ValueError(f"{name} must be finite and at least {least}, got {value}")


@dataclass(frozen=True)
class Scoring:
    """`table` has one row per sample in the order of the file; see `score` for its columns."""

    table: pd.DataFrame
    circuits: list[Circuit]
    details: dict[str, Any]


def circuits_of(
    handle: ModelHandle, samples: list[Sample], config: AttributionConfig, n_edges: int, reference: list[Sample] | None = None,
    report: Callable[[str, int, int], None] = lambda phase, done, total: None, memory_budget: int = DEFAULT_BUDGET,
    cache: Path | None = None,
) -> tuple[list[Circuit], float | None]:
    """One greedy circuit of at most `n_edges` edges per sample, and the scores' median completeness error (None where the method
    has none).

    `reference` (default: `samples`) is what mean ablation averages. `memory_budget` in bytes: see `edge_scores`. `cache`: a workspace
    that keeps edge scores (see `reuse`). The completeness error is measured anew, which also shows that kept scores are this model's.
    """
    batch = tokenize(samples, handle.tokenizer, max_length=handle.max_length)
    patching = config.ablation == "patching"
    corrupted = tokenize(samples, handle.tokenizer, corrupted=True) if patching else None
    mean_over = tokenize(reference, handle.tokenizer, max_length=handle.max_length) if reference else None
    scores = reuse.edge_scores(
        handle, batch, config, cache, reference=mean_over, corrupted=corrupted, memory_budget=memory_budget,
        report=lambda done, n: report("circuits", done, n),
    )
    errors = completeness_error(
        handle, batch, scores, config, reference=mean_over, corrupted=corrupted, memory_budget=memory_budget
    )
    error = float(np.median(errors))
    circuits = [
        Circuit(sample.id, handle.fingerprint, handle.index, row, select(row, handle.index, n_edges))
        for sample, row in zip(samples, scores.astype(np.float32), strict=True)
    ]
    return circuits, None if np.isnan(error) else round(error, 4)


def score(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], config: ScoringConfig, cache: Path | None = None,
    report: Callable[[str, int, int], None] = lambda phase, done, total: None,
) -> Scoring:
    """Score every sample of the forget set; each half (`details["folds"]`) gives the anchors that score the other.

    Columns: sample_id, row, question, answer, n_answer_tokens, base_nll (nats per answer token), token_frequency (see there),
    template, fold, cud (held out for every sample), cud_role (anchor_easy and anchor_hard: an anchor for the other half; else
    scored), mrd, mrd_stderr, rank_cud, rank_mrd (1 = hardest). The halves' CUD is measured against different anchors, so rank_cud
    ranks each sample's percent rank within its half; equal places share their mean rank. `details["anchor_forget_probability"]`
    says how far the anchor runs got: anchors of runs that forgot nothing mean nothing; `details["mrd"]` what MRD was measured with.
    `cache`: a workspace; what it keeps of edge scores, anchor runs and MRD is not computed again, and None keeps nothing.
    Raises ValueError if there are fewer than 4 * n_anchors samples, or a method or preset is not known.
    """
    _check_size(len(forget), config.cud.n_anchors)
    batch, kept = (tokenize(samples, handle.tokenizer, max_length=handle.max_length) for samples in (forget, retain))
    methods = config.cud.methods or ANCHOR_METHODS
    given = {"seed": config.seed} | ({} if config.learning_rate is None else {"learning_rate": config.learning_rate})
    runs = {method: replace(preset(config.preset, method), **given) for method in methods}
    circuits, error = circuits_of(handle, forget, config.attribution, config.cud.n_edges, report=report, cache=cache)
    fold, base = folds(len(forget), config.seed), answer_nll(handle.model, batch)
    losses = anchor_losses(handle, batch, kept, fold, runs, cache, report)
    scores, in_circuit = (np.stack([getattr(c, name) for c in circuits]) for name in ("scores", "in_circuit"))
    fitted = cross_fitted(scores, handle.index, fold, losses, base, config.cud, in_circuit)
    removal = reuse.removal_difficulty(
        handle, batch, cache, lambda d, n: report("MRD", d, n), sigma=config.sigma, n_pairs=config.n_pairs, seed=config.seed,
        estimator=config.estimator, scope=config.mrd_scope, max_pairs=config.max_pairs,
    )
    table = _known_columns(forget, batch, kept).assign(
        base_nll=base, fold=fold, cud=fitted.cud, cud_role=_roles(fitted), mrd=removal.value, mrd_stderr=removal.stderr,
        rank_cud=difficulty.ranks(percent_ranks(fitted.cud, fold), hard_is="high"),
        rank_mrd=difficulty.ranks(removal.value, hard_is="low"),
    )[COLUMNS]
    details = {"config": asdict(config), "completeness_error": error, "mrd": _mrd_details(removal)}
    return Scoring(table, circuits, details | _anchor_details(table, fitted, losses))


def _mrd_details(scores: MrdScores) -> dict[str, Any]:
    """What MRD was measured with; `sweep` has the rows of `sigma_sweep`, or is None where sigma was given."""
    used = {name: getattr(scores, name) for name in ("estimator", "sigma", "n_pairs", "settled")}
    return used | {"sweep": None if scores.sweep is None else scores.sweep.to_dict("records")}


def _known_columns(forget: list[Sample], batch: TokenBatch, kept: TokenBatch) -> pd.DataFrame:
    return pd.DataFrame({
        "sample_id": [s.id for s in forget],
        "row": [s.row for s in forget],
        "question": [s.question for s in forget],
        "answer": [s.answer for s in forget],
        "n_answer_tokens": batch.n_answer_tokens.numpy(),
        "token_frequency": token_frequency(batch, kept),
        "template": [template(s) for s in forget],
    })


def token_frequency(forget: TokenBatch, retain: TokenBatch) -> Float[np.ndarray, " n_forget"]:
    """How common each forget answer's tokens are: the mean of ln(1 + count) over its tokens, counted in the answers of both sets."""
    answers = [[row[row != IGNORED].numpy() for row in batch.labels] for batch in (forget, retain)]
    counts = np.bincount(np.concatenate(answers[0] + answers[1]))
    return np.array([np.log1p(counts[tokens]).mean() for tokens in answers[0]])


def _check_size(n_samples: int, n_anchors: int) -> None:
    if n_samples < 4 * n_anchors:
        raise ValueError(
            f"{n_anchors} easy and {n_anchors} hard anchors are drawn from each half of the forget set: expected at least "
            f"{4 * n_anchors} samples, got {n_samples}; give more samples or fewer anchors (--n-anchors)"
        )


def _roles(fitted: CrossFitted) -> np.ndarray:
    roles = np.full(len(fitted.cud), "scored", dtype=object)
    for easy, hard in fitted.anchors:
        roles[easy], roles[hard] = "anchor_easy", "anchor_hard"
    return roles


def _anchor_details(table: pd.DataFrame, fitted: CrossFitted, losses: pd.DataFrame) -> dict[str, Any]:
    ids = table["sample_id"]
    return {
        "folds": {str(half): ids[table["fold"] == half].tolist() for half in (0, 1)},
        "anchors": {
            str(half): {"easy": ids[easy].tolist(), "hard": ids[hard].tolist()} for half, (easy, hard) in enumerate(fitted.anchors)
        },
        "anchor_forget_probability": {method: round(float(np.exp(-nll).mean()), 4) for method, nll in losses.items()},
        "anchor_losses": {method: dict(zip(ids, nll.round(6), strict=True)) for method, nll in losses.items()},
    }
