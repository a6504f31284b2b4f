"""Edge scores and MRD that a workspace keeps: what was computed once, also by a run that was killed, is read instead.

Edge scores are kept sample by sample, as they are done. A sample's scores do not depend on the others beyond rounding, so they serve
another forget set, another number of edges and another selection rule too. `cache` None: nothing is read or kept.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis import attribution, facts, objects
from analysis.attribution import AttributionConfig
from analysis.model import ModelHandle
from analysis.mrd import MrdScores, mrd
from analysis.tokens import TokenBatch

SCORES, MRD = "edge-scores", "mrd"
USED = ("estimator", "sigma", "n_pairs", "settled")
CODE = {
    SCORES: ("ablation", "attribution", "blocks", "exact", "faithfulness", "graph", "interpolation", "losses", "taps", "writes"),
    MRD: ("estimators", "evaluation", "losses", "mrd", "perturbation", "precision", "statistics", "sweep"),
}


def edge_scores(
    handle: ModelHandle, batch: TokenBatch, config: AttributionConfig, cache: Path | None, *, reference: TokenBatch | None,
    corrupted: TokenBatch | None, memory_budget: int, report: Callable[[int, int], None],
) -> Float[np.ndarray, "n_samples n_forward n_backward"]:
    """As `attribution.edge_scores`; `report` counts what was kept as done."""
    settings = {"reference": batch if reference is None else reference, "memory_budget": memory_budget}
    if cache is None:
        return attribution.edge_scores(handle, batch, config, corrupted=corrupted, report=report, **settings)
    about = scores_facts(handle, batch, config, settings["reference"], corrupted)
    kept = [_kept_scores(handle, cache, fact) for fact in about]
    missing = [row for row, scores in enumerate(kept) if scores is None]
    objects.touch(cache, SCORES, [fact for fact, scores in zip(about, kept, strict=True) if scores is not None])

    def keep(rows: list[int], found: np.ndarray) -> None:
        for row, scores in zip(rows, found, strict=True):
            kept[missing[row]] = scores
            _keep_scores(handle, cache, about[missing[row]], scores)

    if missing:
        n_before = len(batch) - len(missing)
        attribution.edge_scores(
            handle, batch.select(missing), config, corrupted=corrupted and corrupted.select(missing), keep=keep,
            report=lambda done, _: report(n_before + done, len(batch)), **settings,
        )
    return np.stack(kept)


def scores_facts(
    handle: ModelHandle, batch: TokenBatch, config: AttributionConfig, reference: TokenBatch, corrupted: TokenBatch | None
) -> list[dict[str, Any]]:
    """All that decides each sample's edge scores: of the reference set under mean ablation, of the corrupted prompt under patching."""
    common = facts.of_model(handle) | {"config": asdict(config), "code": facts.of_code(CODE[SCORES])}
    if config.ablation == "mean":
        common["reference"] = facts.of_tokens(reference)
    others = {"corrupted": corrupted} if config.ablation == "patching" and corrupted is not None else {}
    sets = {"sample": batch} | others
    return [common | {name: facts.of_tokens(part.select([row])) for name, part in sets.items()} for row in range(len(batch))]


def _kept_scores(handle: ModelHandle, cache: Path, fact: dict[str, Any]) -> np.ndarray | None:
    from safetensors.numpy import load

    files = objects.get(cache, SCORES, fact)
    if files is None:
        return None
    real = handle.index.real_edges
    edges = load(files["scores.safetensors"])["scores"]
    scores = np.zeros(real.shape, edges.dtype)
    scores[real] = edges
    return scores


def _keep_scores(handle: ModelHandle, cache: Path, fact: dict[str, Any], scores: np.ndarray) -> None:
    from safetensors.numpy import save

    objects.put(cache, SCORES, fact, {"scores.safetensors": save({"scores": scores[handle.index.real_edges]})}, handle.name)


def removal_difficulty(
    handle: ModelHandle, batch: TokenBatch, cache: Path | None, report: Callable[[int, int], None], **settings: Any
) -> MrdScores:
    """As `mrd.mrd` with these settings, of all samples of the batch at once."""
    if cache is None:
        return mrd(handle.model, batch, report=report, **settings)
    code = facts.of_code(CODE[MRD])
    fact = facts.of_model(handle) | {"samples": facts.of_tokens(batch), "settings": settings, "code": code}
    files = objects.get(cache, MRD, fact)
    if files is not None:
        objects.touch(cache, MRD, [fact])
        return _mrd_of(files)
    found = mrd(handle.model, batch, report=report, **settings)
    objects.put(cache, MRD, fact, _files_of(found), handle.name)
    return found


def _files_of(found: MrdScores) -> dict[str, bytes]:
    sweep = None if found.sweep is None else found.sweep.to_dict("list")
    used = {name: getattr(found, name) for name in USED} | {"sweep": sweep}
    table = pd.DataFrame({"value": found.value, "stderr": found.stderr})
    return {"mrd.parquet": objects.table_bytes(table), "used.json": json.dumps(used).encode()}


def _mrd_of(files: dict[str, bytes]) -> MrdScores:
    table, used = objects.table(files["mrd.parquet"]), json.loads(files["used.json"])
    sweep = None if used["sweep"] is None else pd.DataFrame(used["sweep"])
    return MrdScores(table["value"].to_numpy(), table["stderr"].to_numpy(), **used | {"sweep": sweep})
