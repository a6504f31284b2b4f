"""One job as it goes: how far it is, time left, live curves of a run, log, cancel; and how it ended."""

import contextlib

import pandas as pd
import streamlit as st

from analysis import jobs, runs
from components import cohort_rule, demo_mode, job_words, layout, queue_panel, run_like, run_plot, state
from components.formats import duration

RESUME = "--resume"  # of `unlearn`
AGAIN = {  # what a job of this kind does when it is run again
    "scores": "Goes on: what an earlier try computed is kept, sample by sample.",
    "circuits": "Goes on: the circuits that an earlier try finished are kept.",
}
RESULTS = {  # where to see what a job made
    "scores": ("pages/difficulty.py", "See which memories are said to be hard"),
    "circuits": ("pages/circuits.py", "See the circuits"),
    "conflicts": ("pages/conflicts.py", "See the conflict map"),
}


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
    try:
        job = jobs.status(job_id)
    except ValueError:  # the table was lost: the page says so
        st.rerun()
    if not job.active:
        st.rerun()  # the whole page once: the run table, the estimate and the end state depend on it
    _draw(job, known, key)


def _draw(job: jobs.Job, known: pd.DataFrame, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{layout.escape(job_words.name(job))}**  ·  {layout.escape(job_words.state(job))}")
        _buttons(job, key)
    share, text = job_words.how_far(job)
    if job.state == "running":
        st.progress(share, text=text)
    elif job.state == "queued":
        st.info(f"{text}. It starts by itself; this page may be closed.")
    else:
        _ended(job)
    if job.kind == "unlearn" and job.state != "queued":
        _curves(job, known, key)
    with st.expander("Command and log"):
        st.code(job.command, language="bash", wrap_lines=True)
        st.code(jobs.tail(job.id) or "nothing printed yet", language=None)


def _curves(job: jobs.Job, known: pd.DataFrame, key: str) -> None:
    trajectories, steps = runs.read_trajectories(job.output), runs.read_steps(job.output)
    if len(trajectories):
        st.plotly_chart(run_plot.figure(trajectories, known, state.parameter("sample")), theme=None, key=f"{key}_memories")
        st.caption(
            f"Thin line: one memory. Bold: means. Hard and easy are {layout.escape(cohort_rule.words(cohort_rule.current()))}; a "
            "memory's own unlearning had no part in its CUD."
        )
    if len(steps):
        st.plotly_chart(run_plot.losses_figure(steps), theme=None, key=f"{key}_losses")


def _buttons(job: jobs.Job, key: str) -> None:
    same = "Fills the form with this run's settings; nothing starts."
    if job.kind == "unlearn" and st.button("Duplicate", key=f"{key}_like", help=same):
        state.set_parameter(run_like.PARAMETER, job.id)
        st.rerun()  # of the whole page: this may be in a fragment, which the form is not
    if demo_mode.on():  # a job is somebody's work
        return
    if job.active:
        if st.button("Cancel", key=f"{key}_cancel"):
            queue_panel.cancel(job)
    elif job.state != "done":
        anew = [word for word in job.arguments if word != RESUME]
        if job.resumable:
            help = "Goes on from the last checkpoint, to the same end as if it had never stopped."
            st.button("Resume", key=f"{key}_resume", help=help, on_click=_submit, args=(job, [*anew, RESUME]))
        help = AGAIN.get(job.kind, "Begins anew, by the same command.")
        st.button("Run again", key=f"{key}_again", help=help, on_click=_submit, args=(job, anew))


def _submit(job: jobs.Job, arguments: list[str]) -> None:
    with contextlib.suppress(ValueError):  # it was pressed twice: the first press did it
        state.set_parameter("job", jobs.submit(job.kind, arguments, job.output))


def _ended(job: jobs.Job) -> None:
    reached = job_words.reached(job)
    if job.state == "done":
        st.success("Done." if job.seconds is None else f"Done in {duration(job.seconds)}.")
        _result(job)
    elif job.state == "cancelled":
        st.info(f"Cancelled{reached}. The model was not changed. {_next(job)}")
    else:
        layout.problem(f"{job.state.capitalize()}{reached}. {_next(job)} Cause:", job.cause or "not known")


def _next(job: jobs.Job) -> str:
    """How a job that ended early can go on."""
    if job.resumable:
        return "Resume goes on from its last checkpoint."
    if job.kind in AGAIN:
        return "Run again goes on from what it had finished."
    return "It left no checkpoint, so it can only be run again."


def _result(job: jobs.Job) -> None:
    slug = job_words.study(job)
    if job.kind in RESULTS:
        page, label = RESULTS[job.kind]
        st.page_link(page, label=f"**{label}** →", query_params=state.carried() | ({"study": slug} if slug else {}))
    elif job.kind in ("unlearn", "evaluate"):
        run = job.output.parent if job.kind == "evaluate" else job.output
        query = {"study": run.parent.name, "run": run.name, "view": "One run"}
        st.page_link("pages/outcomes.py", label="**See which memories went and which stayed** →", query_params=query)
