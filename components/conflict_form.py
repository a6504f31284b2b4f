"""The form that computes a conflict map as a job, and the job as it goes."""

from typing import Any

import streamlit as st

from analysis import jobs, studies
from analysis.conflict_map import ConflictMap
from components import conflict_source, demo_mode, equivalent_command, layout, queue_panel
from components.formats import duration
from components.run_form import model, short

DISCOVERY = {
    "greedy": "Greedy takes the strongest edges by attribution until the target is reached.",
    "edge-pruning": "Edge pruning trains a mask over all edges, as the paper does: slower and sharper.",
}
ABLATIONS = ["mean", "zero", "patching"]
SETTINGS = {"method": "greedy", "ablation": "mean", "target": 0.9, "n_samples": 32}  # of the command, where no map says others
TARGET = (
    "The target is the share of a set's answers that its circuits must keep when all else is ablated (maintain), and destroy when they "
    "alone are (break). A low target gives sparse circuits that tell nodes apart but explain less of the answers; near 1 they explain "
    "most, but nearly every node is in both sets' circuits, and so in conflict."
)


def show(study: studies.Study, found: ConflictMap | None = None, *, again: bool = False) -> None:
    """What will run, its settings, a button, and its progress. `again`: there is a map already, which the new one replaces; `found`,
    if that can be read: its settings are the first to be offered."""
    if not again:
        st.info("Not computed yet: the conflict map of this study.")
    if demo_mode.closed("computing a conflict map"):
        return
    offered = settings_of(found)
    first, second, third, fourth = st.columns(4)
    methods = list(DISCOVERY)
    method = first.selectbox("Circuits by", methods, methods.index(offered["method"]), key="conflict_discovery", bind="query-params")
    ablation = second.selectbox(
        "Ablation", ABLATIONS, ABLATIONS.index(offered["ablation"]), key="conflict_ablation", bind="query-params",
        help="What takes an ablated edge's place: its mean over all sets, zero, or (patching) its value on each sample's "
             "corrupted question, which every sample then needs.",
    )
    target = third.number_input("Target", 0.05, 1.0, float(offered["target"]), 0.05, key="conflict_target", bind="query-params")
    n_samples = fourth.number_input(
        "Samples", 1, 4096, offered["n_samples"], key="conflict_n_samples", bind="query-params",
        help="How many samples of each set the target is measured on. Attribution scores are always over all.",
    )
    st.caption(f"{DISCOVERY[method]} {TARGET}")
    arguments = command(study, method, ablation, float(target), int(n_samples))
    st.caption("On the command line:")
    equivalent_command.code(arguments)
    job = newest(study)
    active = job is not None and job.active
    if st.button("Compute again" if again else "Compute the conflict map", type="primary", disabled=active, key="conflict_compute"):
        try:
            jobs.submit("conflicts", arguments, conflict_source.own_folder(study))
            st.rerun()
        except ValueError as error:
            layout.problem("The computation was not started.", str(error))
    queue_panel.show(key="conflict", ended=lambda: _turn_to(study))
    if job is not None and not active:
        _draw(job)


def settings_of(found: ConflictMap | None) -> dict[str, Any]:
    """What a map was made with; the command's defaults for what it does not say, or says in a way that cannot be offered."""
    said = {} if found is None else found.config
    fits = {
        "method": said.get("method") in list(DISCOVERY), "ablation": said.get("ablation") in ABLATIONS,
        "target": isinstance(said.get("target"), float) and 0.05 <= said["target"] <= 1,
        "n_samples": isinstance(said.get("n_samples"), int) and 1 <= said["n_samples"] <= 4096,
    }
    return {name: said[name] if fits[name] else default for name, default in SETTINGS.items()}


def command(study: studies.Study, method: str, ablation: str, target: float, n_samples: int) -> list[str]:
    """Arguments of `python -m analysis` that write the study's map."""
    sets = [*model(study), "--forget", short(study.forget), "--retain", short(study.retain)]
    settings = ["--discovery", method, "--ablation", ablation, "--target", f"{target:g}", "--n-samples", str(n_samples)]
    return ["conflicts", *sets, *settings, "--output", short(conflict_source.own_folder(study))]


def newest(study: studies.Study) -> jobs.Job | None:
    """The newest job that computes the study's map, if there was one."""
    folder = conflict_source.own_folder(study).resolve()
    return next((job for job in jobs.jobs() if job.output == folder), None)


def _turn_to(study: studies.Study) -> None:
    """Show the map computed here, if it is its job that has ended."""
    job = newest(study)
    if job is not None and job.state == "done":
        conflict_source.show_own(study)


def _draw(job: jobs.Job) -> None:
    if job.state in ("failed", "interrupted"):
        layout.problem(f"Conflict map: {job.state}. Cause:", job.cause or "not known")
    elif job.state == "done":
        st.caption("" if job.seconds is None else f"The last map computed here took {duration(job.seconds)}.")
    else:
        st.caption(f"Conflict map: {job.state}")
