"""A study's sets, scores and circuits as pages read them: from disk, and only as long as they belong to its present model and sets."""

from pathlib import Path

import pandas as pd
import streamlit as st

from analysis import belonging, conflict_map, dataset, model_source, plain_files, store, studies
from analysis.circuit import Circuit

FILES = {"scores": ("scores.csv", "scores.json"), "circuits": ("circuits.json", "circuits.safetensors")}
AGAIN = {"scores": "score again", "circuits": "compute them again"}
Stamps = tuple[tuple[str, float], ...]


def scores(of: studies.Study) -> tuple[pd.DataFrame, dict] | None:
    """scores.csv and its provenance; None if not computed, only by an earlier version, or `unusable`."""
    return None if unusable(of, "scores") else _scores(of.results / "scores", _result_stamps(of, "scores"))


def circuits(of: studies.Study) -> tuple[dict[str, Circuit], dict] | None:
    """Circuits by sample id and their config; None if not computed or `unusable`."""
    return None if unusable(of, "circuits") else _circuits(of.results / "circuits", _result_stamps(of, "circuits"))


def unusable(of: studies.Study, kind: str) -> str | None:
    """Why the scores or circuits on disk are not shown: they are damaged, or not of the study's present model and sets. None if they
    are shown, or there are none. `kind`: a key of FILES."""
    sets = (("forget", stamp(of.forget)), ("retain", stamp(of.retain)))
    return _unusable(of, kind, _result_stamps(of, kind), sets, model_stamps(of.model))


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={studies.Study: repr})
def _unusable(of: studies.Study, kind: str, files: Stamps, sets: Stamps, model: Stamps) -> str | None:
    try:
        found = {"scores": _scores, "circuits": _circuits}[kind](of.results / kind, files)
        record = None if found is None else plain_files.json_object(of.results / kind / f"{kind}.json")
    except ValueError as error:
        return f"The {kind} on disk cannot be read, so they are left out. {error}"
    why = None if record is None else _changed(of, record)
    return None if why is None else f"The {kind} on disk belong to other data: {why} since. They are not shown: {AGAIN[kind]}."


def conflicts(of: studies.Study, folder: Path) -> conflict_map.ConflictMap:
    """The conflict map in a folder; raises ValueError if it is damaged, or not of the study's present model and sets."""
    stamps = (("map", stamp(folder / conflict_map.FILE)), ("forget", stamp(of.forget)), ("retain", stamp(of.retain)))
    if why := _map_unusable(of, folder, stamps, model_stamps(of.model)):
        raise ValueError(f"{folder}: it belongs to other data: {why} since; compute it again")
    return _conflicts(folder, stamps[0][1])


@st.cache_data(max_entries=16, show_spinner=False, hash_funcs={studies.Study: repr})
def _map_unusable(of: studies.Study, folder: Path, files: Stamps, model: Stamps) -> str | None:
    return _changed(of, _conflicts(folder, files[0][1]).provenance)


@st.cache_resource(max_entries=4, show_spinner=False)
def _conflicts(folder: Path, changed: float):
    return conflict_map.read(folder)


def _changed(of: studies.Study, record: dict) -> str | None:
    try:
        samples = {"forget": forget_samples(of), "retain": retain_samples(of)}
    except dataset.DataError:  # every page says so
        return None
    loaded = belonging.loading(of.model, of.dtype, of.chat)
    return belonging.changed(record, samples | {"data": samples["forget"]}, belonging.model_digest(of.model), loaded)


def forget_samples(of: studies.Study) -> list[dataset.Sample]:
    return sample_set(of.forget)[0]


def retain_samples(of: studies.Study) -> list[dataset.Sample]:
    return sample_set(of.retain)[0]


def sample_set(path: Path) -> tuple[list[dataset.Sample], list[dataset.RowError]]:
    """A set's samples, and what is wrong with its other rows (`dataset.read_samples`); raises DataError."""
    return _sample_set(path, stamp(path))


def stamp(path: Path) -> float:
    """Changes when the file does, so that a cache never shows old results."""
    return path.stat().st_mtime if path.exists() else 0.0


def stamps(folder: Path) -> Stamps:
    """The same of a folder, by file; empty for a hub id, which is no folder."""
    return tuple((file.name, stamp(file)) for file in sorted(folder.glob("*")))


def _result_stamps(of: studies.Study, kind: str) -> Stamps:
    return tuple((name, stamp(of.results / kind / name)) for name in FILES[kind])


def model_stamps(name: str) -> Stamps:
    """Of the files of a model's folder; empty for a hub id, or what is no model."""
    try:
        folder = model_source.local(name)
    except ValueError:
        return ()
    return () if folder is None else stamps(folder)


@st.cache_data(max_entries=8, show_spinner=False)
def _scores(folder: Path, files: Stamps):
    return store.read_scores(folder)


@st.cache_resource(max_entries=8, show_spinner=False)
def _circuits(folder: Path, files: Stamps):
    return store.read_circuits(folder)


@st.cache_resource(max_entries=16, show_spinner=False)
def _sample_set(path: Path, changed: float):
    return dataset.read_samples(path)
