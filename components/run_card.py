"""One finished run in numbers, its files to take away, and how it was made."""

import pandas as pd
import streamlit as st

from analysis import atomic, runs
from components import cohort_rule, layout
from components.run_form import duration


def summary(run: runs.Run) -> None:
    """Four headline numbers, and what was special about the run."""
    record = run.record
    if record.mask != "none":
        st.caption(f"Only some weights were free: this run trained under the mask {layout.escape(record.mask)}.")
    gone, forget, retain, seconds = st.columns(4)
    rule = f"Probability below {runs.FORGOTTEN_BELOW} after the run"
    gone.metric("Memories forgotten", f"{record.n_forgotten} of {record.n_samples}", help=rule)
    forget.metric(
        "Forget probability", f"{record.forget_probability:.2f}", _change(record.forget_before, record.forget_probability),
        delta_color="inverse", help="Mean over forget samples of exp(-NLL per answer token)",
    )
    kept = record.retain_probability
    retain.metric(
        "Retain probability", "not measured" if kept is None else f"{kept:.2f}", _change(record.retain_before, kept),
        help="The same over retain samples",
    )
    if record.forget_before < runs.FORGOTTEN_BELOW:
        st.warning(f"The model hardly knew these answers before the run: mean probability {record.forget_before:.2f}. "
                   "There was little to forget, so the figures above say nothing about unlearning.")
    _early_stop(run)
    seconds.metric("Time", "not recorded" if record.seconds is None else duration(record.seconds))


def _early_stop(run: runs.Run) -> None:
    summary = run.manifest.get("summary", {})
    if summary.get("stopped_early"):
        step, kept, floor = summary.get("stopped_step"), summary.get("kept_step"), run.config.get("retain_floor")
        place = f" at step {step}" if isinstance(step, int) else ""
        limit = f"the retain floor of {floor:g}" if isinstance(floor, int | float) else "the retain floor"
        weights = f" The run has the weights of step {kept}, the last measured above it." if isinstance(kept, int) else ""
        st.info(f"Stopped early{place}: the retain probability fell below {limit}.{weights}")


def _change(before: float | None, after: float | None) -> str | None:
    """Signed difference; None, which draws nothing, if it is unknown or rounds to zero."""
    if before is None or after is None or abs(after - before) < 0.005:
        return None
    return f"{after - before:+.2f}"


def details(run: runs.Run, table: pd.DataFrame) -> None:
    """Downloads, and the configuration and provenance of the run. `table`: run_tables.sample_table, by sample_id."""
    st.download_button(
        "Download this run's memories (CSV)", atomic.csv_bytes(table.reset_index()), f"{run.record.name}-samples.csv", "text/csv",
        key="run_download",
    )
    with st.expander("How this is computed"):
        st.markdown(
            "Probability is exp(-NLL), with the NLL averaged over the answer's tokens. A memory is forgotten when its "
            f"probability is below {runs.FORGOTTEN_BELOW}. Cohorts: "
            f"{layout.escape(cohort_rule.words(cohort_rule.current()))}. CUD is cross-fitted: its anchors come from runs on the other "
            "half of the forget set, so that what unlearning did to a memory had no part in its score. "
            "Intervals are 95% percentile bootstraps over samples (2000 resamples, seed 0): they do not cover other seeds."
        )
        left, right = st.columns(2)
        left.caption("config.yaml")
        left.json(run.config, expanded=True)
        right.caption("manifest.json")
        right.json(run.manifest, expanded=1)
