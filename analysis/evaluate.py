"""Everything that is measured of one model, in the form of open-unlearning's EVAL file; metrics are named in `evaluation_metrics`."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis import membership, truth_ratio
from analysis.dataset import Sample
from analysis.durability import BITS, Durability, durability
from analysis.evaluation_metrics import ALTERNATIVES, HOLDOUT, ORIGINAL, RETAIN_MODEL
from analysis.generation import NO_WORDS
from analysis.measure import Measured, measure
from analysis.model import ModelHandle
from analysis.open_unlearning import by_index, mean, metric, missing, needs
from analysis.parameter_change import ALL, parameter_change
from analysis.utility import utility

Report = Callable[[str], None]


def evaluate(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], holdout: list[Sample] | None = None,
    original: ModelHandle | None = None, retain_model: ModelHandle | None = None, lasting: Durability | None = None,
    report: Report = lambda phase: None, n_rows: int | None = None, retain_ratios: Sequence[float] | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame | None]:
    """The EVAL file, a table with a row per forget sample, and `parameter_change`'s (None without the original model).

    Each model tokenises with its own tokenizer, and runs on `n_rows` samples at a time (relearning apart). `retain_ratios`: truth
    ratios of a retain-only model that is not there itself.
    Raises ValueError if the original has other parameters than the model, DataError if a sample is longer than a model reads.
    """
    moved = None if original is None else parameter_change(original.model, handle.model)
    report("forget set")
    seen = measure(handle, forget, n_rows=n_rows)
    report("retain set")
    kept = measure(handle, retain, n_rows=n_rows)
    report("membership and the retain-only model")
    never = None if retain_model is None else measure(retain_model, forget, texts=False, n_rows=n_rows)
    unseen = [None if holdout is None or h is None else measure(h, holdout, False, False, n_rows)
              for h in (handle, retain_model)]
    if never is not None:
        retain_ratios = never.table["truth_ratio"].dropna().tolist()
    result = _knowledge(seen.table) | _quality(seen.table, retain_ratios) | utility(kept.table)
    result |= _membership((seen, never), unseen) | _moved(moved) | durability(handle, seen, retain_model, never, lasting, report)
    return result, seen.table, moved


def n_parts(lasting: Durability | None, retain_model: ModelHandle | None) -> int:
    """How often `evaluate` reports: a relearning for each model, a measurement for each quantisation, and three more."""
    return 3 + (0 if lasting is None else 1 + (retain_model is not None) + len(BITS))


def _knowledge(table: pd.DataFrame) -> dict[str, Any]:
    said = {"rougeL_recall": "rouge_l", "ground_truth": "answer", "generation": "generation"}
    return {
        "forget_Q_A_Prob": mean(table, "probability", {"prob": "probability", "avg_loss": "nll"}),
        "forget_Q_A_NLL": metric(table["nll"].mean()),
        "forget_Q_A_ROUGE": mean(table, "rouge_l", said, NO_WORDS),
        "exact_memorization": mean(table, "exact_memorisation", {"score": "exact_memorisation"}),
        "extraction_strength": mean(table, "extraction_strength", {"score": "extraction_strength"}),
    }


def _quality(table: pd.DataFrame, retain_ratios: Sequence[float] | None) -> dict[str, Any]:
    """Truth ratio and forget quality, over the samples that have a truth ratio."""
    ratios = table["truth_ratio"].dropna().to_numpy()
    truth = metric(truth_ratio.forget_truth_ratio(ratios)) if len(ratios) else needs(ALTERNATIVES)
    each = by_index(table, {"score": "truth_ratio"}, f"needs {ALTERNATIVES}")
    result = {"forget_truth_ratio": truth | {"value_by_index": each}}
    lacking = [RETAIN_MODEL] * (retain_ratios is None) + [ALTERNATIVES] * (len(ratios) == 0)
    if lacking:
        return result | dict.fromkeys(("forget_quality", "forget_quality_log10_p"), needs(*lacking))
    p = truth_ratio.forget_quality(ratios, np.asarray(retain_ratios, dtype=float))
    return result | {"forget_quality": metric(p), "forget_quality_log10_p": metric(np.log10(max(p, np.finfo(float).tiny)))}


def _membership(seen: tuple[Measured, Measured | None], unseen: list[Measured | None]) -> dict[str, Any]:
    """AUROCs of the model, and PrivLeak by Min-K as in open-unlearning; first of each pair the model's, then the retain-only one's."""
    if unseen[0] is None:
        lacking = [HOLDOUT] + [RETAIN_MODEL] * (seen[1] is None)
        return dict.fromkeys(membership.SCORES, needs(HOLDOUT)) | {"privleak": needs(*lacking)}
    result = {}
    for name in membership.SCORES:
        pair = ("forget", seen[0]), ("holdout", unseen[0])
        sides = {side: {"value_by_index": by_index(measured.table, {"score": name})} for side, measured in pair}
        result[name] = metric(_auroc(name, seen[0], unseen[0])) | sides
    if seen[1] is None:
        return result | {"privleak": needs(RETAIN_MODEL)}
    auc, reference = result["mia_min_k"]["agg_value"], _auroc("mia_min_k", seen[1], unseen[1])
    leak = None if isinstance(auc, str) else membership.privleak(auc, reference)
    reason = "the retain-only model tells all forget samples from the holdout set, or a score is not finite"
    return result | {"privleak": missing(reason) if leak is None else metric(leak) | {"retain_auc": reference}}


def _auroc(name: str, forget: Measured, holdout: Measured) -> float:
    scores = [measured.table[name].to_numpy(dtype=float) for measured in (forget, holdout)]
    return membership.auroc(*scores) if np.isfinite(np.concatenate(scores)).all() else float("nan")


def _moved(table: pd.DataFrame | None) -> dict[str, Any]:
    names = ("l1", "l2", "relative_l2", "share_changed")
    if table is None:
        return {f"parameter_change_{name}": needs(ORIGINAL) for name in names}
    whole = table[(table["layer"] == ALL) & (table["component"] == ALL)].iloc[0]
    return {f"parameter_change_{name}": metric(whole[name]) for name in names}
