"""Two cohorts of samples: who is in them, how their circuits differ, and how much of that chance would give."""

import pandas as pd
import streamlit as st

from analysis import cohorts, comparison
from analysis.atomic import csv_bytes
from analysis.circuit import Circuit
from analysis.figures import interval
from components import cached_pairs, cohort_plot, cohort_rule, frequency_panel
from components.cohort_plot import NAMES

PLAIN = {"displayModeBar": False}
READOUTS = {
    "mean_layer": "Mean layer", "late_share": "Late share of |score|", "mean_span": "Mean span (layers)",
    "mean_path": "Mean path (edges)", "longest_path": "Longest path (edges)",
}
NOTES = {
    "Outcome": "Outcome: rank by answer loss after this study's unlearning runs, all methods alike. It never looks at circuits.",
    "MRD": "MRD: how little the answer moves when the weights do. It never looks at circuits.",
    "CUD": "CUD measures how close a sample's circuit is to that of hard samples, so cohorts by CUD differ in their circuits in "
           "part by construction: compare with MRD and the outcome.",
}
EXPLANATION = """
*Two cohorts*: read-outs are taken on the full circuits, not on the edges drawn. Intervals are 95% bootstrap percentile intervals of the
mean (2,000 resamples). Cliff's delta is the chance that a sample of the second cohort lies above one of the first, less the chance that
it lies below. p comes from 2,000 label permutations of the difference in means, and is corrected for the five read-outs after Holm. The
control draws random cohorts of the same size from all scored samples: the shaded areas hold 95% of what they give. *All others* are
the scored samples outside the other cohort; *Random* is drawn (seed 0) from those outside it: as many as it has, at most half of
them. *Pinned easy* and *Pinned hard*, offered where samples were pinned by hand on Difficulty, hold these alone, and *Easy* and *Hard*
then the others.
"""


def show(circuits: dict[str, Circuit], table: pd.DataFrame, boundary: int, least: int) -> None:
    """Compare the circuits of two cohorts; `table` holds scores and, with runs, `rank_outcome`. `least`: see `frequency_panel`."""
    default_by = "Outcome" if "rank_outcome" in table else "CUD"
    names = choose(cohort_rule.current(default_by))
    rule = cohort_rule.edit(table, key="pair_cohorts", default_by=default_by)
    if names[0] == names[1]:
        st.info("The same cohort is on both sides. Choose another for one of them.")
        return
    cohort = comparison.two_cohorts(_with_pinned(cohorts.assign(table, rule), rule, names), names)
    sizes = {name: int((cohort == name).sum()) for name in names}
    if min(sizes.values()) < 2:
        small = min(sizes, key=sizes.get)
        st.info(f"The cohort {NAMES[small].lower()} has {sizes[small]} sample{'' if sizes[small] == 1 else 's'}: to compare takes 2 or "
                "more. Choose a larger share, or another cohort.")
        return
    if "random" in names:
        st.caption(f"Random: {sizes['random']} samples drawn from all those outside the other cohort, the same ones each time.")
    chosen = [circuits[sample] for sample in cohort.index]
    profile, mix, effects = cached_pairs.cohort_tables(chosen, cohort, names, boundary)
    st.markdown(verdict(effects, names))
    frequency_panel.show(chosen, cohort, names, boundary, least)
    st.caption(f"Easy and hard are {cohort_rule.words(rule)}. {NOTES[rule.by]}")
    charts(profile, mix, names, boundary)
    depth(effects, names)


def choose(rule: cohorts.CohortRule) -> tuple[str, str]:
    """The two cohorts, kept in the URL, and a button that swaps them; those pinned by hand are offered where there are some."""
    offered = [name for name in NAMES if not name.startswith("pinned_") or getattr(rule, name.removeprefix("pinned_"))]
    for key, default in (("cohort_a", "easy"), ("cohort_b", "hard")):
        if st.session_state.get(key, default) not in offered:  # it was unpinned
            st.session_state[key] = default
    left, middle, right = st.columns([9, 2, 9], vertical_alignment="bottom")
    first, second = _one(left, "First cohort", offered, "easy", "cohort_a"), _one(right, "Second cohort", offered, "hard", "cohort_b")
    middle.button("Swap", width="stretch", key="swap_cohorts", on_click=_swap, args=(first, second))
    return first, second


