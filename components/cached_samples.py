"""What the frame and the sample card read of every sample, behind caches as in `cached`."""

from pathlib import Path

import pandas as pd
import streamlit as st

from analysis import comparison, sample_record, studies
from analysis.circuit import Circuit
from analysis.observed import read_alone
from components import cached


def questions(of: studies.Study) -> pd.Series:
    """Question by sample id, the hardest by CUD first; empty if the forget set or the scores cannot be read."""
    try:
        known, scored = {sample.id: sample.question for sample in cached.forget_samples(of)}, cached.scores(of)
    except ValueError:  # the pages say why
        return pd.Series(dtype=str)
    if scored is None:
        return pd.Series(known, dtype=str)
    table = scored[0].sort_values("rank_cud", kind="stable")
    asked = table["question"] if "question" in table else table["sample_id"].map(known)
    return pd.Series(dict(zip(table["sample_id"], asked, strict=True)) | known, dtype=str)


def prompt(of: studies.Study, sample_id: str) -> str:
    """The sample's prompt without a chat template; empty if the forget set cannot be read, or lacks the sample."""
    try:
        return next((sample.prompt for sample in cached.forget_samples(of) if sample.id == sample_id), "")
    except ValueError:  # the pages say why
        return ""


def depths(of: studies.Study, boundary: int) -> pd.DataFrame | None:
    """Depth read-outs and edges (`n_edges`) of every sample's circuit, by sample_id; None without circuits."""
    found = cached.circuits(of)
    return _depths(list(found[0].values()), boundary) if found else None


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=cached.HASHES)
def _depths(circuits: list[Circuit], boundary: int) -> pd.DataFrame:
    frame = comparison.readouts_frame(circuits, boundary).rename_axis("sample_id").reset_index()
    return frame.assign(n_edges=[circuit.n_edges for circuit in circuits])


def alone(of: studies.Study) -> pd.DataFrame | None:
    """The rows of the study's alone.csv (`observed.read_alone`), None if there is none; raises ValueError if it is damaged."""
    folder = of.results / "alone"
    return _alone(folder, (folder / "alone.csv").stat().st_mtime) if (folder / "alone.csv").is_file() else None


@st.cache_data(max_entries=4, show_spinner=False)
def _alone(folder: Path, stamp: float) -> pd.DataFrame:
    return read_alone(folder)


def relearnt(run: Path) -> pd.Series | None:
    """Probability by row after relearning other memories (`sample_record.read_relearnt`); raises ValueError if it is damaged."""
    file = run / "evaluation" / "LETHE_EVAL.json"
    return _relearnt(run, file.stat().st_mtime) if file.is_file() else None


@st.cache_data(max_entries=64, show_spinner=False)
def _relearnt(run: Path, stamp: float) -> pd.Series | None:
    return sample_record.read_relearnt(run)
