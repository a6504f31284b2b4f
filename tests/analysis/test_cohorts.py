"""Cohorts by rank: sizes, missing ranks, and ranks that tell nobody apart."""

import numpy as np
import pandas as pd
import pytest

from analysis.cohorts import cohorts


def test_the_first_ranks_are_hard_the_last_easy_and_missing_ones_unscored():
    ranks = pd.Series([8.0, 1, 2, 3, 4, 5, 6, 7, np.nan])
    assert cohorts(ranks, 0.25).tolist() == ["easy", "hard", "hard", *["middle"] * 4, "easy", "unscored"]
    assert cohorts(ranks, 0.5).value_counts().to_dict() == {"hard": 4, "easy": 4, "unscored": 1}


def test_equal_ranks_make_no_cohorts():
    assert set(cohorts(pd.Series([30.5] * 60))) == {"middle"}


@pytest.mark.parametrize("share", [0.0, 0.6, -1.0])
def test_a_share_that_would_overlap_is_refused(share):
    with pytest.raises(ValueError, match="above 0 and at most 0.5"):
        cohorts(pd.Series([1.0, 2]), share)
