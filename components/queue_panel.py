"""All jobs of the workspace: what runs and what waits, how far it is, and what has ended."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from analysis import jobs
from components import demo_mode, job_words, state
from components.formats import duration, escape
from components.notices import problem

ROWS = 5  # shown without scrolling


def show(*, key: str, ended: Callable[[], None] = lambda: None) -> None:
    """Every job that runs or waits, redrawn each second; nothing if there is none. `ended` is called when one of them has ended."""
    queue = jobs.look()
    if queue.problem:
        problem("Something is wrong with the table of jobs.", queue.problem)
    if active := [job.id for job in queue.jobs if job.active]:
        _live(active, key, ended)


@st.fragment(run_every=1)
def _live(known: list[str], key: str, ended: Callable[[], None]) -> None:
    active = [job for job in jobs.jobs() if job.active]
    if [job.id for job in active] != known:
        if not {*known} <= {job.id for job in active}:
            ended()
        st.rerun()  # the whole page once: it may have results now
    with st.container(border=True, height=330 if len(active) > ROWS else "content", key=f"{key}_queue"):
        running = sum(job.state == "running" for job in active)
        count = f"{running} running, {len(active) - running} waiting"
        st.markdown(f"**Queue of this workspace:** {count}. One at a time on each device; they go on when this page is closed.")
        for job in sorted(active, key=lambda job: (job.state != "running", job.number)):
            _row(job, key)


def _row(job: jobs.Job, key: str) -> None:
    what, far, stop = st.columns([2.6, 6.2, 1.2], vertical_alignment="center")
    slug = job_words.study(job)
    of = f" of {slug}" if slug else ""
    if what.button(escape(f"{job_words.name(job)}{of}"), type="tertiary", key=f"{key}_open_{job.id}", help="Show it on Unlearn"):
        st.switch_page("pages/unlearn.py", query_params=_address(job))
    share, text = job_words.how_far(job)
    if job.state == "running":
        far.progress(share, text=text)
    else:
        far.caption(text)
    if not demo_mode.on() and stop.button("Cancel", key=f"{key}_cancel_{job.id}", help=escape(f"End {job_words.name(job)}")):
        cancel(job)


def cancel(job: jobs.Job) -> None:
    """Ends it and draws the page anew; or says why not."""
    try:
        jobs.cancel(job.id)
    except ValueError as error:
        problem("The job was not cancelled.", str(error))
    else:
        st.rerun()


def _address(job: jobs.Job) -> dict[str, str]:
    """Of a link to a job, which is shown with its study."""
    slug = job_words.study(job)
    return state.carried() | ({"study": slug} if slug else {}) | {"job": job.id}


def earlier(of: list[jobs.Job], chosen: str | None, *, key: str) -> None:
    """The jobs that ended, the newest first; selecting a row puts the job and its study into the address."""
    table = pd.DataFrame({
        "Job": [job_words.name(job) for job in of],
        "Study": [job_words.study(job) for job in of],
        "State": [job.state for job in of],
        "Asked for": pd.to_datetime([job.created for job in of], unit="s", utc=True),
        "Took": [duration(job.seconds) if job.seconds is not None else "" for job in of],
        "Device": [job.device for job in of],
        "Cause": [job.cause or "" for job in of],
    })
    formats = {
        "Job": st.column_config.TextColumn(width="medium"),
        "Asked for": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss", help="UTC, by the clock of this machine"),
        "Took": st.column_config.TextColumn(width=110),  # by itself it keeps the width of a table whose first job goes on
        "Cause": st.column_config.TextColumn(width="large"),
    }

    def picked() -> None:
        row = state.selected_row(name)
        if row is not None:
            slug = job_words.study(of[row])
            if slug not in (None, state.study().slug):
                state.select_study(slug)
            state.set_parameter("job", of[row].id)

    ids, name = [job.id for job in of], f"{key}_{len(of)}"
    rows = [ids.index(chosen)] if chosen in ids else []
    st.dataframe(
        table, column_config=formats, hide_index=True, key=name, on_select=picked, selection_mode="single-row",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
    )


def sidebar_link() -> None:
    """The way to the queue from every other page, while there is one."""
    states = [job.state for job in jobs.jobs() if job.active]
    if states and state.page() != "Unlearn":
        label = f"Queue: {states.count('running')} running, {states.count('queued')} waiting"
        st.page_link("pages/unlearn.py", label=label, query_params=state.carried())
