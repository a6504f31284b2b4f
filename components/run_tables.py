"""The table of one run's samples, in which a row can be selected."""

import pandas as pd
import streamlit as st

from analysis import runs
from components import state

NUMBER = st.column_config.NumberColumn


def sample_table(run: runs.Run, known: pd.DataFrame, observed: pd.Series | None, says: pd.Series | None = None) -> pd.DataFrame:
    """One row per forget sample of a run, by sample_id: what it asks, its cohort, before, after, and when it was forgotten.

    `observed`: observed.observed_difficulty, None where no run counts. `says`: the greedy answer after the run, None if not evaluated.
    """
    table = run.samples.set_index("sample_id").join(known[["question", "answer", "cohort", "rank_cud"]])
    table = table.assign(cohort=table.cohort.fillna("unscored"))
    ranks = ["rank_cud"] if table.rank_cud.notna().any() else []
    table = table[["question", "answer", "cohort", *ranks, "probability_before", "probability_after", "forgotten_epoch"]]
    if says is not None and len(says):
        table.insert(2, "says", says.reindex(table.index))
    return table if observed is None else table.assign(observed_rank=observed.reindex(table.index))


def choose_sample(table: pd.DataFrame, chosen: str | None, *, key: str) -> None:
    """The sample table; selecting a row selects the sample on every page, and opens its card."""
    probability = {"format": "%.2f", "min_value": 0.0, "max_value": 1.0, "width": 85}
    formats = {
        "question": st.column_config.TextColumn("Question", width=180 if "says" in table else 250),
        "answer": st.column_config.TextColumn("Answer", width=165 if "says" in table else 200),
        "says": st.column_config.TextColumn("Says now", width=165, help="Greedy generation after the run"),
        "cohort": st.column_config.TextColumn("Cohort", width=70, help="By the rule of the Difficulty page"),
        "rank_cud": NUMBER("CUD rank", format="%.0f", width=75, help="1 = predicted hardest to forget"),
        "probability_before": NUMBER("Before", format="%.2f", width=65, help="Probability per answer token"),
        "probability_after": st.column_config.ProgressColumn("After", **probability),
        "forgotten_epoch": NUMBER(
            "Gone at", width=70, help=f"First epoch below {runs.FORGOTTEN_BELOW}",
        ),
        "observed_rank": NUMBER(
            "Outcome", format="%.0f", width=75, help="Place by what all runs that count left of it: 1 = resisted most",
        ),
    }
    ids = list(table.index)

    def picked() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(ids[row])
            state.open_card()

    rows = [ids.index(chosen)] if chosen in ids else []
    st.dataframe(
        table.reset_index(drop=True), column_config=formats, hide_index=True, height=380, key=key, placeholder="never",
        on_select=picked, selection_mode="single-row", alt="Memories of this run, those that most is left of first",
        selection_default={"selection": {"rows": rows, "columns": [], "cells": []}},
    )
