"""CUD's vote-and-fill rule on rank tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from analysis.anchors import anchor_circuit, anchor_pool, consensus
from analysis.circuit import select
from analysis.graph import GraphIndex

LOSSES = pd.DataFrame(  # higher loss after unlearning = easier
    {"A": [9, 8, 7, 3, 2, 1], "B": [9, 7, 8, 3, 1, 2], "C": [9, 1, 8, 7, 2, 3]}, index=list("uvwxyz"), dtype=float
)


def test_votes_come_before_mean_rank():
    easy, hard = consensus(LOSSES, 2)
    assert easy == ["u", "w"]  # u: 3 votes; w: 2 (B, C), v: 1
    assert hard == ["y", "z"]  # y: 3 votes (A, B, C); z: 2 (A, B), v: 1 (C)


def test_equal_votes_go_by_mean_rank_then_by_row():
    uneven = pd.DataFrame({"A": [4.0, 3, 2, 1], "B": [2.0, 4, 3, 1]}, index=list("abcd"))
    assert consensus(uneven, 1) == (["b"], ["d"])  # a and b have one vote each; mean easy ranks 2 and 1.5
    split = pd.DataFrame({"A": [4.0, 3, 2, 1], "B": [1.0, 2, 3, 4]}, index=list("abcd"))
    easy, hard = consensus(split, 1)
    assert easy == ["a"]  # a and d have one vote each and the same mean rank: the first row wins
    assert hard == ["b"]  # a again, which is easy already; the refill goes by mean rank, where all are equal


def test_easy_wins_an_overlap_and_hard_is_refilled_by_mean_hard_rank():
    losses = pd.DataFrame({"A": [4.0, 3, 2, 1], "B": [1.0, 3.5, 2, 4]}, index=list("abcd"))
    easy, hard = consensus(losses, 1)
    assert (easy, hard) == (["a"], ["c"])  # hard ranks: a 4, 1; b 3, 3; c 2, 2; d 1, 4


def test_sides_never_overlap_and_a_small_set_is_refused():
    rng = np.random.default_rng(0)
    for _ in range(100):
        easy, hard = consensus(pd.DataFrame(rng.random((10, 4))), 5)
        assert sorted(easy + hard) == list(range(10))
    with pytest.raises(ValueError, match="need 8 samples, got 6"):
        consensus(LOSSES, 4)


def test_the_pool_is_half_of_the_set_and_depends_on_the_seed():
    pool = anchor_pool(101, 0)
    assert len(set(pool)) == 50
    assert (np.diff(pool) > 0).all()
    assert not np.array_equal(pool, anchor_pool(101, 1))


def test_the_anchor_circuit_comes_from_the_mean_matrix_not_from_a_union():
    index = GraphIndex(1, 1, 1, 4)
    a, b = np.zeros((2, index.n_forward, index.n_backward))
    a[0, -1], b[0, -1], a[2, -1], b[2, -1] = 3, 3, 5, -5  # m0->logits cancels in the mean
    circuit = anchor_circuit([a, b], index, 1)
    assert circuit[0, -1]
    assert not select(a, index, 1)[0, -1]
