"""Forget set: the model and the samples of a study, and how to bring one's own."""

import streamlit as st

from analysis import dataset, studies
from components import cached, layout, state, study_card, study_form, study_model

EXPLANATION = """
A sample is a question with its answer, or the beginning of a text and how it goes on; its id is a hash of both, so it survives
reordering. A row that lacks one of them, repeats an earlier one or is longer than the model reads is left out and listed. Parameters
are counted from the shapes in the headers of the safetensors: no weight is read and no model is loaded for this page. Memory is their
number times 4 bytes (float32) or 2 (bfloat16, float16). It is computed on a CUDA GPU where there is one.
"""
SETS = {"forget": "To forget", "retain": "To keep"}

study = layout.begin("Forget set", "Which model is examined, what shall it forget, and what must it keep?")

found, problems = {}, {}
for name, path in zip(SETS, (study.forget, study.retain), strict=True):
    try:
        found[name] = cached.sample_set(path)
    except dataset.DataError as error:
        problems[name] = str(error)

samples = found["forget"][0] if "forget" in found else []
study_model.show(study, next((s for s in samples if s.id == state.parameter("sample")), samples[0] if samples else None))
st.header("Samples")
sources = studies.sources(study)
tabs = st.tabs(list(SETS.values()), key="set", on_change="rerun", bind="query-params")  # only the open one is drawn
for name, place, path in zip(SETS, tabs, (study.forget, study.retain), strict=True):
    if not place.open:
        continue
    with place:
        if name in problems:
            layout.problem("This set cannot be read.", problems[name])
            continue
        if name in sources:
            study_card.origin(sources[name])
        study_card.samples(*found[name], key=f"{name}_samples", selects=name == "forget")
        file = f"{study.slug}-{name}{path.suffix}"
        st.download_button("Download this set", path.read_bytes, file, on_click="ignore", key=f"{name}_file")
study_card.left_out(study)

st.header("Bring your own model and data")
created = study_form.show(key="own")
if created:
    state.select_study(created)
    st.switch_page(layout.PAGES["Difficulty"], query_params={"study": created})
hashes = {name: dataset.samples_hash(samples) for name, (samples, _) in found.items()}
layout.computed(EXPLANATION, {"study": study.slug, "hashes of the samples": hashes})
