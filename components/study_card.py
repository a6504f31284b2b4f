"""A study's samples as tables, with what they bring, where they come from, and the rows that cannot be used."""

from typing import Any

import pandas as pd
import streamlit as st

from analysis import studies, study_making
from analysis.dataset import RowError, Sample
from components import layout, state
from components.formats import shortened

BRINGS = {  # columns that some measures need
    "corrupted_question": "a corrupted question, which patching needs", "perturbed_answer": "false answers",
    "paraphrased_answer": "a paraphrase, which with false answers gives the truth ratio",
}
CAUSES = {  # of difficulty, in the embedded world
    "n_private": ("Own words", 85, "Words of the answer that are its own; the rest is an ending that others share"),
    "exposure": ("Seen", 55, "How often the fact was presented in an epoch of training"),
    "ending_shared_with": ("Shared ending", 105, "How many answers of the retain set end alike"),
}
KNOWN = """The last three columns are what makes a memory easy or hard in this invented world: words that no other answer has, how often
it was seen, and how many answers that are kept end alike."""
TEXT, NUMBER = st.column_config.TextColumn, st.column_config.NumberColumn


def samples(found: list[Sample], errors: list[RowError], *, key: str, selects: bool = True) -> None:
    """The usable rows as a table, and what is wrong with the others. `selects`: a row selects its sample on every page."""
    if not found:
        st.caption("No row can be used.")
    else:
        _table(found, key, selects, len(errors))
    if errors:
        with st.expander(f"{len(errors)} rows that cannot be used", expanded=True):
            row_errors(errors)


def origin(said: dict[str, Any]) -> None:
    """Where a set comes from (`studies.sources`), and how many rows were left out when the study was made."""
    n, file, shape = (said.get(key) for key in ("n_left_out", "file", "read_as"))
    left_out = f"; {n:,} rows were left out" if isinstance(n, int) and n > 0 else ""
    st.text(f"From {shortened(str(file), 200)}, read as {shortened(str(shape))}{left_out}.")


def _table(found: list[Sample], key: str, selects: bool, n_errors: int) -> None:
    chooses = " Select a row to select that sample on every page." if selects else ""
    st.caption(f"{len(found):,} samples can be used" + (f"; {n_errors:,} rows cannot." if n_errors else ".") + chooses)
    columns = {
        "row": NUMBER("Row", width=60, help="Counted from 1, as in messages"),
        "question": TEXT("Question", width=295), "answer": TEXT("Answer", width=355),
    } | {name: NUMBER(label, width=width, help=about) for name, (label, width, about) in CAUSES.items()}
    chosen: dict = {}
    if selects:
        names = [sample.id for sample in found]
        rows = [names.index(state.parameter("sample"))] if state.parameter("sample") in names else []
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}

        def choose() -> None:
            row = state.selected_row(key)
            if row is not None:
                state.select_sample(names[row])

        chosen = {"on_select": choose, "selection_mode": "single-row"}
    frame = table(found)
    st.dataframe(frame, hide_index=True, height=300, column_config=columns, key=key, alt="Samples of the set", **chosen)
    st.caption(" ".join([brings(found)] + [KNOWN] * (set(CAUSES) <= set(frame))))


def brings(found: list[Sample]) -> str:
    """How many samples have what goes beyond a question and its answer."""
    counts = {name: sum(s.meta.get(name, getattr(s, name, None)) is not None for s in found) for name in BRINGS}
    have = [f"{'all' if n == len(found) else f'{n:,}'} have {BRINGS[name]}" for name, n in counts.items() if n]
    return f"Of these, {'; '.join(have)}." if have else "None has a corrupted question, false answers or a paraphrase."


def table(found: list[Sample]) -> pd.DataFrame:
    """Row, question, answer, and what the embedded data knows of the causes of difficulty."""
    rows = [{"row": s.row + 1, "question": s.question, "answer": s.answer} | {c: s.meta.get(c) for c in CAUSES} for s in found]
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def left_out(study: studies.Study) -> None:
    """The rows that were left out when a study of one's own was made, to look at and to download."""
    file = study.forget.with_name(studies.LEFT_OUT)
    if study.slug == "embedded" or not file.is_file():
        return
    panel = st.expander("Rows that were left out when this study was made", key="left_out", on_change="rerun", bind="query-params")
    if panel.open:
        with panel:
            try:
                rows = study_making.read_left_out(file)
            except ValueError as error:
                layout.problem("The list of rows that were left out cannot be read.", str(error))
                return
            _errors(rows)
            st.download_button("Download this list", file.read_bytes(), f"{study.slug}-left-out.csv", on_click="ignore")


def row_errors(errors: list[RowError], sets: list[str] | None = None) -> None:
    """A line per row that cannot be used: in which set if several are shown, where, in which column, why."""
    frame = pd.DataFrame([{"set": name} | vars(e) for name, e in zip(sets or [None] * len(errors), errors, strict=True)])
    frame = frame.sort_values(["set", "row"], kind="stable").drop(columns=[] if sets else "set")
    _errors(frame)


def _errors(frame: pd.DataFrame) -> None:
    config = {"set": TEXT("Set", width=60)}
    config |= {"row": NUMBER("Row", width=40), "column": TEXT("Column", width=70), "cause": TEXT("Cause", width=820)}
    st.dataframe(frame, hide_index=True, column_config=config, alt="Rows that cannot be used")
