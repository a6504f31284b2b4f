"""The overview's parts: a picture of what unlearning did, headline numbers, the strip of steps with their state, what methods leave."""

from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd
import streamlit as st

from analysis import dataset, outcomes, runs, studies
from analysis.observed import CONTROL
from components import cached, conflict_source, layout, overview_plot, state, tour


@dataclass(frozen=True)
class Overview:
    """What is known of a study so far; None = not computed."""

    study: studies.Study
    n_forget: int
    n_retain: int
    scores: pd.DataFrame | None
    n_circuits: int | None
    records: list[runs.RunRecord]
    validity: pd.DataFrame | None
    conflicts: str  # how many nodes are in conflict, or why that is not known


def collect(study: studies.Study) -> Overview:
    """Everything from disk; no model is loaded."""
    try:
        n_forget, n_retain = len(cached.forget_samples(study)), len(cached.retain_samples(study))
    except dataset.DataError as error:
        layout.problem("A sample set cannot be read.", str(error))
        n_forget = n_retain = 0
    found, circuits = cached.scores(study), cached.circuits(study)
    scores, n_circuits = found[0] if found else None, len(circuits[0]) if circuits else None
    try:
        main = cached.held_out(study)
        main = None if main is None else main[main["analysis"] == "main"]
    except ValueError:  # the Difficulty page says why
        main = None
    return Overview(study, n_forget, n_retain, scores, n_circuits, cached.run_records(study), main, _conflicts(study))


def _conflicts(study: studies.Study) -> str:
    found = list(conflict_source.folders(study).values())
    try:
        newest = cached.conflicts(study, found[0]) if found else None
        return f"{newest.n_conflicts} of {len(newest.nodes)} nodes" if newest else "not computed"
    except ValueError:  # its page says why
        return "not shown"


def opening(overview: Overview) -> None:
    """What this is about, in a sentence and a picture, both from measured numbers; what is missing for them where there are none."""
    if not overview.n_forget:
        return
    course, ends = cached.course(overview.study), tour.ends_of(overview.study)
    told = f"A language model is told to forget {overview.n_forget:,} things that it knows, and to keep {overview.n_retain:,}."
    if course is None or ends is None or not {ends.hard, ends.easy} <= set(course.loc["forget"].index):
        st.header(told, anchor=False)
        yet = "No run has yet more than halved what it knows of them" if overview.records else "Nothing is unlearned here yet"
        st.markdown(f"Which will resist? {yet}: once a run has, the fate of each is drawn in this place.")
        st.page_link(layout.PAGES["Unlearn"], label="Start a run", query_params=state.carried())
        return
    said, drawn = st.columns([4, 7], gap="large", vertical_alignment="center")
    with said:
        st.header(told, anchor=False)
        st.markdown(_fates(course, ends))
        way = {"study": overview.study.slug, "sample": ends.hard, tour.PARAMETER: "1"}
        st.page_link(layout.PAGES["Forget set"], label="Take the tour: five stops", query_params=way)
    with drawn:
        both = {"hard": ends.hard, "easy": ends.easy}
        questions = {sample.id: sample.question for sample in cached.forget_samples(overview.study)}
        st.plotly_chart(overview_plot.figure(course, both, questions), theme=None, config={"displayModeBar": False}, key="opening",
                        alt="Answer probability of each memory over the course of unlearning")


def _fates(course: pd.DataFrame, ends: tour.Ends) -> str:
    half = course[0.5].loc["forget"]
    return (
        f"Some go at once, others resist: halfway through unlearning the answer that goes first has a probability of "
        f"**{half[ends.easy]:.2f}** left, the one that goes last **{half[ends.hard]:.2f}**. Each gray line is one memory, the mean of "
        f"{ends.n_runs} run{'s' if ends.n_runs > 1 else ''}.\n\nWhich ones resist, could one have known, through which circuits are "
        "they recalled, and are they really gone?"
    )


def headline(overview: Overview) -> None:
    """Four numbers, each with its unit; missing ones say what they need."""
    values = [
        ("Memories to forget", f"{overview.n_forget:,}", f"beside {overview.n_retain:,} to keep"),
        ("Left by the best run", *_best(overview.records)),
        ("Back after relearning", *_back(overview.study)),
        ("CUD against outcome", *_against_outcome(overview)),
    ]
    for column, (label, value, note) in zip(st.columns(4), values, strict=True):
        with column.container(border=True, height="stretch", gap=None):
            st.metric(label, value)
            st.caption(note)


def _best(records: list[runs.RunRecord]) -> tuple[str, str]:
    """The least that a run left, of those that kept the retain set: one that loses everything forgets, too."""
    if not records:
        return "-", "not computed: needs a run"
    best = outcomes.best(records)
    if best is None:
        return "-", f"no run keeps a retain probability of {outcomes.KEPT}"
    kept = f"{layout.escape(best.method)} keeps {best.retain_probability:.2f} of the rest"
    return f"{best.forget_probability:.2f}", f"answer probability, from {best.forget_before:.2f}; {kept}"


def _back(study: studies.Study) -> tuple[str, str]:
    found = tour.relearned(study)
    if found is None:
        return "-", "not computed: needs an evaluated run"
    _, steps, back, control = found
    beside = "" if control is None else f"; {control:.2f} had it never known them"
    return f"{back:.2f}", f"what the others reach when {steps} steps teach that run a few again{beside}"


