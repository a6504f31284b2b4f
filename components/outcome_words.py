"""The takeaway of the Outcomes page: which setting forgets most while it keeps the rest, and what hard and easy memories keep."""

import pandas as pd

from analysis import outcomes, runs
from analysis.run_comparison import best_setup, over_seeds
from components.formats import escape


def takeaway(frame: pd.DataFrame, found: dict[str, runs.Run], known: pd.DataFrame) -> str:
    """In Markdown. `frame`: outcomes.frame; `found`: the runs of the best setup (`best_ids`); `known`: cohort by sample_id."""
    best = best_setup(over_seeds(frame))
    if best is None:
        return f"No run that trains all weights keeps a retain probability of {outcomes.KEPT} or more, so none is called the best."
    part = frame.loc[best["ids"]]
    n = len(part)
    ends = f", {part.forget.min():.2f} to {part.forget.max():.2f}" if n > 1 else ""
    said = (
        f"**{escape(best['method'])}** forgets most while it keeps the rest: it leaves a probability of **{best['forget']:.2f}** on "
        f"the forget set ({n} run{'s' if n > 1 else ''}{ends}) and **{best['retain']:.2f}** on the retain set."
    )
    cohorts = by_cohort(found, known)
    return said + (f" {cohorts}" if cohorts else "")


def best_ids(frame: pd.DataFrame) -> list[str]:
    best = best_setup(over_seeds(frame))
    return [] if best is None else list(best["ids"])


def by_cohort(found: dict[str, runs.Run], known: pd.DataFrame) -> str:
    """What hard and easy memories keep, each memory's mean over these runs; empty unless there are both."""
    after = pd.concat([run.samples for run in found.values()]).groupby("sample_id", as_index=False)["probability_after"].mean()
    table = runs.outcome_by_cohort(after, known.cohort).set_index("cohort")
    if not {"hard", "easy"} <= set(table.index):
        return ""
    hard, easy = (table.loc[cohort] for cohort in ("hard", "easy"))
    return f"Hard memories keep {_interval(hard)}, easy ones {_interval(easy)}."


def _interval(row: pd.Series) -> str:
    ends = "" if pd.isna(row.probability_low) else f"{row.probability_low:.3f} to {row.probability_high:.3f}, "
    return f"{row.probability:.3f} ({ends}n={row.n:.0f})"
