"""CUD of a whole forget set by cross-fitting: each half's anchors score the other half, so that every sample gets a score that its
own unlearning did not touch. Plain numpy, so that pages need no torch."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis.anchors import consensus
from analysis.circuit import select
from analysis.graph import GraphIndex
from analysis.similarity import Kind, similarity

AllCircuits = Bool[np.ndarray, "n_samples n_forward n_backward"]
N_ANCHORS = 12  # on each side, from each half; `score --n-anchors`
AllScores = Float[np.ndarray, "n_samples n_forward n_backward"]


@dataclass(frozen=True)
class CudConfig:
    """What CUD depends on beside edge scores and losses.

    `n_anchors` on each side, from each half; `n_edges` of every circuit, the anchors' included. `label` is what makes a sample
    easy: a high answer NLL after unlearning, or a large increase of it. `methods`: whose runs vote, () = all (consensus), one
    name = that method's own anchors.

    The released default is the cosine of binary circuits. Ours is weighted Jaccard, chosen on a world that was tried before the
    embedded one was drawn; `validity` compares them all.
    """

    n_edges: int
    n_anchors: int = N_ANCHORS
    similarity: Kind = "jaccard"
    weighted: bool = True
    label: Literal["loss", "increase"] = "loss"
    methods: tuple[str, ...] = ()

    def __post_init__(self):
        for name in ("n_edges", "n_anchors"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class CrossFitted:
    """`anchors[f]` = (rows of the easy, rows of the hard anchors), drawn from half f; they score the samples of the OTHER half."""

    cud: Float[np.ndarray, " n_samples"]
    anchors: tuple[tuple[list[int], list[int]], tuple[list[int], list[int]]]


def folds(n_samples: int, seed: int) -> Int[np.ndarray, " n_samples"]:
    """Half (0 or 1) of each sample, at random; half 1 has one more where the number is odd."""
    fold = np.ones(n_samples, dtype=int)
    fold[np.random.default_rng(seed).permutation(n_samples)[: n_samples // 2]] = 0
    return fold


def cross_fitted(
    scores: AllScores, index: GraphIndex, fold: Int[np.ndarray, " n_samples"], losses: pd.DataFrame,
    base_nll: Float[np.ndarray, " n_samples"], config: CudConfig, circuits: AllCircuits | None = None,
) -> CrossFitted:
    """CUD of every sample against the anchors of the other half.

    `losses`: one row per sample in order, one column per method: the answer NLL after that method has unlearned the sample's own
    half alone; the other half took no part. So sample i's losses move the scores of the other half, never its own.
    `circuits`: `select(scores[i], index, config.n_edges)` of each sample, where it is at hand: making them is what takes time.
    Raises ValueError if a half has fewer than 2 * n_anchors samples, or a method has no column.
    """
    unknown = sorted(set(config.methods) - set(losses))
    if unknown:
        raise ValueError(f"methods: expected some of {', '.join(losses)}, got {', '.join(unknown)}")
    label = losses[list(config.methods) or list(losses)].reset_index(drop=True)
    if config.label == "increase":
        label = label.sub(base_nll, axis=0)
    if circuits is None:
        circuits = np.stack([select(row, index, config.n_edges) for row in scores])
    vectors = edge_vectors(scores, circuits, index, weighted=config.weighted)
    values, anchors = np.empty(len(scores)), []
    for half in (0, 1):
        sides = consensus(label[fold == half], config.n_anchors)
        means = np.stack([scores[rows].mean(axis=0) for rows in sides])  # an anchor is ONE mean matrix, then a circuit
        kept = np.stack([select(mean, index, config.n_edges) for mean in means])
        easy, hard = edge_vectors(means, kept, index, weighted=config.weighted)
        values[fold != half] = cud(vectors[fold != half], easy, hard, config.similarity)
        anchors.append(sides)
    return CrossFitted(values, (anchors[0], anchors[1]))


def edge_vectors(scores: AllScores, circuits: AllCircuits, index: GraphIndex, *, weighted: bool) -> np.ndarray:
    """Each circuit as a vector over the graph's real edges: bool, or with `weighted` its scores (signed), 0 off the circuit."""
    return (np.where(circuits, scores, 0.0) if weighted else circuits)[:, index.real_edges]


def cud(vectors: np.ndarray, easy: np.ndarray, hard: np.ndarray, kind: Kind = "cosine") -> Float[np.ndarray, " n_samples"]:
    """Circuit-guided unlearning difficulty, arXiv 2601.09624: d(C, easy) / (d(C, easy) + d(C, hard)), d = max(0, 1 - similarity).

    Vectors as `edge_vectors` gives them, one row per sample; an anchor is one vector. 0 = like the easy anchor circuit, 1 = like
    the hard one; 0.5 where both distances vanish.
    """
    to_easy, to_hard = (np.maximum(0.0, 1 - similarity(vectors, end[None, :], kind)) for end in (easy, hard))
    total = to_easy + to_hard
    return np.where(total > 1e-12, to_easy / np.where(total > 1e-12, total, 1), 0.5)
