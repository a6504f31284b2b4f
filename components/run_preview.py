"""What a run of a method looked like here, in the place where the next one will be drawn: its curves, and how it ended."""

import pandas as pd
import streamlit as st

from analysis import outcomes, runs, studies
from components import cached, cached_results, demo_mode, layout, run_options, run_plot, state


def show(study: studies.Study, method: str, known: pd.DataFrame) -> None:
    """The last finished run of the method, said to be that; or that there is none. `known`: runs.describe of the study's samples."""
    found = {name: r for name, r in outcomes.by_id(cached.run_records(study)).items() if r.method == method}
    last = max(found, key=lambda name: finished(found[name]), default=None)
    how = "" if demo_mode.on() else " Press Start, and every memory's curve appears here as it is measured."
    if last is None:
        st.info(f"No run is going, and none of {method} has finished in this study.{how}")
        return
    try:
        run = cached.run(found[last].folder)
    except ValueError as error:
        layout.problem("The last run of this method cannot be shown.", str(error))
        return
    name = layout.escape(run.record.name)
    st.markdown(f"**An earlier run, for comparison:** {name}, the last of {method}")
    st.caption(ended(run.record))
    st.plotly_chart(run_plot.figure(run.trajectories, known, state.parameter("sample")), theme=None, key="run_preview")
    st.caption(f"Thin line: one memory. Bold: means. No run is going.{how}")
    query = state.carried() | {"run": last, "view": "One run"}
    st.page_link("pages/outcomes.py", label=f"See {name} memory by memory", query_params=query)


def finished(record: runs.RunRecord) -> float:
    """When a run ended, by the clock of this machine; shipped ones before all others."""
    return 0.0 if record.shipped else cached_results.stamp(record.folder / "manifest.json")


def ended(record: runs.RunRecord) -> str:
    """How the run was set and what it left, in a sentence."""
    rate = "" if record.learning_rate is None else f" at rate {run_options.rate_text(record.learning_rate)}"
    epochs = "" if record.n_epochs is None else f" after {record.n_epochs} epoch{'s' * (record.n_epochs > 1)}"
    kept = "" if record.retain_probability is None else f", retain probability {record.retain_probability:.2f}"
    masked = "" if record.mask == "none" else f", under the mask {layout.escape(record.mask)}"
    return f"{record.n_forgotten} of {record.n_samples} memories forgotten{epochs}{rate}{kept}{masked}."
