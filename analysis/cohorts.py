"""Groups of samples (easy, middle, hard) by a difficulty rank."""

import pandas as pd


def cohorts(ranks: pd.Series, share: float = 0.25) -> pd.Series:
    """Cohort of each sample: `hard` for the first `share` of the ranks (1 = hardest), `easy` for the last, else `middle`.

    Missing ranks give `unscored`; ranks that are all the same tell nobody apart and give `middle`.
    Raises ValueError unless 0 < share <= 0.5.
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"share must be above 0 and at most 0.5, got {share}")
    place = ranks.rank(method="first")
    n_each = max(1, int(share * place.count())) if ranks.nunique() > 1 else 0
    cohort = pd.Series("middle", index=ranks.index)
    cohort[place <= n_each] = "hard"
    cohort[place > place.count() - n_each] = "easy"
    cohort[ranks.isna()] = "unscored"
    return cohort
