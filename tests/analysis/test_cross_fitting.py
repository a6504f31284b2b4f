"""CUD's invariants, and that no sample's own outcome touches its score."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from analysis.circuit import select
from analysis.cross_fitting import CudConfig, cross_fitted, cud, edge_vectors, folds
from analysis.graph import GraphIndex

INDEX = GraphIndex(2, 2, 2, 8)
N = 24
KINDS = st.sampled_from(["cosine", "jaccard", "hamming"])
EASY, HARD = np.array([[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0]], dtype=bool)


def made_set(seed: int):
    """Random scores, halves, and losses of two methods on N samples."""
    rng = np.random.default_rng(seed)
    scores = (rng.normal(size=(N, *INDEX.real_edges.shape)) * INDEX.real_edges).astype(np.float32)
    return scores, folds(N, seed), pd.DataFrame({"A": rng.random(N), "B": rng.random(N)}), rng.random(N)


SETTINGS = st.builds(
    dict, n_edges=st.integers(5, 20), n_anchors=st.integers(1, 6), similarity=KINDS, weighted=st.booleans(),
    label=st.sampled_from(["loss", "increase"]), methods=st.sampled_from([(), ("A",), ("B", "A")]),
)


def vectors(seed: int, weighted: bool, n: int = 6) -> np.ndarray:
    values = np.random.default_rng(seed).normal(size=(n, 20))
    return values if weighted else values > 0.3


def test_cud_by_hand_and_with_anchors_swapped():
    sample = np.array([[1, 0, 1, 1, 0, 0, 0, 0]], dtype=bool)  # 3 edges: overlap 2 of 3 with each anchor's 3
    skewed = np.array([[1, 1, 1, 0, 0, 0, 1, 0]], dtype=bool)  # 4 edges: 3 shared with easy, 1 with hard
    assert cud(sample, EASY, HARD) == pytest.approx([0.5])
    to_easy, to_hard = 1 - 3 / np.sqrt(12), 1 - 1 / np.sqrt(12)
    assert cud(skewed, EASY, HARD) == pytest.approx([to_easy / (to_easy + to_hard)])
    assert cud(skewed, HARD, EASY) == pytest.approx(1 - cud(skewed, EASY, HARD))
    assert cud(skewed, EASY, HARD, "jaccard") == pytest.approx([(1 / 4) / (1 / 4 + 5 / 6)])
    assert cud(skewed, EASY, HARD, "hamming") == pytest.approx([1 / (1 + 5)])


@given(st.integers(0, 10**6), KINDS, st.booleans(), st.floats(1e-3, 1e3))
def test_cud_of_any_vectors(seed, kind, weighted, factor):
    """0 at the easy anchor, 1 at the hard one, 0.5 where they coincide; 1 - s swapped; no scale; permuted with the samples."""
    rows = vectors(seed, weighted)
    easy, hard = rows[0], rows[1]
    assume(easy.any() and hard.any() and not np.array_equal(easy, hard))  # else there are no two ends, and 0.5 is right
    score = cud(rows, easy, hard, kind)
    assert score[:2] == pytest.approx([0, 1], abs=1e-6)
    assert ((score >= 0) & (score <= 1)).all()
    assert cud(rows, hard, easy, kind) == pytest.approx(1 - score)
    assert cud(rows, easy, easy, kind) == pytest.approx(np.full(6, 0.5), abs=1e-6)
    order = np.random.default_rng(seed).permutation(6)
    assert cud(rows[order], easy, hard, kind) == pytest.approx(score[order])
    if weighted:
        assert cud(rows * factor, easy * 7, hard, kind) == pytest.approx(score, abs=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 10))
def test_binary_circuits_of_equal_size_have_one_closed_form_by_cosine_and_by_hamming(seed, k):
    rng = np.random.default_rng(seed)
    easy, hard, sample = (rng.permutation([True] * k + [False] * (20 - k)) for _ in range(3))
    with_easy, with_hard = int((sample & easy).sum()), int((sample & hard).sum())
    assume(with_easy + with_hard < 2 * k)
    expected = [(k - with_easy) / (2 * k - with_easy - with_hard)]
    assert cud(sample[None], easy, hard, "cosine") == pytest.approx(expected)
    assert cud(sample[None], easy, hard, "hamming") == pytest.approx(expected)


def test_halves_are_random_but_repeatable():
    fold = folds(101, 0)
    assert np.bincount(fold).tolist() == [50, 51]
    assert np.array_equal(fold, folds(101, 0))
    assert not np.array_equal(fold, folds(101, 1))


def test_each_half_is_scored_by_the_others_anchors():
    """Against the steps written out by hand."""
    scores, fold, losses, base = made_set(0)
    fitted = cross_fitted(scores, INDEX, fold, losses, base, CudConfig(12, 3, "cosine", False, methods=("A",)))
    expected = np.empty(N)
    for half in (0, 1):
        ranked = losses["A"][fold == half].sort_values(ascending=False).index.to_numpy()
        assert sorted(fitted.anchors[half][0]) == sorted(ranked[:3])
        assert sorted(fitted.anchors[half][1]) == sorted(ranked[-3:])
        easy, hard = (select(scores[side].mean(0), INDEX, 12).ravel() for side in (ranked[:3], ranked[-3:]))
        for row in np.flatnonzero(fold != half):
            mine = select(scores[row], INDEX, 12).ravel()
            to_easy, to_hard = (1 - (mine & end).sum() / np.sqrt(mine.sum() * end.sum()) for end in (easy, hard))
            expected[row] = to_easy / (to_easy + to_hard)
    assert fitted.cud == pytest.approx(expected)


def test_the_anchor_circuit_comes_from_the_mean_matrix_not_from_a_union():
    index = GraphIndex(1, 1, 1, 4)
    scores = np.zeros((8, index.n_forward, index.n_backward))
    scores[:, 0, -1] = 3  # input->logits
    scores[[0, 1], 2, -1], scores[:, 0, 3] = [5, -5], 0.1  # m0->logits cancels in the mean of the easy anchors 0 and 1
    fold = np.array([0] * 4 + [1] * 4)
    losses = pd.DataFrame({"A": [9.0, 8, 1, 2] * 2})
    given = cross_fitted(scores, index, fold, losses, np.zeros(8), CudConfig(1, 2, "cosine", False))
    assert set(given.anchors[0][0]) == {0, 1}
    assert given.cud[4:] == pytest.approx(np.full(4, 0.5))  # like both anchors: input->logits alone


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), SETTINGS, st.floats(-3, 3))
def test_a_samples_own_outcome_never_touches_its_score(seed, options, outcome):
    scores, fold, losses, base = made_set(seed)
    config = CudConfig(**options)
    row = seed % N
    changed = losses.copy()
    changed.loc[row] = outcome
    before, after = (cross_fitted(scores, INDEX, fold, table, base, config) for table in (losses, changed))
    own = fold == fold[row]
    assert np.array_equal(before.cud[own], after.cud[own])
    assert before.anchors[1 - fold[row]] == after.anchors[1 - fold[row]]


def test_a_samples_outcome_does_move_the_other_half():
    scores, fold, losses, base = made_set(1)
    row = int(np.flatnonzero(fold == 0)[0])
    changed = losses.copy()
    changed.loc[row] = 99.0  # now the easiest of all
    before, after = (cross_fitted(scores, INDEX, fold, table, base, CudConfig(12, 3)) for table in (losses, changed))
    assert row not in before.anchors[0][0] and row in after.anchors[0][0]
    assert not np.allclose(before.cud[fold == 1], after.cud[fold == 1])
    assert np.array_equal(before.cud[fold == 0], after.cud[fold == 0])


@pytest.mark.slow
@settings(max_examples=25)
@given(st.integers(0, 10**6), SETTINGS)
def test_permuting_samples_permutes_scores_and_anchors(seed, options):
    """With one method: among several, samples of equal votes and mean rank go by row."""
    scores, fold, losses, base = made_set(seed)
    config = CudConfig(**options | {"methods": ("A",)})
    order = np.random.default_rng(seed + 1).permutation(N)
    fitted = cross_fitted(scores, INDEX, fold, losses, base, config)
    moved = cross_fitted(scores[order], INDEX, fold[order], losses.iloc[order], base[order], config)
    assert moved.cud == pytest.approx(fitted.cud[order], abs=1e-6)  # means are summed in another order
    for sides, again in zip(fitted.anchors, moved.anchors, strict=True):
        for side, other in zip(sides, again, strict=True):
            assert sorted(order[other]) == sorted(side)


def test_circuits_at_hand_save_the_selection_and_change_nothing():
    scores, fold, losses, base = made_set(2)
    circuits = np.stack([select(row, INDEX, 10) for row in scores])
    config = CudConfig(10, 4, "jaccard", weighted=True)
    first = cross_fitted(scores, INDEX, fold, losses, base, config)
    assert np.array_equal(first.cud, cross_fitted(scores, INDEX, fold, losses, base, config, circuits).cud)
    other = np.stack([select(row, INDEX, 5) for row in scores])
    assert not np.array_equal(first.cud, cross_fitted(scores, INDEX, fold, losses, base, config, other).cud)


def test_the_increase_of_the_loss_is_another_label_than_the_loss():
    scores, fold, losses, _ = made_set(3)
    base = losses["A"].to_numpy() - 1 + np.arange(N) / 100  # the increase falls with the row, whatever the loss
    by_increase = cross_fitted(scores, INDEX, fold, losses, base, CudConfig(10, 2, label="increase", methods=("A",)))
    assert sorted(by_increase.anchors[0][0]) == np.flatnonzero(fold == 0)[:2].tolist()
    by_loss = cross_fitted(scores, INDEX, fold, losses, base, CudConfig(10, 2, methods=("A",)))
    assert sorted(by_loss.anchors[0][0]) == sorted(losses["A"][fold == 0].nlargest(2).index)


def test_weighted_vectors_are_the_signed_scores_of_the_circuits_real_edges():
    scores, *_ = made_set(4)
    circuits = np.stack([select(row, INDEX, 10) for row in scores])
    weighted, binary = (edge_vectors(scores, circuits, INDEX, weighted=flag) for flag in (True, False))
    assert binary.dtype == bool and weighted.shape == binary.shape == (N, int(INDEX.real_edges.sum()))
    assert np.array_equal(weighted != 0, binary)
    assert weighted[0].sum() == pytest.approx(scores[0][circuits[0]].sum(), abs=1e-5)


def test_what_cannot_be_done_is_refused():
    scores, fold, losses, base = made_set(0)
    with pytest.raises(ValueError, match="methods: expected some of A, B, got C"):
        cross_fitted(scores, INDEX, fold, losses, base, CudConfig(10, 2, methods=("C",)))
    with pytest.raises(ValueError, match="need 14 samples, got 12"):
        cross_fitted(scores, INDEX, fold, losses, base, CudConfig(10, 7))
    with pytest.raises(ValueError, match="n_edges must be at least 1, got 0"):
        CudConfig(0)
