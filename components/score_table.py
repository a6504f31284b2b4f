"""The sortable table of difficulty scores; selecting a row selects the sample on every page."""

import pandas as pd
import streamlit as st

from components import state

TEXT, NUMBER = st.column_config.TextColumn, st.column_config.NumberColumn
COLUMNS = {
    "question": TEXT("Question", width=232),
    "answer": TEXT("Answer", width=120),
    "cohort": TEXT("Cohort", width=66, help="By the rule above; * = pinned by hand"),
    "rank_cud": NUMBER("CUD rank", width=74, format="%.1f", help="1 = hardest; two samples may share a rank, such as 1.5"),
    "rank_mrd": NUMBER("MRD rank", width=74, format="%d", help="1 = hardest"),
    "observed_rank": NUMBER("Observed", width=76, format="%.1f", help="Rank by what unlearning leaves; 1 = hardest"),
    "cud": NUMBER("CUD", width=54, format="%.3f", help="0 = like the easy anchor circuit, 1 = like the hard one. High = hard"),
    "mrd": NUMBER("MRD", width=60, format="%.3g", help="Low = hard: the answer hardly moves when weights do"),
    "mrd_stderr": NUMBER("± MRD", width=60, format="%.2g", help="Standard error over perturbation pairs"),
    "n_answer_tokens": NUMBER("Tokens", width=60, format="%d", help="Length: answer tokens"),
    "base_nll": NUMBER("Base NLL", width=74, format="%.3g", help="Nats per answer token before unlearning"),
    "gap": NUMBER("Gap", width=56, format="%+.0f", help="CUD rank minus MRD rank"),
}
NARROW = ("question", "rank_cud", "rank_mrd", "gap")


def show(table: pd.DataFrame, selected: str | None, *, key: str, narrow: bool = False) -> None:
    """`table` in the order to show, with columns of scores.csv, `cohort`, perhaps `observed_rank`; `narrow` in half a page."""
    names = table["sample_id"].tolist()
    rows = [names.index(selected)] if selected in names else []
    st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}  # also where it was selected elsewhere

    def choose() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(names[row])

    order = "those on which CUD and MRD disagree most first" if narrow else "hardest by CUD first"
    shown = [column for column in (NARROW if narrow else COLUMNS) if column in table]
    st.dataframe(
        table[shown], column_config=COLUMNS, hide_index=True, height=330, key=key, on_select=choose, selection_mode="single-row",
        alt=f"Samples and their difficulty scores, {order}",
    )
