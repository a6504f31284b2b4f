"""One sample's circuit before and after an unlearning run, and what the run did to the circuits of easy and of hard samples."""

from pathlib import Path

import pandas as pd
import streamlit as st

from analysis import circuits_after, cohorts, outcomes, store, studies
from analysis.atomic import csv_bytes
from analysis.circuit import Circuit
from analysis.jobs import command_line
from analysis.runs import RunRecord
from components import (
    after_words,
    cached,
    cached_pairs,
    cohort_plot,
    cohort_rule,
    compare_table,
    demo_mode,
    layout,
    pair_panel,
    sample_picker,
    state,
)
from components.cohort_panel import PLAIN, READOUTS

NAMES = ("before", "after")
Circuits = dict[str, Circuit]
EXPLANATION = """
*Before and after a run*: edge scores of the same answer in both models, with the same settings and as many edges. After unlearning the
model finds the answer improbable: its circuit is how what is left of the answer comes about. Changes are after minus before; intervals
are 95% bootstrap intervals over samples, p from 9,999 random sign flips, corrected for the five read-outs after Holm. Edges in common:
shared edges as a share of the edges of either circuit (Jaccard). One run is one seed. A read-out that was extreme in a cohort by
construction tends to fall back to the middle whatever is done to the model.
"""


def show(study: studies.Study, circuits: Circuits, table: pd.DataFrame, boundary: int, n_edges: int) -> None:
    records = cached.run_records(study)
    if not records:
        layout.needs("an unlearning run", _unlearn(study, "NPO", 0, store.workspace() / "runs" / study.slug / "npo"), "Unlearn")
        return
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        record, known = _run(study, records)
    with right:
        sample = _pick(table, known, _has_weights(record))
    with st.container(gap=None):
        sample_picker.describe(table, sample)
    _sample(study, circuits, sample, record, known, boundary, n_edges)
    if known and not _has_weights(record):
        st.caption(f"Circuits after this run are there for {len(known)} of {len(table)} samples; for others they need its weights.")
    if len(known) > 1:
        _summary(circuits, known, table, boundary, record.folder)


def _run(study: studies.Study, records: list[RunRecord]) -> tuple[RunRecord, Circuits]:
    """The run chosen, at first one with circuits on disk, and those circuits."""
    known, frame = outcomes.by_id(records), cached.run_frame(study)
    names = list(known)
    ready = [name for name in names if (known[name].folder / "circuits" / "circuits.json").is_file()] or \
            [name for name in names if _has_weights(known[name])] or names
    chosen = st.selectbox("Run", names, names.index(ready[0]), lambda name: compare_table.named(frame, name), key="after_run",
                          bind="query-params")
    record = known[chosen]
    try:
        return record, cached_pairs.circuits_after(study, record.folder) or {}
    except ValueError as error:
        layout.problem("The circuits of this run cannot be compared with those before it.", str(error))
        return record, {}


def _pick(table: pd.DataFrame, known: Circuits, has_weights: bool) -> str:
    """A sample of those with a circuit after the run; of all, where weights can make it, or one without was picked elsewhere."""
    offered = table[table["sample_id"].isin(known)]
    if has_weights or offered.empty or state.parameter("sample") in set(table["sample_id"]) - set(known):
        offered = table
    return sample_picker.choose(sample_picker.questions(offered), key="sample")


def _sample(
    study: studies.Study, circuits: Circuits, sample: str, record: RunRecord, known: Circuits, boundary: int, n_edges: int
) -> None:
    if sample not in known and _has_weights(record) and demo_mode.too_large(int(circuits[sample].index.real_edges.sum())):
        return
    try:
        after = known.get(sample) or (cached_pairs.circuit_after(study, record.folder, sample) if _has_weights(record) else None)
    except ValueError as error:
        layout.problem("This sample's circuit could not be computed with the run's weights.", str(error))
        return
    if after is None:
        layout.needs("this sample's circuit after the run, which needs the run's weights", _commands(study, record))
        if known:
            there = next(iter(known))
            st.button("Show a sample that has one", on_click=state.select_sample, args=(there,))
        return
    before = circuits[sample]
    pair_panel.show(before, after, boundary, NAMES, key="after", n_edges=n_edges)
    change = circuits_after.changes({sample: before}, {sample: after}, boundary).loc[sample]
    st.caption("Change of the whole circuits, all edges: " + "; ".join(
        f"{READOUTS[value].lower()} {change[value]:+.2f}" for value in READOUTS
    ))


def _summary(circuits: Circuits, known: Circuits, table: pd.DataFrame, boundary: int, run: Path) -> None:
    """What the run did to all circuits on disk, by cohort, with controls."""
    st.header("Did the circuits change?")
    rule = cohort_rule.edit(table, key="after_cohorts", default_by="CUD")
    cohort = cohorts.assign(table, rule)
    old = [circuits[sample] for sample in known]
    change, made, compared, alike = cached_pairs.run_changes(old, list(known.values()), cohort, boundary)
    st.markdown(after_words.alike(alike))
    st.markdown(after_words.changed(made, READOUTS))
    st.markdown(after_words.apart(compared, READOUTS))
    st.markdown(after_words.control(change.join(alike), cached_pairs.kept_after(run), READOUTS))
    st.plotly_chart(cohort_plot.changes(made, READOUTS), key="changes", theme=None, config=PLAIN)
    st.dataframe(after_words.table(made, READOUTS), hide_index=True, alt="Mean change of depth read-outs by cohort")
    st.caption(f"Easy and hard are {cohort_rule.words(rule)}. Change: after minus before, mean with 95% interval over samples.")
    file = change.join(alike).reset_index(names="sample_id")
    st.download_button("Changes as CSV", lambda: csv_bytes(file), "circuits-after.csv", "text/csv", on_click="ignore")


def _has_weights(record: RunRecord) -> bool:
    return (record.folder / "model" / "config.json").is_file()


def _commands(study: studies.Study, record: RunRecord) -> str:
    """Make the weights again, then the circuits of all samples with them."""
    again = store.workspace() / "runs" / study.slug / f"{record.name}-again"[-64:]
    unlearned = ["--model", str(again / "model"), *study.model_arguments[2:]]
    circuits = ["circuits", *unlearned, "--data", str(study.forget), "--output", str(again / "circuits")]
    return f"{_unlearn(study, record.method, record.seed, again)}\n{command_line(circuits)}"


def _unlearn(study: studies.Study, method: str, seed: int | None, output: object) -> str:
    sets = [*study.model_arguments, "--forget", str(study.forget), "--retain", str(study.retain)]
    preset = ["--preset", "embedded"] if study.slug == "embedded" else []
    return command_line(["unlearn", *sets, "--method", method, *preset, "--seed", str(seed or 0), "--output", str(output)])
