"""What a study consists of: its model in numbers, its samples as a table with row-level errors."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis import store
from analysis.dataset import RowError, Sample
from components import layout, state

SIZES = {"num_hidden_layers": "layers", "num_attention_heads": "heads", "hidden_size": "width", "vocab_size": "vocabulary"}
ALIASES = {"n_layer": "num_hidden_layers", "n_head": "num_attention_heads", "n_embd": "hidden_size"}  # GPT-2's names


def model(study: store.Study) -> None:
    """Architecture and sizes from config.json; a hub id that is not on disk is only named."""
    folder = Path(study.model)
    config = _config(folder)
    kind = config.get("model_type")
    values = {"architecture": layout.escape(kind) if isinstance(kind, str) else "known once loaded"}
    values |= {label: f"{config[key]:,}" for key, label in SIZES.items() if isinstance(config.get(key), int)}
    weights = sum(file.stat().st_size for file in folder.glob("*.safetensors")) if config else 0
    if weights:
        values["weights on disk"] = f"{weights / 2**20:.1f} MiB"
    for column, (label, value) in zip(st.columns(len(values)), values.items(), strict=True):
        column.metric(label.capitalize(), value)
    st.text(f"{study.title}. Model: {folder.name if config else study.model}. Weights are computed with in float32.")
    if config and (folder / "README.md").is_file():
        with st.expander("Model card"):
            st.text((folder / "README.md").read_text(errors="replace"))


def _config(folder: Path) -> dict[str, Any]:
    """config.json under Hugging Face's own names; empty if there is none that can be read."""
    try:
        config = dict(json.loads((folder / "config.json").read_text()))
    except (OSError, ValueError, TypeError):
        return {}
    return config | {new: config[old] for old, new in ALIASES.items() if old in config}


def samples(found: list[Sample], errors: list[RowError], *, key: str) -> None:
    """The usable rows as a table, and what is wrong with the others."""
    st.caption(f"{len(found):,} samples can be used" + (f"; {len(errors):,} rows cannot" if errors else "."))
    causes = ("n_private", "exposure", "ending_shared_with")
    rows = [{"row": s.row + 1, "question": s.question, "answer": s.answer} | {c: s.meta.get(c) for c in causes} for s in found]
    table = pd.DataFrame(rows).dropna(axis=1, how="all")

    def choose() -> None:
        row = state.selected_row(key)
        if row is not None:
            state.select_sample(found[row].id)

    columns = {
        "row": st.column_config.NumberColumn("Row", width="small", help="Counted from 1, as in messages"),
        "question": st.column_config.TextColumn("Question", width=240),
        "answer": st.column_config.TextColumn("Answer", width=310),
        "n_private": st.column_config.NumberColumn("Private", help="Words of the answer that are its own, the rest is shared"),
        "exposure": st.column_config.NumberColumn("Seen", help="How often per epoch the fact was presented in training"),
        "ending_shared_with": st.column_config.NumberColumn("Shared with", help="Retained people with the same ending of an answer"),
    }
    st.dataframe(table, hide_index=True, height=300, column_config=columns, key=key, on_select=choose, selection_mode="single-row")
    if errors:
        with st.expander(f"{len(errors)} rows that cannot be used", expanded=True):
            st.dataframe(pd.DataFrame([vars(e) for e in errors]), hide_index=True)
