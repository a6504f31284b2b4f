"""Similarities of edge vectors by hand, and what must hold for any two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis.similarity import similarity

KINDS = ("cosine", "jaccard", "hamming")
A, B = np.array([1, 1, 1, 0, 0], dtype=bool), np.array([0, 1, 1, 1, 0], dtype=bool)
P, Q = np.array([2.0, -1, 1, 0]), np.array([1.0, 1, 0, 2])  # |.| as shares: .5 .25 .25 0 and .25 .25 0 .5
VECTORS = hnp.arrays(np.float64, 12, elements=st.floats(-5, 5).map(lambda v: round(v, 3)))


def test_binary_by_hand():
    assert similarity(A, B, "cosine") == pytest.approx(2 / 3)
    assert similarity(A, B, "jaccard") == pytest.approx(2 / 4)
    assert similarity(A, B, "hamming") == pytest.approx(1 - 2 / 5)


def test_weighted_by_hand():
    assert similarity(P, Q, "cosine") == pytest.approx((2 - 1) / 6)  # the second edge supports one answer and opposes the other
    assert similarity(P, Q, "jaccard") == pytest.approx((0.25 + 0.25) / (0.5 + 0.25 + 0.25 + 0.5))
    assert similarity(P, Q, "hamming") == pytest.approx(1 - (0.25 + 0 + 0.25 + 0.5) / 2)
    assert similarity(P, -P, "cosine") == pytest.approx(-1)
    assert similarity(P, -P, "jaccard") == similarity(P, -P, "hamming") == pytest.approx(1)


def test_an_empty_circuit_is_like_nothing():
    for empty, other in ((np.zeros(5, bool), A), (np.zeros(4), P)):
        assert similarity(empty, other, "cosine") == similarity(empty, other, "jaccard") == 0.0


@given(VECTORS, VECTORS, st.sampled_from(KINDS), st.booleans())
def test_for_any_two_it_is_symmetric_bounded_and_one_with_itself(p, q, kind, binary):
    a, b = (p > 0, q > 0) if binary else (p, q)
    value = similarity(a, b, kind)
    assert value == pytest.approx(similarity(b, a, kind))
    assert (-1 if kind == "cosine" else 0) - 1e-9 <= value <= 1 + 1e-9
    if a.any():
        assert similarity(a, a, kind) == pytest.approx(1)


@given(VECTORS, VECTORS, st.sampled_from(KINDS), st.floats(1e-3, 1e3))
def test_the_scale_of_weights_does_not_count(p, q, kind, factor):
    assert similarity(p * factor, q, kind) == pytest.approx(similarity(p, q, kind), abs=1e-9)


@given(hnp.arrays(np.float64, (3, 12), elements=st.floats(-5, 5)), VECTORS, st.sampled_from(KINDS))
def test_many_at_once_are_one_by_one(rows, q, kind):
    assert similarity(rows, q[None, :], kind) == pytest.approx([similarity(row, q, kind) for row in rows])
