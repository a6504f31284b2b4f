"""A made-up study in which circuits carry a planted difficulty, for tests of what predicts it."""

import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import atomic, store
from analysis.circuit import Circuit, select
from analysis.cross_fitting import CudConfig, cross_fitted, folds
from analysis.graph import GraphIndex

INDEX = GraphIndex(3, 2, 2, 8)
CONFIG = CudConfig(n_edges=20, n_anchors=6)
METHODS = ("NPO", "RMU")


def planted_study(results: Path, n: int = 80, seed: int = 0, ids: list[str] | None = None) -> Path:
    """scores/, circuits/ and runs/ in the format of the commands. A hard sample's score mass lies late; MRD and baselines are noise.

    The question template (one of four) says nothing about difficulty. Returns `results`.
    """
    rng = np.random.default_rng(seed)
    hardness = rng.permutation(n) / n
    ids = ids or [f"id{row:03}" for row in range(n)]
    late = (INDEX.backward_layers - 1.5)[None, :] * (hardness - 0.5)[:, None]
    scores = rng.gamma(1.0, 1.0, (n, *INDEX.real_edges.shape)) * np.exp(2 * late)[:, None, :] * INDEX.real_edges
    scores = scores.astype(np.float32)
    circuits = [Circuit(name, "f" * 16, INDEX, row, select(row, INDEX, CONFIG.n_edges)) for name, row in zip(ids, scores, strict=True)]
    losses = pd.DataFrame({m: 3 - 2 * hardness + rng.normal(0, 0.1, n) for m in METHODS})
    base, fold = rng.gamma(1.0, 0.01, n), folds(n, seed)
    fitted = cross_fitted(scores, INDEX, fold, losses, base, CONFIG)
    frame = pd.DataFrame({
        "sample_id": ids, "row": range(n), "question": [f"Question {i}?" for i in range(n)], "answer": "Answer",
        "n_answer_tokens": rng.integers(2, 12, n), "base_nll": base, "token_frequency": rng.normal(size=n),
        "template": [f"What of {i % 4}?" for i in range(n)], "fold": fold, "cud": fitted.cud, "cud_role": "scored",
        "mrd": rng.gamma(1.0, 1.0, n), "mrd_stderr": 0.01,
    })
    frame = frame.assign(rank_cud=frame["cud"].rank(ascending=False), rank_mrd=frame["mrd"].rank())
    atomic.write_csv(results / "scores" / "scores.csv", frame)
    anchor_losses = {m: dict(zip(ids, losses[m].tolist(), strict=True)) for m in METHODS}
    atomic.write_json(results / "scores" / "scores.json", {"config": {"cud": asdict(CONFIG)}, "anchor_losses": anchor_losses})
    store.write_circuits(results / "circuits", circuits, {"n_edges": CONFIG.n_edges, "ablation": "zero"})
    for method in METHODS:
        write_run(results / "runs" / method.lower(), ids, 3 - 2 * hardness + rng.normal(0, 0.1, n), method)
    return results


def write_run(folder: Path, ids: list[str], nll: np.ndarray, method: str) -> None:
    frame = pd.DataFrame({"sample_id": ids, "row": range(len(ids)), "nll_before": 0.0, "nll_after": nll})
    frame = frame.assign(probability_before=1.0, probability_after=[math.exp(-v) for v in nll])
    atomic.write_csv(folder / "samples.csv", frame.assign(forgotten_epoch=pd.array([None] * len(ids), "Int64")))
    atomic.write_bytes(folder / "config.yaml", f"method: {method}\nlearning_rate: 0.0001\nn_epochs: 2\nseed: 0\n".encode())
    atomic.write_json(folder / "manifest.json", {"summary": {}})
