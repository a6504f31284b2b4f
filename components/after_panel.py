"""One sample's circuit before and after an unlearning run, or after two runs, and what a run did to easy and hard samples' circuits."""

from pathlib import Path

import pandas as pd
import streamlit as st

from analysis import circuits_after, cohorts, outcomes, store, studies
from analysis.atomic import csv_bytes
from analysis.circuit import Circuit
from analysis.jobs import command_line
from analysis.report_rerun import model, sets_of, short
from analysis.runs import RunRecord
from components import (
    after_compute,
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
MODEL_BEFORE = ""  # in place of a run: the model before unlearning
Circuits = dict[str, Circuit]
EXPLANATION = """
*Before and after a run*: edge scores of the same answer in both models, with the same settings and as many edges. After unlearning the
model finds the answer improbable: its circuit is how what is left of the answer comes about. Changes are after minus before; intervals
are 95% bootstrap intervals over samples, p from 9,999 random sign flips, corrected for the five read-outs after Holm. Edges in common:
shared edges as a share of the edges of either circuit (Jaccard). One run is one seed. A read-out that was extreme in a cohort by
construction tends to fall back to the middle whatever is done to the model. With another run in place of the model before, *left* is
that run and *right* the run chosen.
"""


def show(study: studies.Study, circuits: Circuits, table: pd.DataFrame, boundary: int, n_edges: int) -> None:
    records = outcomes.by_id(cached.run_records(study))
    if not records:
        layout.needs("an unlearning run", _unlearn(study), "Unlearn")
        return
    run, against, of_sample = st.columns([3, 3, 5], vertical_alignment="bottom")
    with run:
        name = _run(study, records)
    with against:
        base = _base(study, records, name)
    known = _on_disk(study, records[name])
    with of_sample:
        sample = _pick(table, known, after_compute.has_weights(records[name]))
    with st.container(gap=None):
        sample_picker.describe(table, sample)
    pair = [_circuit(study, records[run], sample, circuits) if run else circuits[sample] for run in (base, name)]
    if all(pair):
        _pair(pair, records, base, name, boundary, n_edges)
    after_compute.offer(study, records[name], len(known), len(table))
    if base:
        _between(_on_disk(study, records[base]), known)
    elif len(known) > 1:
        _summary(circuits, known, table, boundary, records[name].folder)


def _run(study: studies.Study, records: dict[str, RunRecord]) -> str:
    """The run chosen, at first one with circuits on disk."""
    names = list(records)
    ready = [name for name in names if (records[name].folder / "circuits" / "circuits.json").is_file()] or \
            [name for name in names if after_compute.has_weights(records[name])] or names
    return _choose(study, "After the run", names, names.index(ready[0]), "after_run")


def _base(study: studies.Study, records: dict[str, RunRecord], chosen: str) -> str:
    """What it is compared with: the model before (MODEL_BEFORE), or another run that has circuits or the weights for them."""
    able = [name for name, record in records.items() if name != chosen and (
        after_compute.has_weights(record) or (record.folder / "circuits" / "circuits.json").is_file())]
    return _choose(study, "Compared with", [MODEL_BEFORE, *able], 0, "after_base")


def _choose(study: studies.Study, label: str, names: list[str], index: int, key: str) -> str:
    """One of `names`, in the address by its id: what lists show differs for a run of one's own."""
    frame, given = cached.run_frame(study), state.parameter(key)
    st.session_state[f"{key}_choice"] = given if given in names else names[index]

    def title(name: str) -> str:
        return compare_table.named(frame, name) if name else "the model before unlearning"

    return st.selectbox(label, names, format_func=title, key=f"{key}_choice",
                        on_change=lambda: state.set_parameter(key, st.session_state[f"{key}_choice"]))


def _on_disk(study: studies.Study, record: RunRecord) -> Circuits:
    """The run's circuits that were computed for many samples."""
    try:
        return cached_pairs.circuits_after(study, record.folder) or {}
    except ValueError as error:
        layout.problem("The circuits of this run cannot be compared with those before it.", str(error))
        return {}


def _pick(table: pd.DataFrame, known: Circuits, has_weights: bool) -> str:
    """A sample of those with a circuit after the run; of all, where weights can make it, or one without was picked elsewhere."""
    offered = table[table["sample_id"].isin(known)]
    if has_weights or offered.empty or state.parameter("sample") in set(table["sample_id"]) - set(known):
        offered = table
    return sample_picker.choose(sample_picker.questions(offered), key="sample")


def _circuit(study: studies.Study, record: RunRecord, sample: str, before: Circuits) -> Circuit | None:
    """The sample's circuit after a run, as it is on disk or computed now with its weights; None where it says why there is none."""
    known = _on_disk(study, record)
    if sample in known:
        return known[sample]
    if not after_compute.has_weights(record):
        after_compute.missing(study, record)
        if known:
            st.button("Show a sample that has one", on_click=state.select_sample, args=(next(iter(known)),))
        return None
    if demo_mode.too_large(int(before[sample].index.real_edges.sum())):
        return None
    try:
        return cached_pairs.circuit_after(study, record.folder, sample)
    except ValueError as error:
        layout.problem("This sample's circuit could not be computed with the run's weights.", str(error))
        return None


def _pair(pair: list[Circuit], records: dict[str, RunRecord], base: str, name: str, boundary: int, n_edges: int) -> None:
    left, right = pair
    if base:
        titles = dict(zip(pair_panel.SIDES, (base, name), strict=True))
        pair_panel.show(left, right, boundary, pair_panel.SIDES, key="after", n_edges=n_edges,
                        head=lambda side, sample: st.markdown(f"**{side.capitalize()}: after {layout.escape(titles[side])}**"))
        return
    pair_panel.show(left, right, boundary, NAMES, key="after", n_edges=n_edges)
    change = circuits_after.changes({left.sample_id: left}, {left.sample_id: right}, boundary).iloc[0]
    st.caption("Change of the whole circuits, all edges: " + "; ".join(
        f"{READOUTS[value].lower()} {change[value]:+.2f}" for value in READOUTS
    ))


def _between(first: Circuits, second: Circuits) -> None:
    """How alike the two runs left the circuits of all samples that both have on disk."""
    both = [sample for sample in second if sample in first]
    if len(both) > 1:
        st.header("Did the two runs change the circuits alike?")
        alike = circuits_after.likeness({name: first[name] for name in both}, {name: second[name] for name in both})
        st.markdown(after_words.between(alike))


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


def _unlearn(study: studies.Study) -> str:
    preset = ["--preset", "embedded"] if study.slug == "embedded" else []
    output = store.workspace() / "runs" / study.slug / "npo"
    return command_line(["unlearn", *model(study), *sets_of(study), "--method", "NPO", *preset, "--output", short(output)])
