"""Start the computation of a study's scores and circuits, and watch it; how the scores are defined, in words."""

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from analysis import cross_fitting, jobs, precision, runs, studies
from components import cached, demo_mode, equivalent_command, layout, queue_panel, run_options

EXPLANATION = """
**CUD** (circuit-guided unlearning difficulty, arXiv 2601.09624): the forget set is parted into two random halves, and several
methods unlearn each half by itself. The samples of a half that they agree to be easiest and hardest give an easy and a hard *anchor
circuit*, and these score the samples of **the other half** (cross-fitting). So every sample has a score, and what unlearning did to a
sample had no part in its own. CUD = d(easy) / (d(easy) + d(hard)), d = 1 - similarity of the circuits (weighted Jaccard of
their edges' |scores| unless chosen otherwise; the paper's default is the cosine of binary ones): 0 = like the easy anchor, 1 = like
the hard one. **High CUD = hard.** The halves have different anchors, so a sample is ranked within its half first, and these
places over the set: two samples may share a rank.

**MRD** (memory removal difficulty, arXiv 2504.06658): how far the answer's token log-probabilities move, relative to themselves,
when Gaussian noise is added to all weights; pairs of opposite noise cancel the first-order part. The size of the noise, sigma, is
found by a short sweep (below: `sweep`) where the effect grows with sigma squared, and pairs are added until ranks and standard errors
are settled, unless both were given. **Low MRD = hard.**

Tables show ranks, the hardest first, so that the two can be compared.
"""


def show(study: studies.Study) -> None:
    """The empty state of a study without scores or circuits: what will run, a button for what is missing, and its progress."""
    found = {"scores": cached.scores(study), "circuits": cached.circuits(study)}
    missing = [kind for kind, result in found.items() if result is None]
    what = " and ".join(missing)
    earlier = "scores" in missing and (study.results / "scores" / "scores.csv").is_file()
    if earlier and not cached.unusable(study, "scores"):
        st.warning("The scores on disk come from an earlier version, which gave half of the samples no held-out CUD: recompute them.")
    if study.slug == "embedded":  # its results are no part of the workspace, where jobs write
        layout.needs(f"{what} of this study", jobs.command_line(["demo", "results"]))
        return
    for kind in missing:
        if why := cached.unusable(study, kind):
            layout.problem(f"The {kind} on disk are not shown.", why)
    st.info(f"Not computed yet: {what} of this study.")
    _compute(study, missing)


def _compute(study: studies.Study, kinds: list[str]) -> None:
    """How the scores are to be made, the commands, a button for them, and their progress."""
    if demo_mode.closed("computing scores"):
        return
    rate = _rate(study) if "scores" in kinds else None
    made = {kind: command for kind, command in commands(study, rate).items() if kind in kinds}
    equivalent_command.code(*made.values())
    newest = _newest(study, kinds)
    idle = [kind for kind in kinds if kind not in newest or not newest[kind].active]
    if st.button(f"Compute {' and '.join(idle or kinds)}", type="primary", disabled=not idle, key="compute"):
        try:
            for kind in idle:
                jobs.submit(kind, made[kind], study.results / kind)
            st.rerun()
        except ValueError as error:
            layout.problem("The computation was not started.", str(error))
    queue_panel.show(key="score")
    for kind in (kind for kind in idle if kind in newest):
        if newest[kind].state in ("failed", "interrupted"):
            layout.problem(f"{kind.capitalize()}: {newest[kind].state}. Cause:", newest[kind].cause or "not known")
        elif newest[kind].state == "cancelled":
            st.caption(f"{kind.capitalize()}: cancelled. Computing again goes on from what was finished.")


def _rate(study: studies.Study) -> float | None:
    """The learning rate of CUD's anchor runs, None = the default; what a small set does to them."""
    rate = st.number_input(
        "Learning rate of CUD's anchor runs", 1e-8, 1.0, None, step=1e-5, format="%.1e", placeholder="default", width=300,
        key="score_rate", bind="query-params", help="CUD unlearns each half of the set by five methods to see what goes first.",
    )
    said = run_options.RATE_HINT
    if few := few_anchors(study):
        said += (f" The forget set is small: CUD takes {few} easy and {few} hard anchors from each of its halves instead of "
                 f"{cross_fitting.N_ANCHORS}, so it is less sure.")
    st.caption(said)
    return rate


def commands(study: studies.Study, rate: float | None = None) -> dict[str, list[str]]:
    """Arguments of `python -m analysis` by the folder of results that they write; of a small set as many anchors
    as fit. `rate`: of the anchor runs."""
    sets = ["--forget", str(study.forget), "--retain", str(study.retain)]
    few = few_anchors(study)
    anchors = (["--n-anchors", str(few)] if few else []) + ([] if rate is None else ["--learning-rate", f"{rate:g}"])
    return {
        "scores": ["score", *study.model_arguments, *sets, *anchors, "--output", str(study.results / "scores")],
        "circuits": [
            "circuits", *study.model_arguments, "--data", str(study.forget), "--output", str(study.results / "circuits")
        ],
    }


def few_anchors(study: studies.Study) -> int | None:
    """The most anchors on each side that the forget set has samples for, None if it has enough for the default."""
    try:
        most = len(cached.forget_samples(study)) // 4  # easy and hard ones, in each half
    except ValueError:  # the forget set cannot be read: the command says why
        return None
    return most if 0 < most < cross_fitting.N_ANCHORS else None


def _newest(study: studies.Study, kinds: Iterable[str]) -> dict[str, jobs.Job]:
    """The newest job of each kind, if there was one."""
    folders = {(study.results / kind).resolve(): kind for kind in kinds}
    return {folders[job.output]: job for job in reversed(jobs.jobs()) if job.output in folders}


def anchor_warning(study: studies.Study, details: dict) -> None:
    """Says so if the runs that chose CUD's anchors hardly forgot anything, and offers to score again."""
    left = {m: p for m, p in details.get("anchor_forget_probability", {}).items() if p > runs.BARELY_FORGOTTEN}
    if left:
        named = ", ".join(f"{layout.escape(method)} {probability:.2f}" for method, probability in left.items())
        st.warning(f"CUD's anchors say little: these anchor runs left most of the memories in place ({named} forget probability).")
        if study.slug != "embedded":
            with st.expander("Compute the scores again, with a larger learning rate"):
                _compute(study, ["scores"])


def mrd_warning(scores: pd.DataFrame) -> None:
    """Says so if MRD is smaller than its own error."""
    if text := precision.warning(scores["mrd"].to_numpy(dtype=float), scores["mrd_stderr"].to_numpy(dtype=float)):
        st.warning(f"{text}.")
