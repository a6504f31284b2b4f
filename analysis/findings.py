"""What the main part of validity.csv says, in sentences made from its numbers: for the pages and for the report."""

from typing import NamedTuple

import pandas as pd

from analysis import predictors, validity
from analysis.figures import interval


class Finding(NamedTuple):
    """A claim and the figures behind it, both plain text."""

    claim: str
    figures: str


def findings(main: pd.DataFrame) -> list[Finding]:
    """Of CUD, of CUD against the baselines, of the depth claim and of MRD."""
    rows = {row["predictor"]: row for _, row in main.iterrows()}
    cud, mrd, depth, best = rows["CUD"], rows["MRD"], rows.get(predictors.MASS), validity.best_baseline(main)
    found = [Finding(
        f"CUD {verdict(cud['low'], cud['high'])}",
        f"Spearman {_said(cud, 'Spearman')}, n={cud['n']}; within question templates {_said(cud, 'within template')}.",
    )]
    if best is not None and cud["minus_best_baseline"] == cud["minus_best_baseline"]:
        found.append(_against_baselines(cud, best))
    if depth is not None:
        claim = ("no sign that harder is deeper", "harder samples are deeper", "harder samples are shallower")
        found.append(Finding(
            "Depth",
            f"{claim[_sign(depth['low'], depth['high'])]} by mean depth. Spearman of the mean depth of |score| is "
            f"{_said(depth, 'Spearman')}; beyond the baselines {_said(depth, 'given baselines')}.",
        ))
    found.append(Finding(
        f"MRD {verdict(mrd['low'], mrd['high'])}",
        f"{_said(mrd, 'Spearman')}; beyond the baselines {_said(mrd, 'given baselines')}.",
    ))
    return found


def _against_baselines(cud: pd.Series, best: pd.Series) -> Finding:
    claim = ("CUD and the best baseline do equally well, as far as can be told", "CUD does better than every baseline",
             "A baseline does better than CUD")[_sign(cud["minus_low"], cud["minus_high"])]
    kept = ("nothing that can be told from chance", "something", "something in the wrong direction")
    turned = ", in the other direction than expected" if best["spearman"] < 0 else ""
    return Finding(
        claim,
        f"{mid_sentence(best['predictor'])} alone reaches {_said(best, 'Spearman')}{turned}; CUD minus that is "
        f"{_said(cud, 'minus best baseline')}. To all baselines together CUD adds {kept[_sign(cud['given_low'], cud['given_high'])]}: "
        f"{_said(cud, 'given baselines')}.",
    )


def mid_sentence(name: str) -> str:
    """A name within a sentence: abbreviations keep their capitals."""
    return name[0].lower() + name[1:]


def verdict(low: float, high: float) -> str:
    """What the interval of a correlation says."""
    return ("cannot be told from chance", "foretells which memories resist", "points the wrong way")[_sign(low, high)]


def _sign(low: float, high: float) -> int:
    """1 or -1 where the interval lies on one side of 0, else (also without an interval) 0."""
    return 1 if low > 0 else -1 if high < 0 else 0


def _said(row: pd.Series, measure: str) -> str:
    """`0.31 (0.19 to 0.43)`."""
    value, low, high = (row[column] for column in validity.SHOWN[measure])
    return interval(value, low, high) or "not defined"
