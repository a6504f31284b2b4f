"""Difficulty: every sample's CUD and MRD, and whether they foretell what unlearning does."""

import streamlit as st

from analysis import cohorts, statistics, validity
from components import cached, cohort_rule, difficulty_plot, layout, mrd_panel, score_form, score_table, state, validity_panel

study = layout.begin("Difficulty", "Which memories will resist unlearning, and can that be told before it is tried?")
found = cached.scores(study)
if found is None:
    score_form.show(study)
    st.stop()

scores, details = found
observed = cached.observed(study)
ranked = scores if observed is None else scores.assign(rank_outcome=scores["sample_id"].map(observed).rank(method="first"))
rule = cohort_rule.edit(ranked, key="cohort")
cohort = cohorts.assign(ranked, rule)
table = scores.assign(cohort=scores["sample_id"].map(cohort)).sort_values("rank_cud", kind="stable")
if observed is not None:
    table["observed_rank"] = table["sample_id"].map(observed)
st.caption(
    "Cohorts hold all samples: every CUD is held out by cross-fitting. Each half of the set was unlearned alone and gave the anchors "
    "that score the other half, so no sample's score has seen what unlearning did to it. Places are ranked within the halves."
)
score_form.anchor_warning(details)
score_form.mrd_warning(scores)
selected = state.sample_id(table["sample_id"].tolist())

score_table.show(table, key="difficulty_table")
row = table.set_index("sample_id").loc[selected]
left, right = st.columns([4, 1], vertical_alignment="center")
left.caption("Selected on every page; choose another row or point to change it.")
left.text(f"{row['question']}  {row['answer']}")
with right:
    st.page_link("pages/circuits.py", label="See its circuit", query_params=state.carried())

st.subheader("Do CUD and MRD agree?")
value, low, high = statistics.spearman(-table["rank_cud"].to_numpy(), -table["rank_mrd"].to_numpy())
if value == value:
    st.caption(f"Spearman {value:.2f} (95% interval {low:.2f} to {high:.2f}, n={len(table)}). High CUD and low MRD both mean hard.")
else:
    st.warning("One of the scores is the same for all samples, so it ranks nothing: no cohorts by it, and no agreement to show.")
scatter, apart = st.columns([3, 2])
with scatter:
    difficulty_plot.selectable(difficulty_plot.scatter_figure(table, selected), key="difficulty_scatter")
with apart:
    st.caption("Where they disagree most")
    score_table.show(validity.disagreement(table).head(30), key="disagreement_table", narrow=True)
for place, column, title in zip(st.columns(2), ("cud", "mrd"), ("CUD (high = hard)", "MRD (low = hard)"), strict=True):
    place.plotly_chart(difficulty_plot.histogram_figure(table, column, title), theme=None, key=f"histogram_{column}")

st.subheader("Does a score predict the outcome?")
validity_panel.show(study)

st.subheader("How sensitive is MRD to sigma and to the number of pairs?")
mrd_panel.show(study, details)

st.download_button("Download scores (CSV)", scores.to_csv(index=False), f"{study.slug}-scores.csv", "text/csv")
with st.expander("How this is computed"):
    st.markdown(score_form.EXPLANATION)
    st.json({k: v for k, v in details.items() if k not in ("folds", "anchors", "anchor_losses")})
