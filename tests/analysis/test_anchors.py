"""CUD's vote-and-fill rule: on rank tables made by hand, and against the rule written out literally."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.anchors import consensus

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


def test_a_small_set_is_refused():
    with pytest.raises(ValueError, match="need 8 samples, got 6"):
        consensus(LOSSES, 4)
    with pytest.raises(ValueError, match="0 easy and 0 hard"):
        consensus(LOSSES, 0)


@st.composite
def tables(draw) -> tuple[list[list[float]], int]:
    """Losses of n samples under m methods, coarse enough that ties and overlaps are common, and a number of anchors."""
    n_samples, n_methods = draw(st.integers(2, 12)), draw(st.integers(1, 5))
    row = st.lists(st.integers(0, draw(st.sampled_from([2, 5, 100]))).map(float), min_size=n_methods, max_size=n_methods)
    return draw(st.lists(row, min_size=n_samples, max_size=n_samples)), draw(st.integers(1, n_samples // 2))


def literal_rule(losses: list[list[float]], n: int, min_appearances: int) -> tuple[list[int], list[int]]:
    """The rule step by step, in plain Python; samples by row, ties by row."""
    rows, methods = range(len(losses)), range(len(losses[0]))

    def ranks(method: int, sign: int) -> dict[int, int]:  # 1 = most extreme
        return {row: place for place, row in enumerate(sorted(rows, key=lambda r: (sign * losses[r][method], r)), 1)}

    def ordered(sign: int) -> tuple[list[int], dict[int, int], dict[int, float]]:
        by_method = [ranks(method, sign) for method in methods]
        votes = {row: sum(places[row] <= n for places in by_method) for row in rows}
        mean_rank = {row: sum(places[row] for places in by_method) / len(by_method) for row in rows}
        return sorted(rows, key=lambda r: (-votes[r], mean_rank[r], r)), votes, mean_rank

    def vote_and_fill(sign: int) -> tuple[list[int], dict[int, float]]:
        order, votes, mean_rank = ordered(sign)
        kept = [row for row in order if votes[row] >= min_appearances][:n]
        return kept + [row for row in order if row not in kept][: n - len(kept)], mean_rank

    easy, _ = vote_and_fill(-1)  # a high loss is easy
    hard, mean_rank = vote_and_fill(1)
    hard = [row for row in hard if row not in easy]
    spare = sorted((row for row in rows if row not in easy + hard), key=lambda r: (mean_rank[r], r))
    return easy, hard + spare[: n - len(hard)]


@given(tables(), st.data())
def test_it_is_the_rule_written_out_whatever_the_least_number_of_votes(table, data):
    losses, n = table
    least = data.draw(st.integers(1, len(losses[0])) | st.just(-(-len(losses[0]) // 2)))
    assert consensus(pd.DataFrame(losses), n) == literal_rule(losses, n, least)


@given(tables())
def test_sides_have_n_samples_each_and_share_none(table):
    losses, n = table
    easy, hard = consensus(pd.DataFrame(losses), n)
    assert len(easy) == len(hard) == n == len(set(easy + hard)) / 2


@pytest.mark.slow
@given(tables())
def test_only_the_order_of_losses_counts_and_not_that_of_methods(table):
    losses, n = table
    frame = pd.DataFrame(losses, index=[f"s{row}" for row in range(len(losses))])
    easy, hard = consensus(frame, n)
    assert consensus(np.exp(frame / 50) - 7, n) == (easy, hard)
    assert consensus(frame[frame.columns[::-1]], n) == (easy, hard)


@given(st.permutations(range(8)), st.permutations(range(8)), st.integers(1, 4))
def test_permuting_samples_permutes_the_anchors_of_a_method(losses, order, n):
    frame = pd.DataFrame({"A": [float(v) for v in losses]})
    assert consensus(frame.iloc[order], n) == consensus(frame, n)
    easy, hard = consensus(frame, n)
    assert set(frame["A"][easy]) == set(range(8 - n, 8)) and set(frame["A"][hard]) == set(range(n))


@given(tables())
def test_one_clear_favourite_of_all_methods_is_always_chosen(table):
    """The control of the above: the rule does listen to the losses."""
    losses, n = table
    frame = pd.DataFrame([*losses, [1e3] * len(losses[0]), [-1e3] * len(losses[0])])
    easy, hard = consensus(frame, n)
    assert easy[0] == len(losses) and hard[0] == len(losses) + 1
