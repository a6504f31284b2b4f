"""The rule that makes cohorts: in the address, the same on every page; its editor, its words, and samples pinned by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from analysis.cohorts import VALUES, CohortRule
from components import state

SHARES = {0.25: "quarters", 0.5: "halves"}
CUTS = ("Share of samples", "Score value")
N_STOPS = 200  # places at which the limits can stand, at most


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
    """The rule, or with a notice its like by CUD where it ranks by outcome and there is none."""
    if rule.by != "Outcome" or has_outcome:
        return rule
    st.info("Cohorts by outcome need an unlearning run of this study that forgot. Showing cohorts by CUD instead.")
    return replace(rule, by="CUD", limits=None)


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
    offered = [by for by in VALUES if f"rank_{by.lower()}" in table]
    stops = _stops(table, rule.by)
    parts = {part: f"{key}_{part}" for part in ("by", "cut", "share", "limits")}
    st.session_state.update(_values(parts, rule, stops))

    def changed() -> None:
        shown: dict[str, Any] = {part: st.session_state[name] for part, name in parts.items() if name in st.session_state}
        chosen = replace(rule, by=shown["by"], limits=None, share=shown["share"] / 100 if "share" in shown else rule.share)
        if shown["cut"] == CUTS[1]:
            same = shown["by"] == rule.by and rule.limits is not None
            ends = shown["limits"] if same else tuple(np.quantile(_stops(table, chosen.by), [0.25, 0.75]).tolist())
            chosen = replace(chosen, limits=_apart(*ends, _stops(table, chosen.by), VALUES[chosen.by][1]))
        write(chosen)

    by, cut, size = st.columns([3, 3, 4], gap="medium")
    by.segmented_control("Cohorts by", offered, required=True, key=parts["by"], on_change=changed)
    cut.segmented_control("Cut by", CUTS, required=True, key=parts["cut"], on_change=changed, disabled=len(stops) < 2)
    if rule.limits is None:
        size.slider("Share in the hard and in the easy cohort", 5, 50, step=5, format="%d%%", key=parts["share"], on_change=changed)
    else:
        size.select_slider(_limits_label(rule.by), stops, key=parts["limits"], format_func="{:.3g}".format, on_change=changed)
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


def _values(parts: dict[str, str], rule: CohortRule, stops: list[float]) -> dict[str, Any]:
    """What each widget shows; limits at the stops nearest to them."""
    values: dict[str, Any] = {parts["by"]: rule.by, parts["cut"]: CUTS[rule.limits is not None]}
    if rule.limits is None:
        return values | {parts["share"]: min(50, max(5, round(20 * rule.share) * 5))}
    return values | {parts["limits"]: tuple(min(stops, key=lambda stop: abs(stop - end)) for end in sorted(rule.limits))}


def _stops(table: pd.DataFrame, by: str) -> list[float]:
    """The values that samples have, thinned to N_STOPS."""
    found = np.unique(table[VALUES[by][0]].dropna().to_numpy(dtype=float))
    return found[np.unique(np.linspace(0, len(found) - 1, min(N_STOPS, len(found))).round().astype(int))].tolist()


def _apart(low: float, high: float, stops: list[float], sign: int) -> tuple[float, float]:
    """Limits (easy, hard) that do not meet: handles on one stop are moved to two neighbours."""
    if low == high:
        place = min(stops.index(low), len(stops) - 2)
        low, high = stops[place], stops[place + 1]
    return (low, high) if sign > 0 else (high, low)


def _limits_label(by: str) -> str:
    first, second = ("Easy", "hard") if VALUES[by][1] > 0 else ("Hard", "easy")
    return f"{first} up to, {second} from ({'outcome rank' if by == 'Outcome' else by})"
