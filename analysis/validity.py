"""Does a score predict the outcome? Every predictor against observed difficulty, beside the baselines that a skeptic would try."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from analysis import statistics
from analysis.circuit import Circuit
from analysis.cohorts import cohorts
from analysis.comparison import holm
from analysis.figures import interval
from analysis.observed import observed_difficulty
from analysis.predictors import BASELINES, TEMPLATE, predictors, template_means
from analysis.runs import Run

COLUMNS = [
    "analysis", "predictor", "setting", "target", "n", "spearman", "low", "high", "p", "auroc", "auroc_low", "auroc_high",
    "within_template", "within_low", "within_high", "within_p", "given_baselines", "given_low", "given_high",
    "minus_best_baseline", "minus_low", "minus_high",
]
SHOWN = {  # heading: (value, low, high) of COLUMNS
    "Spearman": ("spearman", "low", "high"), "within template": ("within_template", "within_low", "within_high"),
    "given baselines": ("given_baselines", "given_low", "given_high"), "AUROC": ("auroc", "auroc_low", "auroc_high"),
    "minus best baseline": ("minus_best_baseline", "minus_low", "minus_high"),
}


@dataclass(frozen=True)
class Target:
    """Observed hardness (high = hard) of samples, with what else a predictor is held against.

    `template` are codes; `baselines` by name, columns of values; `counts` are resamples of the samples.
    """

    hardness: Float[np.ndarray, " n"]
    template: Int[np.ndarray, " n"]
    baselines: dict[str, Float[np.ndarray, " n"]]
    counts: Float[np.ndarray, "n n_columns"]

    def take(self, rows: Bool[np.ndarray, " n"]) -> "Target":
        """The same for some samples, with resamples of their own."""
        baselines = {name: values[rows] for name, values in self.baselines.items()}
        counts = statistics.resamples(int(rows.sum()), self.counts.shape[1] - 1)
        return Target(self.hardness[rows], self.template[rows], baselines, counts)

    @cached_property
    def ranks(self) -> list[np.ndarray]:
        """Ranks of the hardness, then of each baseline."""
        return [statistics.ranks(values, self.counts) for values in (self.hardness, *self.baselines.values())]

    @cached_property
    def within(self) -> np.ndarray:
        """Ranks of the hardness within templates."""
        return statistics.ranks(self.hardness, self.counts, self.template)

    @cached_property
    def quarters(self) -> tuple[np.ndarray, np.ndarray]:
        """The hard and the easy quarter."""
        cohort = cohorts(pd.Series(-self.hardness)).to_numpy()
        return cohort == "hard", cohort == "easy"

    @cached_property
    def shuffled(self) -> tuple[np.ndarray, np.ndarray]:
        """Random orders of the ranks, over all samples and within templates."""
        everywhere = np.zeros(len(self.hardness), dtype=int)
        return (
            statistics.shuffles(self.ranks[0][:, 0], everywhere), statistics.shuffles(self.within[:, 0], self.template)
        )


def target_of(scores: pd.DataFrame, observed_rank: pd.Series, n_draws: int = 1000) -> Target:
    """The samples of scores.csv against `observed_rank` (by sample_id, 1 = hardest, none missing)."""
    values = predictors(scores, {})
    hardness = -observed_rank.reindex(scores["sample_id"]).to_numpy(dtype=float)
    template = pd.factorize(scores["template"])[0].astype(int)
    baselines = {name: values[name].to_numpy() for name in BASELINES if name != TEMPLATE}
    baselines[TEMPLATE] = template_means(hardness, template, scores["fold"].to_numpy())
    return Target(hardness, template, baselines, statistics.resamples(len(scores), n_draws))


def measure(name: str, values: Float[np.ndarray, " n"], target: Target, *, with_p: bool = False) -> dict[str, object]:
    """One row of validity.csv: how well `values` (high = said to be hard) foretell the target, over the samples that have one.

    * spearman, and auroc: of the hardest quarter against the easiest.
    * within_template: correlation of percent ranks that are taken within each question template and pooled, so that nothing
      which templates differ in counts. Not defined for the template itself.
    * given_baselines: correlation of what linear regression on the baselines' ranks leaves of both ranks; a baseline is given
      the other ones.
    * minus_best_baseline: Spearman minus that of the strongest baseline *in whichever direction that one points*, both in the
      same resamples. Not defined for a baseline.
    * p, within_p: two-sided, from 9,999 shuffles of the outcomes, for within_p inside templates; uncorrected here. Not defined for
      the template: it is made of outcomes, and shuffles that do not make it again find it three times too often by chance.

    A predictor is held fixed in resamples and shuffles. CUD's anchors come from outcomes of the other half, so its p may be a
    little too small: with the anchors chosen anew in 600 shuffles of the embedded set's outcomes, 6 % of p were below 0.05.
    """
    known = np.isfinite(values)
    if not known.all():
        values, target = values[known], target.take(known)
    own, inside = statistics.ranks(values, target.counts), statistics.ranks(values, target.counts, target.template)
    products = statistics.gram([own, *target.ranks], target.counts)
    row: dict[str, object] = {"predictor": name, "n": len(values)}
    row |= _cells(("spearman", "low", "high"), statistics.correlation(products, 0, 1))
    row |= _cells(("auroc", "auroc_low", "auroc_high"), statistics.auroc(values, *target.quarters, target.counts))
    others = [place for place, baseline in enumerate(target.baselines, 2) if baseline != name]
    row |= _cells(("given_baselines", "given_low", "given_high"), statistics.correlation(products, 0, 1, others))
    if name != TEMPLATE:
        draws = statistics.correlation(statistics.gram([inside, target.within], target.counts), 0, 1)
        row |= _cells(("within_template", "within_low", "within_high"), draws)
    if name not in target.baselines:
        row |= _cells(("minus_best_baseline", "minus_low", "minus_high"), _minus_best(products, others))
    if with_p and name != TEMPLATE:
        row["p"] = statistics.permutation_p(own[:, 0], target.ranks[0][:, 0], target.shuffled[0])
        row["within_p"] = statistics.permutation_p(inside[:, 0], target.within[:, 0], target.shuffled[1])
    return row


def _cells(names: tuple[str, str, str], draws: np.ndarray) -> dict[str, object]:
    return dict(zip(names, statistics.summary(draws), strict=True))


def _minus_best(products: np.ndarray, baselines: list[int]) -> np.ndarray:
    draws = [statistics.correlation(products, place, 1) for place in baselines]
    best = max(draws, key=lambda d: np.nan_to_num(abs(d[0])), default=np.full(len(products), np.nan))
    return statistics.correlation(products, 0, 1) - np.sign(best[0]) * best


def observed_part(scores: pd.DataFrame, found: list[Run]) -> tuple[pd.DataFrame, pd.Series]:
    """`known_part` of scores.csv, and `observed_difficulty` in these runs. Raises ValueError as they do."""
    observed = observed_difficulty(found)
    return known_part(scores, observed), observed


def known_part(scores: pd.DataFrame, observed: pd.Series) -> pd.DataFrame:
    """The rows of scores.csv whose outcome is known. Raises ValueError if fewer than 8 are."""
    known = scores[scores["sample_id"].isin(observed.index)].reset_index(drop=True)
    if len(known) < 8:
        raise ValueError(f"expected runs on the samples that were scored, at least 8 of them; {len(known)} are in both")
    return known


def main_part(scores: pd.DataFrame, circuits: dict[str, Circuit], found: list[Run]) -> pd.DataFrame:
    """One row per predictor against observed difficulty over all `found` runs that count, in COLUMNS. See `measure`.

    p and within_p are Holm-corrected over the predictors.
    """
    known, observed = observed_part(scores, found)
    target = target_of(known, observed)
    values = predictors(known, circuits).assign(**{TEMPLATE: target.baselines[TEMPLATE]})
    rows = [measure(name, values[name].to_numpy(), target, with_p=True) for name in values]
    frame = pd.DataFrame(rows).assign(analysis="main", setting="as shipped", target="all methods")
    for column in ("p", "within_p"):
        frame[column] = holm(frame[column].to_numpy(dtype=float))
    return frame[COLUMNS]


def best_baseline(main: pd.DataFrame) -> pd.Series | None:
    """The main part's row of the baseline with the largest |Spearman|; None if none varies."""
    rows = main[main["predictor"].isin(BASELINES)].dropna(subset="spearman")
    return rows.loc[rows["spearman"].abs().idxmax()] if len(rows) else None


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of validity.csv as text: predictor, n, then per measure `value (low to high)`, and p's; empty where not defined.

    Where there is no Spearman it says why: predictor or outcome is the same for all samples.
    """
    shown = table[["predictor", "n"]].copy()
    for heading, columns in SHOWN.items():
        shown[heading] = [interval(*figures) for figures in table[list(columns)].to_numpy(dtype=float)]
    shown["Spearman"] = shown["Spearman"].replace("", "does not vary")
    for heading, column in (("p", "p"), ("p within", "within_p")):
        shown[heading] = ["" if p != p else "<0.001" if p < 0.001 else f"{p:.3f}" for p in table[column].astype(float)]
    return shown


def read_table(file: Path, digest: str) -> pd.DataFrame | None:
    """validity.csv if it was made from the inputs that `digest` names, else None."""
    try:
        table = pd.read_csv(file, keep_default_na=False, na_values=[""], dtype={"inputs": str})  # 1e15 is a digest, too
    except (OSError, ValueError, OverflowError):
        return None
    usable = set(COLUMNS) <= set(table) and "inputs" in table and (table["inputs"] == digest).all() and len(table)
    return table[COLUMNS] if usable else None


def inputs_digest(scores: Path, circuits: Path, found: Iterable[Run], alone: Iterable[Path] = ()) -> str:
    """Names what a validity.csv was made from: scores.csv, circuits.json, each run's method and samples, each folder's alone.csv;
    runs and folders in any order."""
    files = [scores / "scores.csv", circuits / "circuits.json"]
    parts = [file.read_bytes() if file.is_file() else b"" for file in files]
    parts += sorted(run.record.method.encode() + (run.record.folder / "samples.csv").read_bytes() for run in found)
    parts += sorted((folder / "alone.csv").read_bytes() for folder in alone)
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def disagreement(scores: pd.DataFrame) -> pd.DataFrame:
    """Samples by how far apart CUD and MRD rank them, furthest first: sample_id, question, rank_cud, rank_mrd, gap."""
    table = scores[["sample_id", "question", "rank_cud", "rank_mrd"]].assign(gap=scores["rank_cud"] - scores["rank_mrd"])
    order = table["gap"].abs().sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)
