"""The sortable table of difficulty scores; selecting a row selects the sample on every page."""

import pandas as pd
import streamlit as st

from components import state

COLUMNS = {
    "question": st.column_config.TextColumn("Question", width=300),
    "answer": st.column_config.TextColumn("Answer", width=170),
    "cohort": st.column_config.TextColumn("Cohort", width="small"),
    "rank_cud": st.column_config.NumberColumn("CUD rank", format="%.1f", help="1 = hardest; two samples may share a rank, such as 1.5"),
    "rank_mrd": st.column_config.NumberColumn("MRD rank", format="%d", help="1 = hardest"),
    "cud": st.column_config.NumberColumn("CUD", format="%.3f", help="0 = like the easy anchor circuit, 1 = like the hard one"),
    "mrd": st.column_config.NumberColumn("MRD", format="%.3g", help="Low = hard: the answer hardly moves when weights do"),
    "mrd_stderr": st.column_config.NumberColumn("± MRD", format="%.2g", help="Standard error over perturbation pairs"),
    "observed_rank": st.column_config.NumberColumn("Observed", format="%.1f", help="Rank by what unlearning leaves; 1 = hardest"),
    "n_answer_tokens": st.column_config.NumberColumn("Tokens", format="%d", help="Answer tokens"),
    "gap": st.column_config.NumberColumn("Gap", width=60, format="%+.0f", help="CUD rank minus MRD rank"),
    "base_nll": st.column_config.NumberColumn("Base NLL", format="%.4f", help="Nats per answer token before unlearning"),
    "cud_role": st.column_config.TextColumn("Role", help="An anchor defines a reference for the other half's CUD, never for its own"),
}


def show(table: pd.DataFrame, *, key: str, narrow: bool = False) -> None:
    """`table` in the order to show, with columns of scores.csv, `cohort`, perhaps `observed_rank`; `narrow` in half a page."""
    shown = [column for column in COLUMNS if column in table]

    def choose() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(table["sample_id"].iloc[row])

    columns = COLUMNS | ({"question": st.column_config.TextColumn("Question", width=150)} if narrow else {})
    st.dataframe(
        table[shown], column_config=columns, hide_index=True, height=330, key=key, on_select=choose, selection_mode="single-row"
    )
