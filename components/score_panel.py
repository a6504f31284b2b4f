"""The scores of all samples: the table with its histograms, and whether the two scores agree."""

import pandas as pd
import streamlit as st

from analysis import statistics, validity
from analysis.cohorts import CohortRule
from components import cohort_rule, difficulty_plot, difficulty_words, score_table, state
from components.formats import rank_in_words
from components.links import PAGES

HISTOGRAMS = {"cud": "CUD (0 = like the easy anchor, 1 = like the hard one)", "mrd": "MRD (low = hard)"}
HALVES = (
    "Both scores are without unit. CUD is held out: each half of the set was unlearned alone and gave the anchors that score the other "
    "half, so no sample's score has seen what unlearning did to it. The anchors differ, so each half has its own scale and is ranked "
    "by itself."
)
N_APART = 30


def samples(table: pd.DataFrame, rule: CohortRule, selected: str | None) -> None:
    """The sortable table and how both scores are spread."""
    pinned = table["sample_id"].isin(rule.easy + rule.hard)
    score_table.show(table.assign(cohort=table["cohort"] + pinned.map({True: " *", False: ""})), selected, key="difficulty_table")
    for place, (column, title) in zip(st.columns(2, gap="medium"), HISTOGRAMS.items(), strict=True):
        figure = difficulty_plot.histogram_figure(table, rule, column, title, selected)
        place.plotly_chart(figure, theme=None, key=f"histogram_{column}", config={"displayModeBar": False})
    st.caption(f"{difficulty_plot.cut_off_words(table, rule)} {HALVES}")


def agreement(table: pd.DataFrame, selected: str | None) -> None:
    """CUD against MRD: Spearman with its interval, every sample as a point, and those on which they disagree most."""
    value, low, high = statistics.spearman(-table["rank_cud"].to_numpy(), -table["rank_mrd"].to_numpy())
    if value == value:
        said = "agree" if low > 0 else "contradict each other" if high < 0 else "cannot be told to agree"
        st.markdown(
            f"**The two scores {said}**: Spearman {value:.2f} (95% interval {low:.2f} to {high:.2f}, n={len(table)}). High CUD and low "
            "MRD both mean hard; on the diagonal they give a sample the same place."
        )
    else:
        st.warning("One of the scores is the same for all samples, so it ranks nothing: no cohorts by it, and no agreement to show.")
    scatter, apart = st.columns([5, 7], gap="medium")
    with scatter:
        difficulty_plot.selectable(difficulty_plot.scatter_figure(table, selected), key="difficulty_scatter")
    with apart:
        _disagreement(table, selected)


def _disagreement(table: pd.DataFrame, selected: str | None) -> None:
    """The samples to which the scores give the most different places, and which of the two the outcome sided with."""
    st.markdown("**Where they disagree most**")
    furthest = validity.disagreement(table).head(N_APART)
    if "rank_outcome" in table:
        furthest["rank_outcome"] = furthest["sample_id"].map(table.set_index("sample_id")["rank_outcome"])
        st.markdown(difficulty_words.sided(furthest))
    score_table.show(furthest, selected, key="disagreement_table", narrow=True)
    st.caption(f"The {len(furthest)} samples with the largest gap. Negative: CUD calls it harder than MRD does.")


def selection(table: pd.DataFrame, rule: CohortRule, selected: str | None) -> None:
    """The sample selected on every page: what it is, where it stands, and pinning it by hand."""
    if selected is None:
        st.caption("Select a row or a point: that sample is then selected on every page, and can be pinned to a cohort.")
        return
    row = table.set_index("sample_id").loc[selected]
    text, pin, rest = st.columns([7, 3, 2], vertical_alignment="bottom")
    anchor = ["an anchor for the other half"] if str(row["cud_role"]).startswith("anchor") else []
    places = [f"{name}: {rank_in_words(table[f'rank_{name.lower()}'], row[f'rank_{name.lower()}'])}" for name in ("CUD", "MRD")]
    with text.container(gap=None):
        st.text(f"{row['question']} {row['answer']}")
        st.caption(f"Selected. {'; '.join(places + anchor)}; in the {row['cohort']} cohort")
    with pin:
        cohort_rule.pin(rule, selected, key="cohort_pin")
    with rest:
        cohort_rule.unpin(rule, key="cohort_unpin")
        st.page_link(PAGES["Circuit explorer"], label="See its circuit", query_params=state.carried())
