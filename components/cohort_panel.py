"""Easy against hard samples: who is in the cohorts, how their circuits differ, and how much of that chance would give."""

import pandas as pd
import streamlit as st

from analysis.circuit import Circuit
from analysis.cohorts import cohorts
from components import cached, cohort_plot

PLAIN = {"displayModeBar": False}
NAMES = {
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
Each cohort holds the chosen share of samples from one end of the difficulty ranks. Read-outs are taken on the full
circuits, not on the edges drawn. Intervals are 95% bootstrap percentile intervals of the mean (2,000 resamples). Cliff's
delta is the chance that a hard sample lies above an easy one, less the chance that it lies below. p comes from 2,000
label permutations of the difference in means, and is corrected for the five read-outs after Holm. The control draws
random cohorts of the same size from all scored samples: the violet areas hold 95% of what they give.
"""


def controls(scores: list[str]) -> tuple[str, float]:
    """What to rank by (at first the first), and the share of the samples in each cohort."""
    left, right = st.columns(2)
    bound = {"bind": "query-params"}
    score = left.segmented_control("Rank by", scores, default=scores[0], required=True, key="rank_by", **bound)
    percent = right.slider("Samples in each cohort", 5, 50, 25, 5, format="%d%%", key="cohort_share", **bound)
    return score, percent / 100


def show(circuits: dict[str, Circuit], table: pd.DataFrame, boundary: int) -> None:
    """Compare the circuits of the easy and the hard end of a ranking; `table` holds scores and, with runs, `rank_outcome`."""
    score, share = controls([name for name in ("Outcome", "CUD", "MRD") if f"rank_{name.lower()}" in table])
    st.caption(NOTES[score])
    scored = table.set_index("sample_id")
    cohort = cohorts(scored[f"rank_{score.lower()}"], share)
    chosen = [circuits[sample] for sample in scored.index]
    profile, mix, effects = cached.cohort_tables(chosen, cohort, boundary)
    left, right = st.columns(2)
    with left:
        st.markdown("**Where the score mass ends**")
        st.plotly_chart(cohort_plot.layer_profile(profile, boundary), key="layer_profile", theme=None, config=PLAIN)
    with right:
        st.markdown("**Which kinds of edges carry it**")
        st.plotly_chart(cohort_plot.edge_mix(mix), key="edge_mix", theme=None, config=PLAIN)
    st.markdown("**How deep and how long**")
    st.markdown(verdict(effects, score))
    st.plotly_chart(cohort_plot.effects(effects, NAMES), key="effects", theme=None, config=PLAIN)
    st.dataframe(effects_table(effects), hide_index=True, alt="Depth read-outs of the easy and the hard cohort")
    n_easy, n_hard = effects[["n_easy", "n_hard"]].max()
    st.caption(f"n = {n_easy} easy and {n_hard} hard samples; means with 95% intervals. Chance: random pairs of cohorts.")
    st.download_button("Comparison as CSV", effects.to_csv, "easy-vs-hard.csv", "text/csv", on_click="ignore")


def verdict(effects: pd.DataFrame, score: str) -> str:
    """One sentence: which read-outs differ by more than chance."""
    if effects["p_value"].isna().all():
        return "Too few samples to compare."
    differ = effects[effects["p_holm"] < 0.05]
    if differ.empty:
        return f"No read-out differs between samples easy and hard by {score} (Holm-corrected p of at least 0.05)."
    words = [f"{NAMES[v].lower()} is {'larger' if d > 0 else 'smaller'}" for v, d in differ["difference"].items()]
    rest = "" if len(differ) == len(effects) else " No difference can be told for the others."
    return f"In samples that are hard by {score}, {', '.join(words)} (Holm-corrected p below 0.05).{rest}"


def effects_table(effects: pd.DataFrame) -> pd.DataFrame:
    """`compare` as text a reader can quote: mean [95% interval] per cohort, difference, effect size, control, p."""
    def with_interval(name: str) -> pd.Series:
        return effects.apply(lambda row: f"{row[name]:.2f} [{row[name + '_low']:.2f}, {row[name + '_high']:.2f}]", axis=1)

    return pd.DataFrame({
        "Read-out": [NAMES[value] for value in effects.index],
        "Easy": with_interval("easy"), "Hard": with_interval("hard"), "Hard - easy": with_interval("difference"),
        "Cliff's delta": effects["cliffs_delta"].map("{:+.2f}".format),
        "Chance": effects["chance_delta"].map("within {:.2f}".format),
        "p (Holm)": effects["p_holm"].map("{:.4f}".format),
    })
