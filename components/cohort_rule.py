"""The rule that makes cohorts: in the address, the same on every page; its editor, its words, and samples pinned by hand."""

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from analysis.cohorts import VALUES, CohortRule
from components import state

SHARES = {0.25: "quarters", 0.5: "halves"}
CUTS = ("Share of samples", "Score value")


def current(default_by: str = "CUD") -> CohortRule:
    """The rule in the address: by default, quarters of the samples by `default_by`. One that cannot be used is said to be so.

    The rule "Outcome" needs runs: see `fitting`.
    """
    try:
        return _read(default_by)
    except ValueError as error:
        for name in state.COHORTS:
            state.keep(name, None)
        st.error(f"The cohorts in this address cannot be used. Showing quarters by {default_by}.")
        st.text(str(error))  # as text: an address is written by anybody
        return CohortRule(default_by)


def fitting(rule: CohortRule, has_outcome: bool) -> CohortRule:
    """The rule, or with a notice its like by CUD, also in the address, where it ranks by outcome and there is none."""
    if rule.by != "Outcome" or has_outcome:
        return rule
    st.info("Cohorts by outcome need an unlearning run of this study that forgot. Showing cohorts by CUD instead.")
    by_cud = replace(rule, by="CUD", limits=None)
    write(by_cud)
    return by_cud


def write(rule: CohortRule) -> None:
    """Put the rule into the address, and into those of the pages to come."""
    limits = None if rule.limits is None else ",".join(map(repr, rule.limits))
    percent = None if limits or rule.share == 0.25 else f"{100 * rule.share:g}"
    values = (rule.by, percent, limits, ",".join(rule.easy), ",".join(rule.hard))
    for name, value in zip(state.COHORTS, values, strict=True):
        state.keep(name, value or None)


def words(rule: CohortRule) -> str:
    """`quarters by CUD rank`, for captions."""
    by = {"Outcome": "outcome"}.get(rule.by, rule.by)
    if rule.limits is not None:
        first, second = ("easy", "hard") if VALUES[rule.by][1] > 0 else ("hard", "easy")
        low, high = sorted(rule.limits)
        said = f"{first} up to {low:.3g} and {second} from {high:.3g} by {by}{' rank' if by == 'outcome' else ''}"
    else:
        said = f"{SHARES.get(rule.share, f'hardest and easiest {rule.share:.0%}')} by {by} rank"
    n = len(rule.easy) + len(rule.hard)
    return said + (f", {n} sample{'' if n == 1 else 's'} pinned by hand" if n else "")


def edit(table: pd.DataFrame, *, key: str, default_by: str = "CUD") -> CohortRule:
    """Widgets for the rule, which they keep in the address; `table` as `cohorts.assign` takes it. Returns the rule to use."""
    rule = fitting(current(default_by), "rank_outcome" in table)
    names = {part: f"{key}_{part}" for part in ("by", "cut", "share", "low", "high")}
    for part, value in _values(rule).items():
        st.session_state[names[part]] = value

    def changed(moved: str = "") -> None:
        write(_chosen(rule, table, {part: st.session_state.get(name) for part, name in names.items()}, moved))

    by, cut, *ends = st.columns([6, 6, 8] if rule.limits is None else [6, 6, 4, 4], gap="medium")
    offered = [by for by in VALUES if f"rank_{by.lower()}" in table]
    by.segmented_control("Cohorts by", offered, required=True, key=names["by"], on_change=changed)
    cut.segmented_control("Cut by", CUTS, required=True, key=names["cut"], on_change=changed)
    if rule.limits is None:
        ends[0].slider("Share at each end", 5, 50, step=5, format="%d%%", key=names["share"], on_change=changed)
        return rule
    first, second = ("Easy", "Hard") if VALUES[rule.by][1] > 0 else ("Hard", "Easy")
    for place, part, label in zip(ends, ("low", "high"), (f"{first} up to {rule.by}", f"{second} from {rule.by}"), strict=True):
        place.number_input(label, step=_step(table, rule.by), format="%.4g", key=names[part], on_change=changed, args=(part,))
    return rule


def pin(rule: CohortRule, sample_id: str, *, key: str) -> None:
    """Put the selected sample into a cohort by hand, or leave it to the rule again."""
    now = "easy" if sample_id in rule.easy else "hard" if sample_id in rule.hard else "none"
    st.session_state[key] = now

    def changed() -> None:
        pins = {side: tuple(name for name in getattr(rule, side) if name != sample_id) for side in ("easy", "hard")}
        if (side := st.session_state[key]) in pins:
            pins[side] += (sample_id,)
        write(replace(rule, **pins))

    st.segmented_control("Pin selected sample to", ["hard", "easy", "none"], required=True, key=key, on_change=changed)


def unpin(rule: CohortRule, *, key: str) -> None:
    """A button that gives all pinned samples back to the rule; nothing where none is pinned."""
    if n := len(rule.easy) + len(rule.hard):
        st.button(f"Unpin all ({n})", key=key, on_click=write, args=(replace(rule, easy=(), hard=()),))


def _read(default_by: str) -> CohortRule:
    """Raises ValueError where the address does not say a rule."""
    by, percent, limits, easy, hard = (state.parameter(name) for name in state.COHORTS)
    try:
        share = float(percent or 25) / 100
        ends = None if limits is None else tuple(float(end) for end in limits.split(","))
    except ValueError:
        ends, share = (), 0.0
    if ends is not None and len(ends) != 2 or not share:
        raise ValueError(f"expected cohort_percent=25 or cohort_limits=0.3,0.7 (easy, hard), got {percent!r} and {limits!r}")
    pins = (tuple(filter(None, (pinned or "").split(","))) for pinned in (easy, hard))
    return CohortRule(by or default_by, share, ends, *pins)


def _values(rule: CohortRule) -> dict[str, Any]:
    """What each widget shows."""
    values: dict[str, Any] = {"by": rule.by, "cut": CUTS[rule.limits is not None]}
    if rule.limits is None:
        return values | {"share": min(50, max(5, round(20 * rule.share) * 5))}
    return values | dict(zip(("low", "high"), sorted(rule.limits), strict=True))


def _chosen(rule: CohortRule, table: pd.DataFrame, shown: dict[str, Any], moved: str) -> CohortRule:
    """The rule that the widgets now show. Limits of another score start at its quartiles; one `moved` over the other pushes it on."""
    by = shown["by"]
    if shown["cut"] == CUTS[0]:
        return replace(rule, by=by, limits=None, share=rule.share if shown["share"] is None else shown["share"] / 100)
    if by == rule.by and rule.limits is not None:
        low, high = shown["low"], shown["high"]
    else:
        low, high = (float(f"{end:.4g}") for end in table[VALUES[by][0]].quantile([0.25, 0.75]))
    if low >= high:
        low, high = (low, low + _step(table, by)) if moved != "high" else (high - _step(table, by), high)
    return replace(rule, by=by, limits=(low, high) if VALUES[by][1] > 0 else (high, low))


def _step(table: pd.DataFrame, by: str) -> float:
    """About a hundredth of the range of a score."""
    values = table[VALUES[by][0]]
    return float(f"{(values.max() - values.min()) / 100:.1g}") or 0.01
