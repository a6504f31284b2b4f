"""Several runs beside each other: in which settings they differ, which of them no other beats, what each left of every memory."""

from typing import Any

import numpy as np
import pandas as pd

from analysis.observed import CONTROL
from analysis.outcomes import KEPT
from analysis.runs import FORGOTTEN_BELOW, Run

MOST = 10  # runs in one comparison


def differing(table: pd.DataFrame, always: tuple[str, ...] = ()) -> pd.DataFrame:
    """Without the columns in which all rows agree (missing agrees with missing), but for those named; a single row stays whole."""
    if len(table) < 2:
        return table
    return table[[c for c in table if c in always or table[c].nunique(dropna=False) > 1]]


def front(forget: pd.Series, retain: pd.Series) -> pd.Series:
    """Which runs no other beats: none left as little of the forget set and kept as much of the retain set, and did better in one.

    Both are indexed by run; a run with a missing figure is not on the front.
    """
    left, kept = forget.to_numpy(float), retain.to_numpy(float)
    gained, held = np.subtract.outer(left, left), np.subtract.outer(kept, kept)  # [run, other]: what the other left and kept less
    beaten = ((gained >= 0) & (held <= 0) & ((gained > 0) | (held < 0))).any(axis=1)
    return pd.Series(~beaten & ~np.isnan(left + kept), index=forget.index)


def over_seeds(frame: pd.DataFrame) -> pd.DataFrame:
    """Runs that differ in their seed alone as one row: the columns of settings, n_runs, ids, and for forget, retain and seconds the
    mean and the standard deviation over seeds (NaN for one run). `frame`: `outcomes.frame`."""
    rows = []
    for _, part in frame.groupby("setup", sort=False):
        first = part.iloc[0]
        row = {name: first[name] for name in ("method", "sampling", "mask", "learning_rate", "n_epochs")}
        row |= {"n_runs": len(part), "ids": list(part.index), "n_forgotten": part.n_forgotten.mean(), "n_samples": first.n_samples}
        for name in ("forget", "retain", "seconds"):
            row |= {name: part[name].mean(), f"{name}_sd": part[name].std(ddof=1)}
        rows.append(row)
    return pd.DataFrame(rows)


def best_setup(means: pd.DataFrame) -> pd.Series | None:
    """The row of `over_seeds` that left the least of the forget set, of those that keep KEPT of the retain set, train all weights and
    are no control; None without one."""
    able = means[(means.retain >= KEPT) & (means.method != CONTROL) & (means["mask"] == "none")]
    return None if able.empty else able.loc[able.forget.idxmin()]


def matrix(runs: dict[str, Run]) -> pd.DataFrame:
    """Probability after, a row per sample and a column per run; NaN where a run did not have the sample."""
    return pd.DataFrame({name: run.samples.set_index("sample_id")["probability_after"] for name, run in runs.items()})


def in_order(table: pd.DataFrame, known: pd.DataFrame, by: str) -> pd.DataFrame:
    """The rows of a `matrix` in order: by "CUD rank", the hardest first, or by "Outcome", those that most is left of first.

    Unranked samples come last; ties keep the order of the forget set.
    """
    if by == "Outcome":
        return table.loc[table.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    rank = known["rank_cud"].reindex(table.index)
    return table.loc[rank.sort_values(kind="stable", na_position="last").index]


def resisting(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Which samples of a `matrix` stay, and which go, in every run that had them."""
    gone = table < FORGOTTEN_BELOW
    return ~(gone.any(axis=1)), (gone | table.isna()).all(axis=1)


def settings(runs: dict[str, Run]) -> pd.DataFrame:
    """config.yaml of each run as text, a row per setting (nested ones as a.b) and a column per run; empty where a run lacks it."""
    return pd.DataFrame({name: _flat(run.config) for name, run in runs.items()}, dtype=object).fillna("")


def _flat(config: dict[str, Any], stem: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in config.items():
        text = "none" if value is None else str(value)
        flat |= _flat(value, f"{stem}{name}.") if isinstance(value, dict) else {f"{stem}{name}": text}
    return flat


def durability(summaries: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Forget probability after the run and after what could bring it back; a row per run, state and its number.

    Columns: run, kind (`relearn`, `control` = the retain-only model relearning the same, `int`), n (steps or bits; 0 steps and
    32 bits are the run as it ended), probability. `summaries`: LETHE_SUMMARY.json by run.
    """
    rows = []
    for run, summary in summaries.items():
        after = summary.get("forget_Q_A_Prob")
        rows += [(run, "relearn", 0, after), (run, "int", 32, after)]
        for name, value in summary.items():
            kind, _, rest = name.partition("_")
            steps = rest.partition("_")[0]
            if kind == "relearn" and steps.isdigit():
                rows.append((run, "control" if name.endswith("_retain_model") else "relearn", int(steps), value))
            elif kind.startswith("int") and kind[3:].isdigit():
                rows.append((run, "int", int(kind[3:]), value))
    table = pd.DataFrame(rows, columns=["run", "kind", "n", "probability"])
    measured = table.probability.map(lambda v: isinstance(v, int | float) and not isinstance(v, bool) and np.isfinite(v))
    return table[measured.astype(bool)].astype({"probability": float}).reset_index(drop=True)
