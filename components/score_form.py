"""Start the computation of a study's scores and circuits, and watch it; how the scores are defined, in words."""

import plotly.graph_objects as go
import streamlit as st

from analysis import jobs, store
from components import layout, state

EXPLANATION = """
**CUD** (circuit-guided unlearning difficulty, arXiv 2601.09624): several methods unlearn a random half of the forget set. The
samples that they agree to be easiest and hardest give an easy and a hard *anchor circuit*. A sample's CUD is
d(easy) / (d(easy) + d(hard)), d = 1 - cosine of the binary edge vectors: 0 = like the easy anchor, 1 = like the hard one.
**High CUD = hard.**

**MRD** (memory removal difficulty, arXiv 2504.06658): how far the answer's token log-probabilities move, relative to themselves,
when Gaussian noise is added to all weights; pairs of opposite noise cancel the first-order part. **Low MRD = hard.**

Tables show ranks, the hardest first, so that the two can be compared.
"""


def show(study: store.Study) -> None:
    """The empty state of a study without scores: what will run, a button, and its progress."""
    commands = command_arguments(study)
    layout.needs("the difficulty scores and circuits of this study", "\n".join(jobs.command_line(c) for c in commands.values()))
    if st.button("Compute scores and circuits", type="primary"):
        for kind, arguments in commands.items():
            jobs.submit(kind, arguments, study.results / kind)
        st.rerun()
    _progress(study.results)


def command_arguments(study: store.Study) -> dict[str, list[str]]:
    """Arguments of `python -m analysis` by the folder of results that they write."""
    sets = ["--forget", str(study.forget), "--retain", str(study.retain)]
    preset = "embedded" if study.slug == "embedded" else "default"
    return {
        "scores": ["score", "--model", study.model, *sets, "--preset", preset, "--output", str(study.results / "scores")],
        "circuits": [
            "circuits", "--model", study.model, "--data", str(study.forget), "--output", str(study.results / "circuits")
        ],
    }


def selectable(figure: go.Figure, *, key: str) -> None:
    """A chart whose points carry sample ids in `customdata`; clicking one selects the sample on every page."""

    def choose() -> None:
        points = st.session_state[key].selection.points
        if points and "customdata" in points[0]:
            chosen = points[0]["customdata"]
            state.select_sample(chosen[0] if isinstance(chosen, list) else chosen)

    st.plotly_chart(figure, theme=None, key=key, on_select=choose, selection_mode="points")


@st.fragment(run_every=2)
def _progress(results) -> None:
    """The newest job of each kind for this study; one full rerun when the last has ended."""
    mine = [job for job in jobs.jobs() if job.output.parent == results]
    for job in mine[:2]:
        st.caption(f"{job.kind}: {job.state}" + (f" - {job.cause}" if job.cause else ""))
        if job.state == "running":
            st.code(jobs.tail(job.id, 3) or "starting", language=None)
    if mine and all(job.state == "done" for job in mine[:2]) and (results / "scores" / "scores.csv").exists():
        st.rerun()
