"""The ways to circuits after a run that are not there yet: a job for all samples, or first the run again, for its weights."""

from dataclasses import replace
from typing import Any

import streamlit as st

from analysis import jobs, report_rerun, store, studies
from analysis.report_rerun import short
from analysis.runs import RunRecord
from components import cached, demo_mode, equivalent_command, layout, queue_panel, run_like, state


def has_weights(record: RunRecord) -> bool:
    return (record.folder / "model" / "config.json").is_file()


def command(study: studies.Study, record: RunRecord, config: dict[str, Any]) -> list[str]:
    """Arguments of `python -m analysis`: circuits of the whole forget set in the run's model, by the settings of those before it."""
    unlearned = replace(study, model=str(record.folder / "model"))
    return [*report_rerun.of_circuits(unlearned, config)[:-1], short(record.folder / "circuits")]


def offer(study: studies.Study, record: RunRecord, n_known: int, n_samples: int) -> None:
    """Of a run with weights: a job for the circuits of all samples. Of another: what is there, and how to get its weights."""
    if n_known >= n_samples:
        return
    if not has_weights(record):
        st.caption(f"Circuits after this run are there for {n_known} of {n_samples} samples; for others they need its weights, which "
                   "were not kept with it.")
        _again(study, record)
        return
    _job(study, record, n_samples)


def missing(study: studies.Study, record: RunRecord) -> None:
    """One sample's circuit that needs weights which the run has not."""
    st.info("Not computed yet: this sample's circuit after the run, which needs the run's weights.")
    _again(study, record)


def _again(study: studies.Study, record: RunRecord) -> None:
    """Train once more: by the form of Unlearn, which keeps the weights, or on the command line."""
    run = cached.run(record.folder)
    name = store.check_slug(f"{record.name}-again"[-64:].lstrip("-._"))
    folder = store.workspace() / "runs" / study.slug / name
    again = [*report_rerun.of_run(study, run)[:-1], short(folder)]
    _, config = cached.circuits(study)
    st.page_link("pages/unlearn.py", label="Run it again here: the form, filled with its settings",
                 query_params=state.carried() | {run_like.PARAMETER: record.name})
    equivalent_command.show(again, command(study, replace(record, folder=folder), config), label="The same on the command line")


def _job(study: studies.Study, record: RunRecord, n_samples: int) -> None:
    arguments, output = command(study, record, cached.circuits(study)[1]), record.folder / "circuits"
    last = next((job for job in jobs.jobs() if job.output == output.resolve()), None)
    if last is not None and last.state in ("failed", "interrupted"):
        layout.problem(f"The circuits of all samples: {last.state}. Cause:", last.cause or "not known")
    queue_panel.show(key="after")
    if last is not None and last.active:
        return
    st.caption("One sample's circuit after this run is computed when it is chosen. For what the run did to all of them:")
    if not demo_mode.on() and st.button(f"Compute the circuits of all {n_samples} samples", key="after_all"):
        try:
            jobs.submit("circuits", arguments, output)
        except ValueError as error:
            layout.problem("The computation was not started.", str(error))
            return
        st.rerun()
    equivalent_command.show(arguments)
