"""How answers fade while a model unlearns: each sample's probability over the course of a run, as a mean over runs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.runs import Run

SHARES = np.linspace(0, 1, 11)  # of a run's epochs, as runs differ in how many they have


def mean_course(found: Sequence[Run]) -> pd.DataFrame | None:
    """Answer probability per token, a row per (split, sample_id) and a column per share of the run; 0 = before, 1 = at its end.

    Straight lines between the epochs that were measured. A sample's mean is over the runs that have it at every epoch. None where
    no run was measured more than once.
    """
    parts = [_course(run.trajectories) for run in found if run.trajectories["epoch"].max() > 0]
    parts = [part for part in parts if "forget" in part.index]  # a damaged file may lack any epoch of every sample
    return pd.concat(parts).groupby(level=["split", "sample_id"], sort=False).mean() if parts else None


def _course(trajectories: pd.DataFrame) -> pd.DataFrame:
    wide = trajectories.pivot(index=["split", "sample_id"], columns="epoch", values="probability").dropna()
    epochs = wide.columns.to_numpy(dtype=float)
    weights = np.stack([np.interp(SHARES * epochs.max(), epochs, of_epoch) for of_epoch in np.eye(len(epochs))])
    return pd.DataFrame(wide.to_numpy(dtype=float) @ weights, index=wide.index, columns=SHARES)
