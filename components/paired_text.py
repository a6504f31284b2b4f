"""Means over seeds and their differences in words: what the comparisons of samplings and of masks both say."""

import pandas as pd

CHANCE = "About one interval in twenty misses the truth by chance, and none is corrected for their number."
MORE = {
    "forget": ("leaves more of the forget set", "leaves less of the forget set"),
    "forget_hard": ("leaves more of its hard quarter", "leaves less of its hard quarter"),
    "retain": ("keeps more of the retain set", "keeps less of the retain set"),
    "relearned": ("gives more back after relearning", "gives less back after relearning"),
}


def effects(row: dict, outcomes: list[str], control: str, stem: str) -> dict[str, str]:
    """The outcomes in which an arm differs from its control, those whose interval of the difference holds no 0; and how, in words.

    `row`: of a summary; `stem`: what the ends of the interval are called there, `forget_<stem>_low`.
    """
    found = [name for name in outcomes if row[f"{name}_{stem}_low"] > 0 or row[f"{name}_{stem}_high"] < 0]
    return {name: MORE[name][row[f"{name}_minus_{control}"] < 0] for name in found}


def differences(row: dict, outcomes: list[str], control: str, stem: str) -> list[str]:
    """The same as text, each with its interval."""
    ends = {name: [row[f"{name}_{end}"] for end in (f"minus_{control}", f"{stem}_low", f"{stem}_high")] for name in outcomes}
    return ["{} ({:+.3f}, {:+.3f} to {:+.3f})".format(how, *ends[name]) for name, how in effects(row, outcomes, control, stem).items()]


def seeds(summary: pd.DataFrame) -> str:
    n = sorted({int(n) for n in summary["n_seeds"]})
    return f"{n[0]} seed{'' if n[0] == 1 else 's'}" if len(n) == 1 else f"{n[0]} to {n[-1]} seeds"
