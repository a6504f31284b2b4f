"""Ranks in words count from the nearer end."""

import pandas as pd
import pytest

from components import sample_picker

RANKS = pd.Series([1, 2, 3, 4, None])


@pytest.mark.parametrize(("rank", "words"), [
    (1, "hardest 1 of 4"), (2, "hardest 2 of 4"), (3, "easiest 2 of 4"), (4, "easiest 1 of 4"), (1.5, "hardest 1 of 4"),
    (3.5, "easiest 1 of 4"), (float("nan"), "not computed"),
])
def test_rank_in_words(rank, words):
    assert sample_picker.rank_in_words(RANKS, rank) == words


def test_ranked_keeps_known_samples_and_adds_the_outcome():
    scores = pd.DataFrame({"sample_id": ["a", "b", "c"], "rank_cud": [1, 2, 3]})
    assert "rank_outcome" not in sample_picker.ranked(scores, {"a", "c"}, None)
    table = sample_picker.ranked(scores, {"a", "c"}, pd.Series({"a": 7.5, "c": 2.5}))
    assert table["sample_id"].tolist() == ["a", "c"] and table["rank_outcome"].tolist() == [2, 1]
