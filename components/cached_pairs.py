"""What pages compute of two cohorts or of two models, cached; in a file of its own beside `cached`, which would be too long."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from analysis import circuits_after as after
from analysis import comparison, edge_frequency, studies
from analysis.circuit import Circuit
from components import cached, cached_model, demo_mode

HASHES = cached.HASHES


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def cohort_tables(chosen: list[Circuit], cohort: pd.Series, names: tuple[str, str], boundary: int) -> tuple[pd.DataFrame, ...]:
    """Layer profile, edge mix and depth effects of two cohorts, as `analysis.comparison` gives them (0.4 s for 160)."""
    profile = comparison.cohort_means(comparison.layer_shares(chosen), cohort, names)
    mix = comparison.cohort_means(comparison.kind_shares(chosen), cohort, names)
    return profile, mix, comparison.compare(comparison.readouts_frame(chosen, boundary), cohort, names)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASHES)
def edge_differences(chosen: list[Circuit], cohort: pd.Series, names: tuple[str, str]) -> tuple[pd.DataFrame, np.ndarray]:
    """`edge_frequency.differences` of two cohorts, and how many edges pass between random ones (`by_chance`)."""
    inside = edge_frequency.membership(chosen)
    labels = cohort.loc[[circuit.sample_id for circuit in chosen]].to_numpy()
    first, second = (labels == name for name in names)
    found = edge_frequency.differences(inside, first, second)
    return found, edge_frequency.by_chance(inside[labels != "unscored"], int(first.sum()), int(second.sum()))


def circuits_after(of: studies.Study, run: Path) -> dict[str, Circuit] | None:
    """Circuits of the run's model, as on disk; None if there are none. Raises ValueError if they cannot be compared."""
    return _circuits_after(of, run, *(_stamp(folder / "circuits" / "circuits.json") for folder in (of.results, run)))


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs=HASHES)
def _circuits_after(of: studies.Study, run: Path, *stamps: float) -> dict[str, Circuit] | None:
    known = cached.circuits(of)
    return after.read(run, *known) if known else None


def circuit_after(of: studies.Study, run: Path, sample_id: str) -> Circuit:
    """One sample's circuit, computed now with the run's weights. Raises ValueError if it cannot be."""
    stamps = (_stamp(run / "manifest.json"), _stamp(of.results / "circuits" / "circuits.json"))
    return _circuit_after(of, run, sample_id, *stamps)


@st.cache_resource(
    max_entries=64, hash_funcs=HASHES, show_spinner="Computing this circuit with the run's weights: seconds for a small model"
)
def _circuit_after(of: studies.Study, run: Path, sample_id: str, *stamps: float) -> Circuit:
    _, config = cached.circuits(of)
    with demo_mode.turn():
        handle = cached_model.model(str(run / "model"), of.dtype, of.chat)
        return after.compute(handle, cached.forget_samples(of), sample_id, config)


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs=HASHES)
def run_changes(before: list[Circuit], after_run: list[Circuit], cohort: pd.Series, boundary: int) -> tuple[pd.DataFrame, ...]:
    """`changes` of the depth read-outs per sample, their `summary` by cohort, hard against easy, and `likeness` (`circuits_after`)."""
    old, new = ({circuit.sample_id: circuit for circuit in some} for some in (before, after_run))
    change = after.changes(old, new, boundary)
    return change, after.summary(change, cohort), comparison.compare(change, cohort), after.likeness(old, new)


def kept_after(run: Path) -> pd.DataFrame | None:
    """The control of a run's circuits: samples that were to be kept (`circuits_after.read_kept`)."""
    return _kept_after(run, _stamp(run / "circuits" / after.KEPT))


@st.cache_data(max_entries=16, show_spinner=False)
def _kept_after(run: Path, stamp: float) -> pd.DataFrame | None:
    return after.read_kept(run)


def _stamp(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
