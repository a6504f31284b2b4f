"""A job as it goes: step of total, time left, live curves, log, cancel; and how it ended."""

import contextlib
import time
from typing import Any

import pandas as pd
import streamlit as st

from analysis import jobs, runs
from components import cohort_rule, demo_mode, layout, run_like, run_plot, state
from components.run_form import duration
from components.run_tables import job_name

RESUME = "--resume"  # of `unlearn`


def show(job_id: str, known: pd.DataFrame, *, key: str) -> None:
    """Draw the job; while it is queued or running, again every second. `known`: `runs.describe` of the study's samples.

    Raises ValueError if there is no such job.
    """
    job = jobs.status(job_id)
    if job.active:
        _live(job_id, known, key)
    else:
        _draw(job, known, key)


@st.fragment(run_every=1)
def _live(job_id: str, known: pd.DataFrame, key: str) -> None:
    job = jobs.status(job_id)
    if not job.active:
        st.rerun()  # the whole page once: the run table, the estimate and the end state depend on it
    _draw(job, known, key)


def _draw(job: jobs.Job, known: pd.DataFrame, key: str) -> None:
    progress = runs.read_progress(job.output)
    st.markdown(f"**{layout.escape(job_name(job))}**  ·  {job.state}")
    with st.container(horizontal=True):
        _buttons(job, key)
    {"queued": _queued, "running": _running}.get(job.state, _ended)(job, progress)
    trajectories, steps = runs.read_trajectories(job.output), runs.read_steps(job.output)
    if job.state != "queued" and len(trajectories):
        st.plotly_chart(run_plot.figure(trajectories, known, state.parameter("sample")), theme=None, key=f"{key}_memories")
        st.caption(
            f"Thin line: one memory. Bold: means. Hard and easy are {layout.escape(cohort_rule.words(cohort_rule.current()))}; a "
            "memory's own unlearning had no part in its CUD."
        )
    if job.state != "queued" and len(steps):
        st.plotly_chart(run_plot.losses_figure(steps), theme=None, key=f"{key}_losses")
    with st.expander("Command and log"):
        st.code(job.command, language="bash", wrap_lines=True)
        st.code(jobs.tail(job.id) or "nothing printed yet", language=None)


def _buttons(job: jobs.Job, key: str) -> None:
    same = "Fills the form with this run's settings; nothing starts."
    if job.kind == "unlearn" and st.button("Duplicate", key=f"{key}_like", help=same):
        state.set_parameter(run_like.PARAMETER, job.id)
        st.rerun()  # of the whole page: this may be in a fragment, which the form is not
    if demo_mode.on():  # a job is somebody's work
        return
    if job.active:
        if st.button("Cancel", key=f"{key}_cancel"):
            jobs.cancel(job.id)
    elif job.state != "done":
        anew = [word for word in job.arguments if word != RESUME]
        if job.resumable:
            help = "Goes on from the last checkpoint, to the same end as if it had never stopped."
            st.button("Resume", key=f"{key}_resume", help=help, on_click=_submit, args=(job, [*anew, RESUME]))
        st.button("Run again", key=f"{key}_again", on_click=_submit, args=(job, anew))


def _submit(job: jobs.Job, arguments: list[str]) -> None:
    with contextlib.suppress(ValueError):  # it was pressed twice: the first press did it
        state.set_parameter("job", jobs.submit(job.kind, arguments, job.output))


def _queued(job: jobs.Job, progress: dict[str, Any] | None) -> None:
    st.progress(0.0, text=f"Waiting in the queue, position {job.position}. It starts by itself; this page may be closed.")


def _running(job: jobs.Job, progress: dict[str, Any] | None) -> None:
    elapsed = time.time() - job.started
    if job.kind == "evaluate":
        st.progress(0.0, text=f"Evaluating · {duration(elapsed)} so far")
        st.text(jobs.tail(job.id, 1))
        return
    if progress is None and job.output.exists():  # written, the process is about to end
        st.progress(1.0, text=f"Saving the run · {duration(elapsed)} so far")
        return
    if progress is None:
        st.progress(0.0, text=f"Starting · {duration(elapsed)} so far")
        return
    if progress["phase"] == "saving":
        st.progress(1.0, text=f"Measuring and saving the run · {duration(elapsed)} so far")
        return
    step, n_steps = progress["step"], max(1, progress["n_steps"])
    text = f"Step {step} of {n_steps} · epoch {progress['epoch']} of {progress['n_epochs']} · {duration(elapsed)} so far"
    if 0 < step < n_steps:
        text += f" · about {duration(progress['seconds'] / step * (n_steps - step))} left"
    st.progress(min(1.0, step / n_steps), text=text)


def _ended(job: jobs.Job, progress: dict[str, Any] | None) -> None:
    reached = f" after step {progress['step']} of {progress['n_steps']}" if progress and progress["n_steps"] else ""
    if job.state == "done":
        st.success(f"Done in {duration(job.ended - job.started)}.")
        run = job.output.parent if job.kind == "evaluate" else job.output
        query = {"study": run.parent.name, "run": run.name, "view": "One run"}
        st.page_link("pages/outcomes.py", label="**See which memories went and which stayed** →", query_params=query)
    elif job.state == "cancelled":
        kept = "Resume goes on from its last checkpoint." if job.resumable else "It left no checkpoint, so it can only be run again."
        st.info(f"Cancelled{reached}. The model was not changed. {kept}")
    else:
        kept = " Resume goes on from its last checkpoint." if job.resumable else ""
        layout.problem(f"{job.state.capitalize()}{reached}.{kept} Cause:", job.cause or "not known")
