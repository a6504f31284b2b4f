"""Groups of samples (easy, middle, hard) by a difficulty score, and the rule that draws them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

VALUES = {"CUD": ("cud", 1), "MRD": ("mrd", -1), "Outcome": ("rank_outcome", -1)}  # own value of a score; 1: high is hard, -1: low


@dataclass(frozen=True)
class CohortRule:
    """Who is easy and who is hard: a share of the samples at each end of a ranking, or limits on the score's own value.

    `limits` = (easy, hard), taken in place of the share where given: by CUD a sample up to the first is easy and one from the second
    on is hard; by MRD and by outcome (its rank) the other way round, as low is hard there. `easy` and `hard` are the ids of samples
    pinned by hand, whatever their score. Raises ValueError where the two cohorts would overlap.
    """

    by: str = "CUD"
    share: float = 0.25
    limits: tuple[float, float] | None = None
    easy: tuple[str, ...] = ()
    hard: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.by not in VALUES:
            raise ValueError(f"cohorts by: expected one of {', '.join(VALUES)}, got {self.by!r}")
        _check_share(self.share)
        if self.limits is not None:
            _check_limits(self.by, *self.limits)
        if both := set(self.easy) & set(self.hard):
            raise ValueError(f"expected each sample pinned to easy or to hard, got {', '.join(sorted(both))} pinned to both: drop one")


def cohorts(ranks: pd.Series, share: float = 0.25) -> pd.Series:
    """Cohort of each sample: `hard` for the first `share` of the ranks (1 = hardest), `easy` for the last, else `middle`.

    Missing ranks give `unscored`; ranks that are all the same tell nobody apart and give `middle`.
    Raises ValueError unless 0 < share <= 0.5.
    """
    _check_share(share)
    place = ranks.rank(method="first")
    n_each = max(1, int(round(share * place.count(), 9))) if ranks.nunique() > 1 else 0
    cohort = pd.Series("middle", index=ranks.index)
    cohort[place <= n_each] = "hard"
    cohort[place > place.count() - n_each] = "easy"
    cohort[ranks.isna()] = "unscored"
    return cohort


def assign(table: pd.DataFrame, rule: CohortRule) -> pd.Series:
    """Cohort by sample_id: easy, middle, hard, or unscored. Pins win, also over a missing score; pins of other sets do nothing.

    `table`: sample_id, and of the score ruled by its rank (`rank_cud`, `rank_mrd`, `rank_outcome`; 1 = hardest) or, for limits, its
    value (`cud`, `mrd`; of the outcome the rank). Raises ValueError without that column.
    """
    value, sign = VALUES[rule.by]
    column = f"rank_{rule.by.lower()}" if rule.limits is None else value
    if column not in table:
        need = "an unlearning run that forgot" if rule.by == "Outcome" else "scores"
        raise ValueError(f"cohorts by {rule.by} need {need}: expected the column {column}, got {', '.join(table.columns)}")
    scored = table.set_index("sample_id")[column].astype(float)
    cohort = cohorts(scored, rule.share) if rule.limits is None else _between(sign * scored, *(sign * end for end in rule.limits))
    cohort[cohort.index.isin(rule.easy)] = "easy"
    cohort[cohort.index.isin(rule.hard)] = "hard"
    return cohort.rename("cohort")


def _between(hardness: pd.Series, easy: float, hard: float) -> pd.Series:
    found = np.select([hardness.isna(), hardness <= easy, hardness >= hard], ["unscored", "easy", "hard"], "middle")
    return pd.Series(found, index=hardness.index, dtype=object)


def _check_share(share: float) -> None:
    if not 0 < share <= 0.5:
        raise ValueError(f"share must be above 0 and at most 0.5, got {share}")


def _check_limits(by: str, easy: float, hard: float) -> None:
    sign = VALUES[by][1]
    if not (np.isfinite([easy, hard]).all() and sign * easy < sign * hard):
        side, end = ("below", "high") if sign > 0 else ("above", "low")
        raise ValueError(f"easy and hard would overlap: expected the limit of easy {side} that of hard, as a {end} {by} is hard; got "
                         f"easy {easy:.4g}, hard {hard:.4g}")