def _one(place, label: str, offered: list[str], default: str, key: str) -> str:
    kept = {"format_func": NAMES.get, "key": key, "bind": "query-params"}
    if len(offered) > 5:  # they would not fit beside each other
        return place.selectbox(label, offered, offered.index(default), **kept)
    return place.segmented_control(label, offered, default=default, required=True, **kept)


def _swap(first: str, second: str) -> None:
    st.session_state["cohort_a"], st.session_state["cohort_b"] = second, first


def _with_pinned(cohort: pd.Series, rule: cohorts.CohortRule, names: tuple[str, str]) -> pd.Series:
    """`cohorts.assign` with those pinned by hand as cohorts of their own, where they are asked for."""
    for name, ids in (("pinned_easy", rule.easy), ("pinned_hard", rule.hard)):
        if name in names:
            cohort = cohort.mask(cohort.index.isin(ids), name)
    return cohort


def charts(profile: pd.DataFrame, mix: pd.DataFrame, names: tuple[str, str], boundary: int) -> None:
    left, right = st.columns(2)
    with left:
        st.markdown("**Where the score mass ends**")
        st.plotly_chart(cohort_plot.layer_profile(profile, names, boundary), key="layer_profile", theme=None, config=PLAIN)
    with right:
        st.markdown("**Which kinds of edges carry it**")
        st.plotly_chart(cohort_plot.edge_mix(mix, names), key="edge_mix", theme=None, config=PLAIN)


def depth(effects: pd.DataFrame, names: tuple[str, str]) -> None:
    """The read-outs as a chart, as a table and as a file."""
    first, second = (NAMES[name].lower() for name in names)
    st.markdown("**How deep and how long**")
    st.plotly_chart(cohort_plot.effects(effects, READOUTS, names), key="effects", theme=None, config=PLAIN)
    st.dataframe(effects_table(effects, names), hide_index=True, alt="Depth read-outs of the two cohorts")
    n_first, n_second = effects[[f"n_{name}" for name in names]].max()
    st.caption(f"n = {n_first} {first} and {n_second} {second} samples; means with 95% intervals. Chance: random pairs of cohorts.")
    name = f"{names[0]}-vs-{names[1]}.csv"
    st.download_button("Comparison as CSV", lambda: csv_bytes(effects.reset_index()), name, "text/csv", on_click="ignore")


def verdict(effects: pd.DataFrame, names: tuple[str, str]) -> str:
    """One sentence: which read-outs differ by more than chance."""
    first, second = (NAMES[name].lower() for name in names)
    if effects["p_value"].isna().all():
        return "Too few samples to compare."
    differ = effects[effects["p_holm"] < 0.05]
    if differ.empty:
        return f"**No depth read-out differs** between {first} and {second} samples (Holm-corrected p of at least 0.05)."
    words = [f"{READOUTS[value].lower()} is {'larger' if gap > 0 else 'smaller'}" for value, gap in differ["difference"].items()]
    rest = "" if len(differ) == len(effects) else " No difference can be told for the others."
    return f"**In {second} samples, {', '.join(words)}** than in {first} ones (Holm-corrected p below 0.05).{rest}"


def effects_table(effects: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """`compare` as text a reader can quote: mean and 95% interval per cohort, difference, effect size, control, p."""
    def with_interval(name: str) -> pd.Series:
        return effects.apply(lambda row: interval(row[name], row[f"{name}_low"], row[f"{name}_high"]), axis=1)

    first, second = (NAMES[name] for name in names)
    return pd.DataFrame({
        "Read-out": [READOUTS[value] for value in effects.index],
        first: with_interval(names[0]), second: with_interval(names[1]),
        f"{second} - {first.lower()}": with_interval("difference"),
        "Cliff's delta": effects["cliffs_delta"].map("{:+.2f}".format),
        "Chance": effects["chance_delta"].map("within {:.2f}".format),
        "p (Holm)": effects["p_holm"].map("{:.4f}".format),
    })
