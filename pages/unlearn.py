"""Unlearn: start a run, watch every memory while it goes, stop it."""

import streamlit as st

from analysis import jobs, outcomes
from components import cached, job_progress, job_words, layout, queue_panel, run_form, run_like, run_preview, state

EXPLANATION = """
A run trains a copy of the model with the settings of the form; the model itself is never changed. A memory's probability is exp(-NLL),
with the NLL averaged over the answer's tokens; all memories are measured before the first step and after every epoch. The time is that
of earlier runs of the same method, the memory a sum over weights, gradients, optimiser and activations. Start runs the command shown
below the form, so the same on the command line gives the same run. The work goes on when this page is closed, and the address of this
page leads back to it.
"""

study = layout.begin("Unlearn", "What happens to each memory while the model is made to forget?")
try:
    known = cached.described(study)
except ValueError as error:
    layout.problem("The forget set cannot be read.", str(error))
    st.stop()

run_like.fill(study, key="unlearn")
method = run_form.choose_method(key="unlearn")
start = st.container()
form, watch = st.columns([2, 3], gap="large")
with form:
    request = run_form.show(study, cached.run_records(study), method, start, key="unlearn")
with start:
    if request:
        try:
            state.set_parameter("job", jobs.submit("unlearn", request.arguments, request.output))
        except ValueError as error:
            layout.problem("The run was not started.", str(error))
        else:
            st.rerun()  # the form offers another name now, and says how many are before it

known_jobs = jobs.jobs()
active = next((job.id for job in reversed(known_jobs) if job.active and job_words.study(job) == study.slug), None)
chosen = state.parameter("job") or active
with watch:
    if chosen is None:
        run_preview.show(study, method, known)
    else:
        state.set_parameter("job", chosen)
        try:
            job_progress.show(chosen, known, key="unlearn")
        except ValueError as error:
            layout.problem("This job cannot be shown. Select another below, or start a run.", str(error))

queue_panel.show(key="unlearn")
if ended := [job for job in known_jobs if not job.active]:
    st.header("Earlier jobs")
    queue_panel.earlier(ended, chosen, key="unlearn_jobs")
layout.computed(EXPLANATION, {"study": study.slug, "earlier runs": list(outcomes.by_id(cached.run_records(study)))})
