"""What a study consists of: its model in numbers, its samples as a table with row-level errors."""

import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis import model_files, model_source, studies
from analysis.dataset import RowError, Sample
from components import cached, layout, state
from components.formats import shortened

SIZES = {"num_hidden_layers": "layers", "num_attention_heads": "heads", "hidden_size": "width", "vocab_size": "vocabulary"}
MIB = 2**20
TEXT, NUMBER = st.column_config.TextColumn, st.column_config.NumberColumn


def model(study: studies.Study) -> None:
    """Architecture and sizes from config.json, parameters from the weights' headers; a hub id that is not on disk is only named."""
    folder = _folder(study)
    config = model_files.model_config(folder) if folder else {}
    kind = config.get("model_type")
    values = {"architecture": layout.escape(kind) if isinstance(kind, str) else "known once loaded"}
    values |= {label: f"{config[key]:,}" for key, label in SIZES.items() if isinstance(config.get(key), int)}
    n_parameters, problem = _parameters(folder) if folder and config else (0, "")
    if n_parameters:
        values["parameters"] = f"{n_parameters:,}"
    for column, (label, value) in zip(st.columns(len(values)), values.items(), strict=True):
        column.metric(label.capitalize(), value)
    st.text(f"{study.title}. Model: {Path(study.model).name if config and Path(study.model).is_dir() else study.model}.")
    plain = "\"Question: .. Answer:\""
    form = f"by the tokenizer's chat template, {plain} if it has none" if study.chat else f"{plain}, without a chat template"
    st.caption(f"{memory(n_parameters, study.dtype)} {device()} Prompts are {form}.")
    if problem:
        st.caption("The number of parameters is not known: the weights on disk cannot be read.")
        st.text(problem)
    if folder and config and (folder / "README.md").is_file():
        with st.expander("Model card", key="model_card", on_change="rerun", bind="query-params"):
            st.text((folder / "README.md").read_text(errors="replace"))


def _folder(study: studies.Study) -> Path | None:
    """Where the model's files are, None if they are not on this machine."""
    try:
        return model_source.on_this_machine(study.model)
    except ValueError:
        return None


def _parameters(folder: Path) -> tuple[int, str]:
    """How many numbers the weights hold; 0 and why where that cannot be read."""
    if not any(folder.glob("*.safetensors")):
        return 0, ""
    try:
        return sum(math.prod(shape) for shape in cached.tensor_shapes(folder).values()), ""
    except ValueError as error:
        return 0, str(error)


def memory(n_parameters: int, dtype: str = "float32") -> str:
    """What the weights take when they are loaded, in words."""
    if not n_parameters:
        return "Memory: not computed: needs the model's safetensors on this machine."
    full, half = (f"{n_parameters * size / MIB:,.1f} MiB" for size in (4, 2))
    own = "as its weights are stored" if dtype == "auto" else f"in {dtype}"
    return f"Weights in memory: {full} in float32, {half} in bfloat16; computed {own}. A run needs several times that: see Unlearn."


def device() -> str:
    """Where the model is computed; known for certain once torch is loaded, which takes seconds."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "Computed on a CUDA GPU if this machine has one, else on the CPU."
    return f"Computed on {'a CUDA GPU' if torch.cuda.is_available() else 'the CPU'}."


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
        "question": TEXT("Question", width=270), "answer": TEXT("Answer", width=380),
        "n_private": NUMBER("Private", width=70, help="Words of the answer that are its own, the rest is shared"),
        "exposure": NUMBER("Seen", width=60, help="How often per epoch the fact was presented in training"),
        "ending_shared_with": NUMBER("Shared with", width=95, help="Retained people with the same ending of an answer"),
    }
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
    st.dataframe(table(found), hide_index=True, height=300, column_config=columns, key=key, alt="Samples of the set", **chosen)


def table(found: list[Sample]) -> pd.DataFrame:
    """Row, question, answer, and what the embedded data knows of the causes of difficulty."""
    causes = ("n_private", "exposure", "ending_shared_with")
    rows = [{"row": s.row + 1, "question": s.question, "answer": s.answer} | {c: s.meta.get(c) for c in causes} for s in found]
    return pd.DataFrame(rows).dropna(axis=1, how="all")


def row_errors(errors: list[RowError], sets: list[str] | None = None) -> None:
    """A line per row that cannot be used: in which set if several are shown, where, in which column, why."""
    config = {"set": TEXT("Set", width=60)}
    config |= {"row": NUMBER("Row", width=40), "column": TEXT("Column", width=70), "cause": TEXT("Cause", width=820)}
    frame = pd.DataFrame([{"set": name} | vars(e) for name, e in zip(sets or [None] * len(errors), errors, strict=True)])
    frame = frame.sort_values(["set", "row"], kind="stable").drop(columns=[] if sets else "set")
    st.dataframe(frame, hide_index=True, column_config=config, alt="Rows that cannot be used")