def _against_outcome(overview: Overview) -> tuple[str, str]:
    """How CUD predicts the outcome, and beyond what; or why there is no figure."""
    if overview.scores is None or not overview.records:
        return "-", "not computed: needs scores and a run"
    if overview.validity is None:
        return "-", "not computed: the Difficulty page says why"
    cud = overview.validity.set_index("predictor").loc["CUD"]
    if pd.isna(cud["spearman"]):
        return "-", "not defined: CUD or the outcome is the same for all samples"
    beyond = "nothing left" if pd.isna(cud["given_baselines"]) else f"{cud['given_baselines']:.2f}"
    return f"{cud['spearman']:.2f}", f"rank correlation of this score, told beforehand, with what resists; {beyond} beyond baselines"


def steps(overview: Overview) -> None:
    """The way through the app, each step with its state and a link."""
    done = overview.scores is not None
    ways = [
        ("Load", "Forget set", f"{overview.n_forget:,} samples" if overview.n_forget else "nothing loaded"),
        ("Score", "Difficulty", f"{len(overview.scores):,} scored" if done else "not computed"),
        ("Circuits", "Circuit explorer", f"{overview.n_circuits:,} circuits" if overview.n_circuits else "not computed"),
        ("Compare", "Easy vs hard", "ready" if done and overview.n_circuits else "needs circuits"),
        ("Conflicts", "Conflict map", overview.conflicts),
        ("Unlearn", "Unlearn", "ready"),
        ("Outcomes", "Outcomes", _count(len(overview.records), "run") if overview.records else "no run yet"),
        ("Report", "Report", "ready" if done or overview.records else "needs results"),
    ]
    ways = [way for way in ways if way[1] in layout.PAGES]
    st.header("The way through", anchor=False)
    for column, (number, (label, page, now)) in zip(st.columns(len(ways)), enumerate(ways, 1), strict=True):
        with column.container(border=True, height="stretch", gap=None):
            st.page_link(layout.PAGES[page], label=f"{number}. {label}", query_params=state.carried())
            st.caption(now)


def methods(overview: Overview) -> None:
    """What each method leaves of both sets, and where the findings stand."""
    if len(spread := _spread(overview.records)):
        st.header("What each method leaves", anchor=False)
        number = {"format": "%.2f", "width": 170}
        st.dataframe(spread, hide_index=True, width="content", alt="Forget and retain probability by method", column_config={
            "Method": st.column_config.TextColumn(width=260),
            "Left of the forget set": st.column_config.NumberColumn(help="Mean answer probability over its runs", **number),
            "Kept of the retain set": st.column_config.NumberColumn(help="Mean answer probability over its runs", **number),
        })


EXPLANATION = """
Everything on this page is read from the study's results; no model is loaded. The picture shows the mean over the runs that count
(named below), over the share of each run's epochs; of what is to be kept, over the samples that the runs measure. The hardest and the
easiest memory are those with the highest and the lowest observed difficulty, a memory's rank by the loss that unlearning leaves,
averaged over seeds, then methods. CUD, circuit-guided unlearning difficulty, compares a sample's circuit with those of easy and hard
samples; MRD, memory removal difficulty, is low where the answer hardly moves when the weights do. Neither has seen what unlearning
does to the sample. Correlations are Spearman's with 95% bootstrap intervals over memories. A word such as *foretells* is only used
where the interval leaves out 0. All findings and tables are on the Report page.
"""


def record(study: studies.Study) -> dict[str, Any]:
    """What the figures were computed from: provenance of the scores, and the runs that count."""
    scores = cached.scores(study)
    kept = ("created", "fingerprint", "data", "device", "versions", "seed")
    return {
        "scores": {key: scores[1][key] for key in kept if key in scores[1]} if scores else "not computed",
        "runs that count": cached.counted(study),
    }


def _spread(records: list[runs.RunRecord]) -> pd.DataFrame:
    """Means over runs that differ in nothing but their seed, as far as records say; those under a mask are another thing: left out."""
    groups: dict[tuple, list[runs.RunRecord]] = {}
    for r in records:
        if r.retain_probability is not None and r.mask == "none":
            groups.setdefault((r.method, r.n_epochs, r.learning_rate, r.sampling, r.n_samples), []).append(r)
    methods = [method for method, *_ in groups]
    return pd.DataFrame([{
        "Method": _named(found[0], methods.count(found[0].method) > 1),
        "Left of the forget set": fmean(r.forget_probability for r in found),
        "Kept of the retain set": fmean(r.retain_probability for r in found), "Runs": len(found),
    } for found in groups.values()])


def _named(record: runs.RunRecord, several: bool) -> str:
    """The method; where it ran with several settings, with those of the record."""
    role = ["control"] if record.method == CONTROL else []
    if several:
        role += ([] if record.sampling == "Uniform" else [record.sampling])
        known = record.n_epochs and record.learning_rate
        role.append(f"{_count(record.n_epochs, 'epoch')} at {record.learning_rate:g}" if known else "settings not recorded")
    return f"{record.method} ({', '.join(role)})" if role else record.method


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
