"""How hard each sample was to forget, as observed: in runs of the whole set (joint protocol), or unlearned alone (per-sample protocol).

A read-out says how easily a sample went in one run; its place there is its percent rank. Places are averaged over the runs of a
method that have the sample, then over methods, so that a method with many runs weighs no more than another.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.plain_files import one_line
from analysis.runs import Run

CONTROL = "GradAscent"  # it destroys the model: what it leaves last says nothing about forgetting
READOUTS = ("final loss", "loss increase", "joint updates", "alone updates")  # the last from tables of the command `alone`
ALONE_COLUMNS = {"sample_id": str, "method": str, "updates": int, "crossing": float, "forgotten": bool}


def counts(run: Run) -> bool:
    """Does a run say which samples are hard for plain unlearning of the whole set?

    Not one that left half of the forget probability or more, or lost a number; nor one that drew its samples otherwise than
    uniformly or under a mask, as it decided itself which to spare; nor one by the method that is a control.
    """
    whole = run.samples[["nll_after", "probability_before", "probability_after"]].notna().all(axis=None)
    plain = run.record.sampling.lower() == "uniform" and not run.config.get("mask") and run.record.method != CONTROL
    return bool(whole and plain and run.record.forget_probability < run.record.forget_before / 2)


def observed_difficulty(runs: list[Run], readout: str = "final loss") -> pd.Series:
    """How hard each sample was to forget, as a rank by sample_id: 1 = hardest. Ties share their mean rank.

    Over the runs that `counts`. By `final loss` the hardest has the lowest answer NLL after unlearning, by `loss increase` the
    least added to it, and by `joint updates` it was the last to fall below the threshold; all that never did share the place of
    the hardest. Raises ValueError if no run counts.
    """
    found = [(run.record.method, run.samples["sample_id"], _ease(run.samples, readout)) for run in runs if counts(run)]
    if not found:
        raise ValueError(
            "expected at least one finished run of the whole set by uniform sampling, without a mask and not by gradient ascent "
            "alone, that forgot: forget probability after it below half of that before"
        )
    return _aggregate(found)


def alone_difficulty(tables: list[pd.DataFrame]) -> pd.Series:
    """The same from samples that were unlearned alone (`read_alone`): 1 = took the most updates, counted to fractions (`crossing`).

    All that were not forgotten within the cap share the place of the hardest. Raises ValueError without any row.
    """
    found = []
    for table in tables:
        ease = -table["crossing"].where(table["forgotten"], np.inf)
        found += [(str(method), rows["sample_id"], ease[rows.index]) for method, rows in table.groupby("method")]
    if not found:
        raise ValueError("expected samples that were unlearned alone, by another method than gradient ascent")
    return _aggregate(found)


def read_alone(folder: Path) -> pd.DataFrame:
    """The rows of a folder's alone.csv, without those by the control. Raises ValueError if it holds no such table."""
    try:
        table = pd.read_csv(folder / "alone.csv", dtype=ALONE_COLUMNS)[list(ALONE_COLUMNS)]
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{folder}: expected alone.csv with {', '.join(ALONE_COLUMNS)}: {one_line(error)}") from error
    return table[table["method"] != CONTROL].reset_index(drop=True)


def _ease(samples: pd.DataFrame, readout: str) -> pd.Series:
    """High = went easily."""
    if readout == "final loss":
        return samples["nll_after"]
    if readout == "loss increase":
        return samples["nll_after"] - samples["nll_before"]
    if readout == "joint updates":
        column = "forgotten_step" if "forgotten_step" in samples else "forgotten_epoch"  # earlier versions have epochs only
        return -samples[column].astype(float).fillna(np.inf)
    raise ValueError(f"read-out: expected one of {', '.join(READOUTS[:3])} for runs, got {readout!r}")


def _aggregate(found: Iterable[tuple[str, pd.Series, pd.Series]]) -> pd.Series:
    """Rank, 1 = hardest, from (method, sample ids, ease) of each run."""
    places = [pd.DataFrame({"method": m, "sample_id": ids, "place": ease.rank(pct=True)}) for m, ids, ease in found]
    by_method = pd.concat(places).groupby(["method", "sample_id"])["place"].mean()
    return by_method.groupby("sample_id").mean().round(12).rank().rename("observed_rank")
