"""Choose one sample by its question, and say in words how hard it is."""

import math
from collections.abc import Container

import pandas as pd
import streamlit as st

from components import state


def ranked(scores: pd.DataFrame, known: Container[str], observed: pd.Series | None) -> pd.DataFrame:
    """The scores of the samples in `known`; where there are runs, with `rank_outcome` (1 = hardest to unlearn) too."""
    table = scores[[sample in known for sample in scores["sample_id"]]]
    if observed is None:
        return table
    return table.assign(rank_outcome=table["sample_id"].map(observed).rank(method="first"))


def show(table: pd.DataFrame) -> str:
    """Pick a row of a scores table (hardest by CUD first); returns its sample_id, and keeps it in the URL."""
    left, right = st.columns(2)
    chosen = _pick(left, table, "Sample")
    with right.container(gap=None):
        describe(table, chosen)
    return chosen


def show_pair(table: pd.DataFrame) -> tuple[str, str]:
    """Pick two rows, at first the easiest (left) and the hardest (right) by CUD; a button swaps them."""
    order = ordered(table)["sample_id"].tolist()
    left, middle, right = st.columns([9, 2, 9], vertical_alignment="bottom")
    first = _pick(left, table, "Left sample", "left", default=order[-1])
    second = _pick(right, table, "Right sample", "right", default=order[0])
    middle.button("Swap", width="stretch", on_click=_swap, args=(first, second))
    st.caption("Opens with the easiest (left) and the hardest (right) by CUD.")
    for column, chosen in zip(st.columns(2), (first, second), strict=True):
        with column.container(gap=None):
            describe(table, chosen)
    return first, second


def _swap(left: str, right: str) -> None:
    state.select_sample(right, "left")
    state.select_sample(left, "right")


def _pick(place, table: pd.DataFrame, label: str, slot: str = "sample", default: str | None = None) -> str:
    table = ordered(table)
    questions = dict(zip(table["sample_id"], table["question"], strict=True))
    key = f"{slot}_choice"
    st.session_state[key] = state.sample_id(list(questions), default, slot)

    def chosen() -> None:
        state.select_sample(st.session_state[key], slot)

    return place.selectbox(label, list(questions), format_func=questions.get, key=key, on_change=chosen)


def ordered(table: pd.DataFrame) -> pd.DataFrame:
    return table.sort_values("rank_cud", kind="stable") if "rank_cud" in table else table


def describe(table: pd.DataFrame, sample_id: str) -> None:
    """The sample's answer and its difficulty ranks, as text."""
    row = table.set_index("sample_id").loc[sample_id]
    columns = {name: f"rank_{name.lower()}" for name in ("CUD", "MRD", "Outcome")}
    words = [f"{name}: {rank_in_words(table[c], row[c])}" for name, c in columns.items() if c in table]
    anchor = ["an anchor for the other half"] if str(row["cud_role"]).startswith("anchor") else []
    st.caption("; ".join(words + anchor))
    st.text(row["answer"])  # as text: data is never markup


def rank_in_words(ranks: pd.Series, rank: float) -> str:
    """'hardest 12 of 160', or from the other end where that is shorter: 'easiest 3 of 160'. Rank 1 is the hardest."""
    n = int(ranks.count())
    if pd.isna(rank):
        return "not computed"
    from_easy = n + 1 - math.ceil(rank)  # two samples may share a rank, such as 1.5
    return f"hardest {int(rank)} of {n}" if rank <= from_easy else f"easiest {from_easy} of {n}"
