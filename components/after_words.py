"""What an unlearning run did to circuits, in sentences and as a table: no widgets."""

import numpy as np
import pandas as pd

from analysis.circuits_after import sign_flip_p
from analysis.comparison import bootstrap_interval, compare
from analysis.figures import interval


def alike(table: pd.DataFrame) -> str:
    """`circuits_after.likeness` in words: is a sample's circuit after the run still its own?"""
    rng, means = np.random.default_rng(0), table.mean()
    gap = (table["own"] - table["other_before"]).dropna().to_numpy()
    low, high = bootstrap_interval(gap, rng)
    p = sign_flip_p(gap, rng)
    change = (
        f"**A sample's circuits before and after the run have {means['own']:.0%} of their edges in common** (mean, n = {len(table)}). "
        f"Circuits of two different samples before the run have {means['other_before']:.0%} in common, and a circuit before the run "
        f"with another sample's after it {means['other_after']:.0%}. "
    )
    difference = f"{interval(100 * gap.mean(), 100 * low, 100 * high, '+.1f')} points, p = {p:.4f}"
    if not p < 0.05:
        return change + f"Whether that is more or less than between two samples cannot be told: {difference}."
    if gap.mean() < 0:
        return change + f"So unlearning moves a circuit further than going to another sample does ({difference})."
    return change + f"So it stays more like its old self than like another sample's: {difference}."


def between(table: pd.DataFrame) -> str:
    """`circuits_after.likeness` of two runs in words: does a sample's circuit end alike in both?"""
    rng, means = np.random.default_rng(0), table.mean()
    gap = (table["own"] - table["other_after"]).dropna().to_numpy()
    low, high = bootstrap_interval(gap, rng)
    return (
        f"**A sample's circuits after the two runs have {means['own']:.0%} of their edges in common** (mean, n = {len(table)}); those "
        f"of two different samples, one after each run, {means['other_after']:.0%}: "
        f"{interval(100 * gap.mean(), 100 * low, 100 * high, '+.1f')} points, p = {sign_flip_p(gap, rng):.4f}."
    )


def changed(table: pd.DataFrame, readouts: dict[str, str]) -> str:
    """`circuits_after.summary` in words: which read-outs moved over all samples."""
    rows = table[table["cohort"] == "all"].set_index("value")
    n, moved = int(rows["n"].max()), rows[rows["p_holm"] < 0.05]
    if moved.empty:
        return f"No depth read-out changes by more than chance would give over the {n} samples (Holm-corrected p of at least 0.05)."
    words = [f"{readouts[row.Index].lower()} {interval(row.mean, row.low, row.high, '+.2f')}" for row in _rows(moved)]
    rest = "" if len(moved) == len(rows) else " For the other read-outs no change can be told."
    return f"Over all {n} samples the change is **{', '.join(words)}** (Holm-corrected p below 0.05).{rest}"


def apart(compared: pd.DataFrame, readouts: dict[str, str]) -> str:
    """`comparison.compare` of the changes in words: do hard samples' circuits change otherwise than easy ones'?"""
    n = " and ".join(f"{int(compared[f'n_{name}'].max())} {name}" for name in ("easy", "hard"))
    if compared["p_value"].isna().all():
        return f"Too few samples to set easy against hard ({n})."
    differ = compared[compared["p_holm"] < 0.05]
    if differ.empty:
        return f"Easy and hard samples' circuits: no difference in how they change can be told ({n})."
    words = [
        f"{readouts[value].lower()} by {row['hard']:+.2f} in hard and {row['easy']:+.2f} in easy samples"
        for value, row in differ.iterrows()
    ]
    return f"**Easy and hard samples' circuits change differently** ({n}): {'; '.join(words)} (Holm-corrected p below 0.05)."


def control(forgotten: pd.DataFrame, kept: pd.DataFrame | None, readouts: dict[str, str]) -> str:
    """Did the circuits of samples that were to be kept change as those of the forget set did? `kept`: see `circuits_after.kept`."""
    if kept is None:
        return "Whether circuits of samples to be kept change as much: not computed: needs circuits of retain samples after this run."
    both = pd.concat([forgotten[kept.columns], kept], keys=["forget", "keep"])
    cohort = pd.Series(both.index.get_level_values(0), index=both.index)
    compared = compare(both, cohort, ("keep", "forget"))
    own, depth = compared.loc["own"], compared.drop("own")
    words = f"{own['keep']:.0%} of their edges in common before and after the run, those to be forgotten {own['forget']:.0%}"
    alike = "no difference can be told" if not own["p_holm"] < 0.05 else f"a difference, Holm-corrected p = {own['p_holm']:.4f}"
    differ = depth[depth["p_holm"] < 0.05]
    rest = "In how depth read-outs change no difference can be told: **no sign that it is special to what is to be forgotten**."
    if len(differ):
        names = ", ".join(readouts[value].lower() for value in differ.index)
        rest = f"Of the depth read-outs, {names} change otherwise in those to be forgotten."
    return f"**Control**: circuits of {int(own['n_keep'])} samples to be kept have {words} ({alike}). {rest}"


def table(made: pd.DataFrame, readouts: dict[str, str]) -> pd.DataFrame:
    """A row per read-out; for each cohort its mean change with its interval and its p."""
    columns = {"Read-out": list(readouts.values())}
    for cohort, rows in made.groupby("cohort", sort=False):
        rows = rows.set_index("value").loc[list(readouts)]
        columns[f"{str(cohort).capitalize()} (n = {int(rows['n'].max())})"] = [_change(row) for row in _rows(rows)]
        columns[f"p, {cohort}"] = ["too few samples" if p != p else f"{p:.4f}" for p in rows["p_holm"]]
    return pd.DataFrame(columns)


def _change(row) -> str:
    """Mean and 95 % interval, as far as there are samples for either."""
    return interval(row.mean, row.low, row.high, "+.2f") or "no sample"


def _rows(frame: pd.DataFrame):
    return frame[["mean", "low", "high"]].itertuples()
