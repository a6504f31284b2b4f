"""Forget set: the model and the samples of a study, and how to bring one's own."""

import streamlit as st

from analysis import dataset, studies
from components import layout, state, study_card, study_form

EXPLANATION = """
A sample is a question with its answer, or the beginning of a text and how it goes on; its id is a hash of both, so it survives
reordering. A row that lacks one of them, repeats an earlier one or is longer than the model reads is left out and listed. Parameters
are counted from the shapes in the headers of the safetensors: no weight is read and no model is loaded for this page. Memory is their
number times 4 bytes (float32) or 2 (bfloat16).
"""
SETS = {"forget": "To forget", "retain": "To keep"}

study = layout.begin("Forget set", "Which model is examined, what shall it forget, and what must it keep?")

study_card.model(study)
st.header("Samples")
hashes, sources = {}, studies.sources(study)
left_out = study.forget.with_name(studies.LEFT_OUT)
tabs = st.tabs(list(SETS.values()), key="set", on_change="rerun", bind="query-params")
for name, place, path in zip(SETS, tabs, (study.forget, study.retain), strict=True):
    with place:
        try:
            samples, errors = dataset.read_samples(path)
        except dataset.DataError as error:
            layout.problem("This set cannot be read.", str(error))
            continue
        hashes[name] = dataset.samples_hash(samples)
        if name in sources:
            study_card.origin(sources[name])
        study_card.samples(samples, errors, key=f"{name}_samples", selects=name == "forget")
        file = f"{study.slug}-{name}{path.suffix}"
        st.download_button("Download this set", path.read_bytes, file, on_click="ignore", key=f"{name}_file")
if sources and left_out.is_file():
    table = left_out.read_bytes()
    st.download_button("Download the rows that were left out", table, f"{study.slug}-left-out.csv", on_click="ignore", key="left_out")

st.header("Bring your own model and data")
created = study_form.show(key="own")
if created:
    state.select_study(created)
    st.switch_page(layout.PAGES["Difficulty"], query_params={"study": created})
layout.computed(EXPLANATION, {"study": study.slug, "hashes of the samples": hashes})
