"""Everything known of one sample, in a dialog over any page: `card=1` in the address opens it."""

from contextlib import suppress
from typing import Any

import pandas as pd
import streamlit as st

from analysis import sample_record, studies
from analysis.runs import FORGOTTEN_BELOW
from components import (
    cached,
    cached_pairs,
    cached_samples,
    card_facts,
    cohort_rule,
    conflict_source,
    copy_link,
    sample_picker,
    sample_strip,
    sample_thumbnail,
    state,
)
from components.formats import escape, needs, shortened
from components.links import PAGES

LINKED = ("Circuit explorer", "Easy vs hard", "Outcomes", "Difficulty")
LONGEST = 600  # letters of a question or an answer; the Forget set page has all of them
STYLE = """
.st-key-headlines [data-testid="stMetricValue"] { font-size: 1.15rem; }
.st-key-headlines { row-gap: 0.3rem; column-gap: 2.2rem; }
"""
PLAIN = {"displayModeBar": False}


@st.dialog("Sample card", width="large", on_dismiss=state.close_card)
def show(current: studies.Study, questions: pd.Series, chosen: str) -> None:
    """`questions` by sample id, the hardest first; `chosen` is one of them."""
    _choice(questions)
    sample = next((sample for sample in cached.forget_samples(current) if sample.id == chosen), None)
    if sample is None:
        st.info("This sample has scores, but the forget set no longer has it.")
        return
    tables = _tables(current)
    record = sample_record.collect(sample, tables)
    cohort = _found(lambda: cached.described(current)["cohort"][chosen])
    with st.container(gap=None):
        st.markdown(f"**{escape(shortened(record.question, LONGEST))}**")
        st.text(shortened(record.answer, LONGEST))
        st.caption(card_facts.what(record))
    _headlines(card_facts.headlines(record, cohort, cohort_rule.words(cohort_rule.current())))
    _pictures(record, tables)
    _runs(record.runs)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Go on with it in", width="content")
        for page in LINKED:
            st.page_link(PAGES[page], label=page, query_params=state.carried())
        st.page_link(PAGES["Easy vs hard"], label="Its circuit before and after a run",
                     query_params=state.carried() | {"compare": "Before and after a run"})


def _headlines(lines: list[card_facts.Headline]) -> None:
    st.html(f"<style>{STYLE}</style>")
    with st.container(horizontal=True, key="headlines"):
        for line in lines:
            st.metric(line.label, line.value, help=line.meaning, width="content")


def _pictures(record: sample_record.SampleRecord, tables: sample_record.Tables) -> None:
    """Its place among all samples, its circuit, and what runs left of it: a picture each, with the rest in words below."""
    boundary, circuit = state.boundary(_n_layers(tables)), tables.circuits.get(record.sample_id)
    hard, through, left = st.columns(3, gap="medium")
    with hard:
        st.markdown("**Where it stands among all samples**")
        if {"cud", "mrd"} <= set(record.scores):
            st.plotly_chart(sample_strip.figure(tables.scores, record.sample_id), theme=None, key="card_strip", config=PLAIN)
        st.caption(card_facts.difficulty(record))
    with through:
        st.markdown("**Its circuit**")
        if circuit is not None:
            st.plotly_chart(sample_thumbnail.circuit(circuit, boundary), theme=None, key="card_circuit", config=PLAIN)
        st.caption(card_facts.circuit(record, boundary))
    with left:
        st.markdown("**What unlearning did to it**")
        if len(record.runs):
            st.plotly_chart(sample_thumbnail.outcomes(record.runs), theme=None, key="card_outcomes", config=PLAIN)
        st.caption(card_facts.outcome(record))


def _choice(questions: pd.Series) -> None:
    """Another sample: by its question, or the one before or after by CUD rank."""
    picker, link = st.columns([6, 1], vertical_alignment="bottom")
    with picker:
        sample_picker.choose(questions, key="card")
    with link:
        copy_link.show(key="copy_card_link")


def _tables(current: studies.Study) -> sample_record.Tables:
    """What is on disk of the study; a part that cannot be read counts as not there, and its own page says why."""
    scored, circuits = _found(lambda: cached.scores(current)), _found(lambda: cached.circuits(current))
    records = cached.run_records(current)
    found = [run for record in records if (run := _found(lambda r=record: cached.run(r.folder)))]
    says = {r.folder: e.generations for r in records if (e := _found(lambda r=r: cached.evaluation(r.folder)))}
    relearnt = {r.folder: rows for r in records if (rows := _found(lambda r=r: cached_samples.relearnt(r.folder))) is not None}
    after = {r.folder: rows for r in records if (rows := _found(lambda r=r: cached_pairs.circuits_after(current, r.folder)))}
    maps = list(conflict_source.folders(current).values())
    boundary = state.boundary(next(iter(circuits[0].values())).index.n_layers) if circuits else 1
    return sample_record.Tables(
        scores=scored[0] if scored else None, circuits=circuits[0] if circuits else {},
        depths=_found(lambda: cached_samples.depths(current, boundary)), observed=cached.observed(current),
        counted=tuple(cached.counted(current)), runs=tuple(found), says=says,
        relearnt=relearnt, after=after, alone=_found(lambda: cached_samples.alone(current)),
        conflicts=_found(lambda: cached.conflicts(current, maps[0])) if maps else None,
    )


def _found(read: Any) -> Any:
    with suppress(ValueError):
        return read()
    return None


def _n_layers(tables: sample_record.Tables) -> int:
    return next((circuit.index.n_layers for circuit in tables.circuits.values()), 2)


def _runs(table: pd.DataFrame) -> None:
    """A row per run: before, after, over the epochs, after relearning others, and what the model says then."""
    if table.empty:
        return
    number = st.column_config.NumberColumn
    formats = {
        "method": st.column_config.TextColumn("Method", width=95), "seed": number("Seed", width=50, format="%d"),
        "before": number("Before", width=60, format="%.2f", help="Probability per answer token, exp(-NLL)"),
        "after": number("After", width=60, format="%.2f"),
        "gone_at": number("Gone at", width=65, format="%d", help=f"First epoch below {FORGOTTEN_BELOW}"),
        "over_epochs": st.column_config.LineChartColumn("Over epochs", width=120, y_min=0, y_max=1, help="Probability, epoch by epoch"),
        "relearnt": st.column_config.TextColumn("Relearnt", width=110, help="After the longest relearning of up to 8 other memories"),
        "says": st.column_config.TextColumn("Says after (greedy)", width="large"),
    }
    shown = table.assign(says=table["says"].fillna(needs("an evaluation"))).sort_values(["method", "seed"])
    shown = shown.drop(columns=["run", "in_common"] + ([] if table["relearnt"].notna().any() else ["relearnt"]))
    if "relearnt" in shown:  # as text: an empty cell would read "never"
        shown["relearnt"] = ["not computed" if pd.isna(value) else f"{value:.2f}" for value in shown["relearnt"]]
    height = min(248, 38 + 35 * len(shown))
    st.dataframe(shown, hide_index=True, height=height, placeholder="never", alt="Runs of this sample", column_config=formats)
