"""Choose one sample by its question, and say in words how hard it is."""

from collections.abc import Container

import pandas as pd
import streamlit as st

from components import state
from components.formats import labels, rank_in_words


def ranked(scores: pd.DataFrame, known: Container[str], observed: pd.Series | None) -> pd.DataFrame:
    """The scores of the samples in `known`; where there are runs, with `rank_outcome` (1 = hardest to unlearn) too."""
    table = scores[[sample in known for sample in scores["sample_id"]]]
    if observed is None:
        return table
    return table.assign(rank_outcome=table["sample_id"].map(observed).rank(method="first"))


def show(table: pd.DataFrame) -> str:
    """Pick a row of a scores table (hardest by CUD first); returns its sample_id, and keeps it in the URL."""
    left, right = st.columns(2)
    with left:
        chosen = choose(questions(table), key="sample")
    with right.container(gap=None):
        describe(table, chosen)
    return chosen


def choose(asked: pd.Series, *, key: str) -> str:
    """Pick a sample of `asked` (question by sample id, the hardest first) by its question, or go on to the one before or after it."""
    ids = list(asked.index)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = _pick(st, asked, "Sample", key=key)
        place = ids.index(chosen)
        for label, step in (("Previous", -1), ("Next", 1)):
            to = ids[min(max(place + step, 0), len(ids) - 1)]
            st.button(label, key=f"{key}_{label}", help="In the order of CUD ranks, the hardest first", disabled=to == chosen,
                      on_click=state.select_sample, args=(to,))
    if state.outdated():
        st.rerun()
    return chosen


def show_pair(table: pd.DataFrame) -> tuple[str, str]:
    """Pick two rows, at first the easiest (left) and the hardest (right) by CUD; a button swaps them.

    A sample picked on another page takes its side: the left if it is in the easier half, else the right. One picked here is picked
    on all pages.
    """
    order = ordered(table)["sample_id"].tolist()
    easiest, hardest = order[-1], order[0]
    if (picked := state.parameter("sample")) in order:
        easiest, hardest = (picked, hardest) if order.index(picked) >= len(order) / 2 else (easiest, picked)
    left, middle, right = st.columns([9, 2, 9], vertical_alignment="bottom")
    first = _pick(left, questions(table), "Left sample", "left", easiest, key="left")
    second = _pick(right, questions(table), "Right sample", "right", hardest, key="right")
    middle.button("Swap", width="stretch", on_click=_swap, args=(first, second))
    if state.outdated():
        st.rerun()
    return first, second


def take_sides(left: str, right: str, selected: str) -> None:
    """Select one of two samples for all pages; here both stay on their sides."""
    state.select_sample(left, "left")
    state.select_sample(right, "right")
    state.select_sample(selected)


def _swap(left: str, right: str) -> None:
    state.select_sample(right, "left")
    state.select_sample(left, "right")


def _pick(place, asked: pd.Series, label: str, slot: str = "sample", default: str | None = None, *, key: str) -> str:
    names, widget = labels(asked), f"{key}_choice"
    st.session_state[widget] = state.sample_id(list(names), default, slot)

    def chosen() -> None:
        if slot == "sample":
            state.select_sample(st.session_state[widget])
        else:
            take_sides(st.session_state["left_choice"], st.session_state["right_choice"], st.session_state[widget])

    return place.selectbox(label, list(names), format_func=names.get, key=widget, on_change=chosen)


def questions(table: pd.DataFrame) -> pd.Series:
    """Question by sample id, the hardest by CUD first."""
    return ordered(table).set_index("sample_id")["question"]


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("rank_cud", kind="stable") if "rank_cud" in table else table


def describe(table: pd.DataFrame, sample_id: str) -> None:
    """The sample's answer and its difficulty ranks, as text; of how many is said once where it is the same for all."""
    row = table.set_index("sample_id").loc[sample_id]
    columns = {name: f"rank_{name.lower()}" for name in ("CUD", "MRD", "Outcome")}
    words = [f"{name}: {rank_in_words(table[c], row[c])}" for name, c in columns.items() if c in table]
    if all(word.endswith(f" of {len(table)}") for word in words):
        words = [*(word.removesuffix(f" of {len(table)}") for word in words[:-1]), words[-1]]
    st.caption("; ".join(words))
    st.text(row["answer"])  # as text: data is never markup
