"""Difficulty: every sample's CUD and MRD, and whether they foretell what unlearning does."""

import contextlib

import streamlit as st

from analysis import atomic, cohorts, report_rerun
from components import (
    cached,
    cohort_rule,
    difficulty_words,
    layout,
    mrd_panel,
    sample_picker,
    score_form,
    score_panel,
    state,
    validity_panel,
)

TABS = ("Every sample", "CUD against MRD", "Prediction of the outcome", "Noise of MRD")

study = layout.begin("Difficulty", "Which memories will resist unlearning, and can that be told before it is tried?")
try:
    found = cached.scores(study)
except ValueError as error:
    layout.problem("The scores of this study cannot be read.", str(error))
    st.stop()
if found is None:
    score_form.show(study)
    st.stop()

scores, details = found
ranked = sample_picker.ranked(scores, set(scores["sample_id"]), cached.observed(study))
headline = st.container()
rule = cohort_rule.edit(ranked, key="cohort")
cohort = cohorts.assign(ranked, rule)
tested = None
with contextlib.suppress(ValueError):  # said below, where it matters
    tested = cached.held_out(study)
main = None if tested is None else tested[tested["analysis"] == "main"]
left = cached.left_after_runs(study)
headline.markdown(difficulty_words.takeaway(rule, cohort, left, main, len(cached.counted(study))))
score_form.anchor_warning(study, details)
score_form.mrd_warning(scores)

table = ranked.assign(cohort=ranked["sample_id"].map(cohort)).sort_values("rank_cud", kind="stable")
selected = state.parameter("sample")
selected = selected if selected in set(table["sample_id"]) else None
score_panel.selection(table, rule, selected)

every, agree, outcome, noise = st.tabs(TABS, key="show", on_change="rerun", bind="query-params")  # only the open one is computed
if every.open:
    with every:
        score_panel.samples(table, rule, selected)
if agree.open:
    with agree:
        score_panel.agreement(table, selected)
if outcome.open:
    with outcome:
        validity_panel.show(study)
if noise.open:
    with noise:
        mrd_panel.show(study, details)

st.download_button("Download scores (CSV)", atomic.csv_bytes(table), f"{study.slug}-scores.csv", "text/csv", on_click="ignore")
record = {key: value for key, value in details.items() if key not in ("folds", "anchors", "anchor_losses")}
layout.computed(score_form.EXPLANATION, record, report_rerun.of_scores(study, details.get("config") or {}))
