"""The sortable table of difficulty scores; selecting a row selects the sample on every page."""

import pandas as pd
import streamlit as st

from components import state
from components.formats import fixed

TEXT, NUMBER = st.column_config.TextColumn, st.column_config.NumberColumn
RANK = "1 = hardest; two samples may share a place"
COLUMNS = {
    "question": TEXT("Question", width=284),
    "answer": TEXT("Answer", width=92),
    "cohort": TEXT("Cohort", width=66, help="By the rule above; * = pinned by hand"),
    "rank_cud": NUMBER("CUD rank", width=74, format="%d", help=f"Place by CUD: {RANK}, one of each half of the set"),
    "rank_mrd": NUMBER("MRD rank", width=74, format="%d", help=f"Place by MRD: {RANK}"),
    "rank_outcome": NUMBER("Outcome", width=72, format="%d", help="Place by what the unlearning runs left of it: 1 = resisted most"),
    "cud": NUMBER("CUD", width=52, format="%.3f", help="0 = like the easy anchor circuit, 1 = like the hard one. High = hard. No unit"),
    "n_answer_tokens": NUMBER("Tokens", width=60, format="%d", help="Length of the answer in tokens"),
    "gap": NUMBER("Gap", width=54, format="%+.0f", help="CUD rank minus MRD rank"),
}
IN_HALF = {"question": TEXT("Question", width=256)}
MRD = "Low = hard: the answer hardly moves when weights do. No unit"
APART = ("question", "rank_cud", "rank_mrd", "rank_outcome", "gap")
EVERY = (
    "question", "answer", "cohort", "rank_cud", "rank_mrd", "rank_outcome", "cud", "mrd", "mrd_stderr", "n_answer_tokens", "base_nll",
)


def show(table: pd.DataFrame, selected: str | None, *, key: str, narrow: bool = False) -> None:
    """`table` in the order to show, with columns of scores.csv, `cohort`, perhaps `rank_outcome`; `narrow` in half a page."""
    names = table["sample_id"].tolist()
    rows = [names.index(selected)] if selected in names else []
    st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}  # also where it was selected elsewhere

    def choose() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(names[row])

    order = "those on which CUD and MRD disagree most first" if narrow else "hardest by CUD first"
    shown = table[[column for column in (APART if narrow else EVERY) if column in table]]
    columns = COLUMNS | (IN_HALF if narrow else _measured(shown))
    st.dataframe(
        shown, column_config=columns, hide_index=True, height=330, key=key, on_select=choose, selection_mode="single-row",
        alt=f"Samples and their difficulty scores, {order}",
    )


def _measured(table: pd.DataFrame) -> dict:
    """Columns whose scale differs from study to study: digits by their own values, of MRD by its error."""
    error = fixed(table["mrd_stderr"])
    return {
        "mrd": NUMBER("MRD", width=60, format=error, help=MRD),
        "mrd_stderr": NUMBER("± MRD", width=60, format=error, help="Standard error of MRD over its perturbation pairs"),
        "base_nll": NUMBER("Base NLL", width=74, format=fixed(table["base_nll"]),
                           help="Loss of the answer before unlearning, in nats per token: low = known well"),
    }
