"""What the Difficulty page says in one sentence, made from its numbers. No widgets."""

import math

import pandas as pd

from analysis.cohorts import CohortRule

VERDICTS = (
    "{score} has not told beforehand which memories resist, as far as these runs can tell.",
    "{score} told beforehand which memories resist.",
    "{score} points the wrong way here.",
)
UNTESTED = (
    "**Not put to the test yet.** These scores are predictions: no unlearning run of this study has forgotten enough to hold against "
    "them. Start one on the Unlearn page."
)


def takeaway(rule: CohortRule, cohort: pd.Series, left: pd.Series | None, main: pd.DataFrame | None, n_runs: int) -> str:
    """Markdown. `cohort` and `left`, the mean answer probability that runs left, by sample id; `main`: that part of validity.csv.

    What a score foretells is said from the interval of its rank correlation with the outcome; the cohorts' means show how much it is.
    """
    if left is None or main is None:
        return UNTESTED
    runs = f"After {n_runs} unlearning run{'' if n_runs == 1 else 's'}"
    means = left.reindex(cohort.index).groupby(cohort).mean()
    if means.reindex(["easy", "hard"]).isna().any():
        kept = "no memory is called easy, or none hard, by this rule"
    else:
        n = cohort.value_counts()
        kept = (f"the {n['hard']} memories called hard keep a mean answer probability of {means['hard']:.2f}, "
                f"the {n['easy']} called easy {means['easy']:.2f}")
    if rule.by == "Outcome":
        return f"**These cohorts are made from the outcome itself**, so they test no score. {runs}, {kept}."
    row = main.set_index("predictor").loc[rule.by]
    sign = 1 if row["low"] > 0 else 2 if row["high"] < 0 else 0
    told = ""
    if row["spearman"] == row["spearman"]:
        interval = f"95% interval {row['low']:.2f} to {row['high']:.2f}, n={row['n']:.0f}"
        told = f" (rank correlation with the outcome {row['spearman']:.2f}, {interval})"
    return f"**{VERDICTS[sign].format(score=rule.by)}** {runs}, {kept}{told}."


def sided(apart: pd.DataFrame) -> str:
    """Markdown. With which score the outcome sided where they disagree: to whose rank its own is nearer, and a sign test of that."""
    to_cud, to_mrd = ((apart["rank_outcome"] - apart[column]).abs() for column in ("rank_cud", "rank_mrd"))
    n_cud, n_mrd = int((to_cud < to_mrd).sum()), int((to_mrd < to_cud).sum())
    n = n_cud + n_mrd
    p = min(1.0, 2 * sum(math.comb(n, k) for k in range(max(n_cud, n_mrd), n + 1)) / 2**n)
    claim = "so neither can be said to be right" if p >= 0.05 else f"so {'CUD' if n_cud > n_mrd else 'MRD'} was right more often"
    return f"The outcome lay nearer to CUD's place {n_cud} times, to MRD's {n_mrd} times (sign test p = {p:.2g}), {claim}."
