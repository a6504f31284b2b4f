"""The guided tour: five stops on the way of one memory, each with a takeaway made from the study's measured numbers."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis import outcomes, runs, studies
from analysis.circuit import Circuit
from analysis.depth import depth_readouts
from analysis.evaluation_metrics import RELEARN_STEPS, after_relearning
from analysis.figures import interval
from analysis.findings import verdict
from components import cached, state
from components.formats import escape
from components.links import PAGES

PARAMETER = "tour"  # number of the stop, from 1


@dataclass(frozen=True)
class Stop:
    """`takeaway` is Markdown, None where it is not computed: `needs` then says why. `query` opens the view that shows it."""

    title: str
    page: str
    takeaway: str | None
    needs: str
    query: dict[str, str]


@dataclass(frozen=True)
class Ends:
    """The memories that runs removed last and first: sample id, question, and mean answer probability left over the runs."""

    n_runs: int
    hard: str
    easy: str
    questions: dict[str, str]
    left: dict[str, float]


def stops(study: studies.Study) -> list[Stop]:
    """Everything from disk, no model is loaded. Raises ValueError if the forget set cannot be read."""
    ends = ends_of(study)
    hard = {"sample": ends.hard} if ends else {}
    pair = hard | {"left": ends.easy, "right": ends.hard} if ends else {}
    main = _main_part(study)
    made: list[tuple[str, str, Callable[[], str | None], str, dict[str, str]]] = [
        ("Two memories", "Forget set", lambda: _two_memories(ends), "an unlearning run", hard),
        ("Could one have known?", "Difficulty", lambda: _known_before(main), "scores and a run", hard),
        ("The circuit of one", "Circuit explorer", lambda: _circuits(study, ends), "circuits and a run", hard),
        ("Easy beside hard", "Easy vs hard", lambda: _depth(main), "scores, circuits and a run", pair),
        ("Gone, or hidden?", "Outcomes", lambda: _lasting(study), "an evaluated run", hard | _durability(study)),
    ]
    return [Stop(title, page, make(), needs, query) for title, page, make, needs, query in made]


def cards(found: list[Stop], study: studies.Study) -> None:
    """The stops one below the other, each with its takeaway and the way to it."""
    st.header("Guided tour: one memory in five stops", anchor=False)
    with st.container(border=True, gap="small"):
        for number, stop in enumerate(found, 1):
            title, words, way = st.columns([2, 7, 1.4], vertical_alignment="center")
            title.markdown(f"**{number}. {stop.title}**")
            words.markdown(said(stop))
            with way:
                st.page_link(PAGES[stop.page], label="Look at it", query_params=address(stop, number, study))


def banner(study: studies.Study) -> None:
    """On a page opened by the tour: where one is, what there is to see, and the way on. Nothing on any other page."""
    number = state.parameter(PARAMETER) or ""
    if number not in ("1", "2", "3", "4", "5"):
        return
    try:
        found = stops(study)
    except ValueError:  # the page itself says why
        return
    at = int(number)
    with st.container(border=True, key="tour"):
        words, way = st.columns([5, 1.2], vertical_alignment="center")
        words.markdown(f"**Stop {at} of {len(found)}: {found[at - 1].title}**  \n{said(found[at - 1])}")
        with way.container(gap=None):
            if at > 1:
                st.page_link(PAGES[found[at - 2].page], label="Previous stop", query_params=address(found[at - 2], at - 1, study))
            if at < len(found):
                st.page_link(PAGES[found[at].page], label="Next stop", query_params=address(found[at], at + 1, study))
            else:
                st.page_link(PAGES["Overview"], label="End of the tour", query_params=state.carried() | {"study": study.slug})


def said(stop: Stop) -> str:
    return stop.takeaway or f"Not computed: needs {stop.needs}."


def address(stop: Stop, number: int, study: studies.Study) -> dict[str, str]:
    """Query parameters of a stop: its view, and that the tour goes on there."""
    return {"study": study.slug} | stop.query | {PARAMETER: str(number)}


def ends_of(study: studies.Study) -> Ends | None:
    observed, left = cached.observed(study), cached.left_after_runs(study)
    if observed is None or left is None:
        return None
    questions = {sample.id: sample.question for sample in cached.forget_samples(study)}
    order = [sample for sample in observed.sort_values(kind="stable").index if sample in questions]
    if len(order) < 2:
        return None
    both = (order[0], order[-1])
    return Ends(
        len(cached.counted(study)), *both, {s: questions[s] for s in both}, {s: float(left[s]) for s in both},
    )


def _main_part(study: studies.Study) -> pd.DataFrame | None:
    try:
        table = cached.held_out(study)
    except ValueError:  # the Difficulty page says why
        return None
    return None if table is None else table[table["analysis"] == "main"].set_index("predictor")


def _two_memories(ends: Ends | None) -> str | None:
    if ends is None:
        return None
    hard, easy = (f"*{escape(ends.questions[sample])}*" for sample in (ends.hard, ends.easy))
    return (
        f"Asked to forget everything, the model still gives the answer to {hard} a probability of {ends.left[ends.hard]:.2f}, "
        f"and that to {easy} {ends.left[ends.easy]:.2f} (mean of {ends.n_runs} run{'s' if ends.n_runs > 1 else ''})."
    )


def _known_before(main: pd.DataFrame | None) -> str | None:
    if main is None or not {"CUD", "MRD"} <= set(main.index):
        return None
    said = ". ".join(f"{name}, {means}, {verdict(row['low'], row['high'])}: {_figures(row)}" for name, means, row in (
        ("CUD", "read off the memory's circuit", main.loc["CUD"]),
        ("MRD", "how little the answer moves when the weights do", main.loc["MRD"]),
    ))
    n = main.loc["CUD", "n"]
    return (
        f"Two scores, both made without seeing the memory unlearned. {said}. "
        f"Rank correlation with what {n} memories then did (1: the same order), 95% intervals."
    )


def _circuits(study: studies.Study, ends: Ends | None) -> str | None:
    found = cached.circuits(study)
    if ends is None or found is None or not {ends.hard, ends.easy} <= set(found[0]):
        return None
    hard, easy = (_read(found[0][sample]) for sample in (ends.hard, ends.easy))
    return (
        f"The whole circuit of the one that stayed, of which the picture draws a part, has {hard['late_share']:.0%} of its score in "
        f"the later half of the layers, and a longest path of {hard['longest_path']:.0f} steps. "
        f"For the one that went: {easy['late_share']:.0%} and {easy['longest_path']:.0f}."
    )


def _read(circuit: Circuit) -> dict[str, float]:
    return depth_readouts(circuit, max(1, circuit.index.n_layers // 2))


def _depth(main: pd.DataFrame | None) -> str | None:
    if main is None or not {"Late share", "Longest path"} <= set(main.index):
        return None
    late, path = main.loc["Late share"], main.loc["Longest path"]
    ways = f"run {_way(late, 'later', 'earlier')} and {_way(path, 'along longer paths', 'along shorter paths')}"
    return f"Over all memories, as far as can be told, harder ones {ways} through the model. Rank correlations, 95% intervals."


def _way(row: pd.Series, more: str, less: str) -> str:
    """The claim with its figures, or that there is none."""
    word = more if row["low"] > 0 else less if row["high"] < 0 else f"neither {more} nor {less}"
    return f"{word}, {_figures(row)},"


def _figures(row: pd.Series) -> str:
    if row["spearman"] != row["spearman"]:
        return "not defined, as one of the two does not vary"
    return interval(row["spearman"], row["low"], row["high"])


def _durability(study: studies.Study) -> dict[str, str]:
    """The part of the page that shows how long forgetting lasts, with the run that is spoken of in focus."""
    records = cached.run_records(study)
    best, known = outcomes.best(records), outcomes.by_id(records)
    return {"view": "Durability"} | ({} if best is None else {"run": next(name for name in known if known[name] == best)})


def relearned(study: studies.Study) -> tuple[runs.RunRecord, int, float, float | None] | None:
    """The run that forgets most while it keeps the rest, the steps of relearning that were measured on it, and the forget probability
    after them: in its model, and in the control that never knew the set. None if it was not measured."""
    best = outcomes.best(cached.run_records(study))
    try:
        evaluation = None if best is None else cached.evaluation(best.folder)
    except ValueError:  # the Outcomes page says why
        return None
    found = _relearned({} if evaluation is None else evaluation.summary)
    return None if best is None or found is None else (best, *found)


def _lasting(study: studies.Study) -> str | None:
    found = relearned(study)
    if found is None:
        return None
    best, steps, back, control = found
    beside = "" if control is None else f"; in a model that never knew them, {control:.2f}"
    return (
        f"{escape(best.name)} leaves the forget set a probability of {best.forget_probability:.2f} and keeps "
        f"{best.retain_probability:.2f} of the rest. After {steps} steps of relearning a few memories "
        f"the others are back at {back:.2f}{beside}."
    )


def _relearned(summary: dict[str, object]) -> tuple[int, float, float | None] | None:
    """The most steps of relearning that were measured, and the forget probability after them, in the run's model and in the control."""
    for steps in sorted(RELEARN_STEPS, reverse=True):
        run, control = (summary.get(after_relearning(steps, of_control)) for of_control in (False, True))
        if isinstance(run, int | float):
            return steps, run, control if isinstance(control, int | float) else None
    return None
