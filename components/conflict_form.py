"""The form that computes a conflict map as a job, and the job as it goes."""

import streamlit as st

from analysis import jobs, store
from components import conflict_source, layout
from components.run_form import short

DISCOVERY = {
    "greedy": "Takes the strongest edges by attribution until the target is reached.",
    "edge-pruning": "Trains a mask over all edges, as the paper does: slower and sharper.",
}
ABLATIONS = ["mean", "zero", "patching"]


def show(study: store.Study, *, again: bool = False) -> None:
    """What will run, its settings, a button, and its progress. `again`: there is a map already, which the new one replaces."""
    if not again:
        st.info("Not computed yet: the conflict map of this study.")
    first, second, third = st.columns(3)
    method = first.selectbox("Circuits by", list(DISCOVERY), key="conflict_discovery")
    ablation = second.selectbox(
        "Ablation", ABLATIONS, key="conflict_ablation",
        help="What takes an edge's place. Patching needs samples with a corrupted_question.",
    )
    target = third.number_input(
        "Target", 0.5, 0.99, 0.9, 0.05, key="conflict_target",
        help="Faithfulness of the maintain circuits, and completeness of the break circuits.",
    )
    st.caption(DISCOVERY[method])
    arguments = command(study, method, ablation, float(target))
    st.caption("On the command line:")
    st.code(jobs.command_line(arguments), language="bash", wrap_lines=True)
    job = newest(study)
    active = job is not None and job.active
    if st.button("Compute again" if again else "Compute the conflict map", type="primary", disabled=active, key="conflict_compute"):
        try:
            jobs.submit("conflicts", arguments, conflict_source.own_folder(study))
            st.rerun()
        except ValueError as error:
            layout.problem("The computation was not started.", str(error))
    if active:
        _live(study)
    elif job is not None:
        _draw(job)


def command(study: store.Study, method: str, ablation: str, target: float) -> list[str]:
    """Arguments of `python -m analysis` that write the study's map."""
    sets = ["--model", short(study.model), "--forget", short(study.forget), "--retain", short(study.retain)]
    settings = ["--discovery", method, "--ablation", ablation, "--target", f"{target:g}"]
    return ["conflicts", *sets, *settings, "--output", short(conflict_source.own_folder(study))]


def newest(study: store.Study) -> jobs.Job | None:
    """The newest job that computes the study's map, if there was one."""
    folder = conflict_source.own_folder(study).resolve()
    return next((job for job in jobs.jobs() if job.output == folder), None)


@st.fragment(run_every=2)
def _live(study: store.Study) -> None:
    job = newest(study)
    if job is None or not job.active:
        st.rerun()  # the whole page once: it may have a map now
    _draw(job)
    if st.button("Cancel", key="conflict_cancel"):
        jobs.cancel(job.id)


def _draw(job: jobs.Job) -> None:
    if job.state in ("failed", "interrupted"):
        layout.problem(f"Conflict map: {job.state}. Cause:", job.cause or "not known")
    elif job.state != "done":
        st.caption(f"Conflict map: {job.state}")
    if job.state == "running":
        st.code(jobs.tail(job.id, 3) or "starting", language=None)
