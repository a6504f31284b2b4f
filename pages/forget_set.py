"""Forget set: the model and the samples of a study, and how to bring one's own."""

import streamlit as st

from analysis import dataset
from components import layout, state, study_card, study_form

study = layout.begin("Forget set", "Which model is examined, what shall it forget, and what must it keep?")

study_card.model(study)
st.subheader("Samples")
for name, place, path in zip(("forget", "retain"), st.tabs(["To forget", "To keep"]), (study.forget, study.retain), strict=True):
    with place:
        try:
            samples, errors = dataset.read_samples(path)
        except dataset.DataError as error:
            layout.problem("This set cannot be read.", str(error))
            continue
        study_card.samples(samples, errors, key=f"{name}_samples")

st.subheader("Bring your own model and data")
created = study_form.show(key="own")
if created:
    state.select_study(created)
    st.switch_page(layout.PAGES["Difficulty"], query_params={"study": created})
