"""What the form for a study of one's own reads: uploads, hub files, and what is known of a model before it is loaded; each cached."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from analysis import dataset, model_files, model_memory, model_source, study_making, token_lengths
from analysis.data_shapes import Role
from analysis.dataset import ReadSet
from components.cached_results import Stamps, model_stamps

SECONDS = 600  # what the hub said is asked again after that


def upload(content: bytes, name: str, keys: tuple[str, str], role: Role) -> ReadSet:
    """The set in an uploaded file. Raises ValueError that calls the file by its name."""
    return _upload(content, name, keys, role)


@st.cache_resource(max_entries=6, show_spinner="Reading the file")
def _upload(content: bytes, name: str, keys: tuple[str, str], role: Role) -> ReadSet:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{role}{Path(name).suffix.lower()[:9]}"
        path.write_bytes(content)
        return study_making.read(study_making.SetFile(path, name, *keys), role)


def hub_file(address: str, keys: tuple[str, str], role: Role) -> tuple[str, ReadSet]:
    """The address with its commit, and the set. Raises ValueError."""
    found = _hub_file(address, keys, role)
    if isinstance(found, str):
        raise ValueError(found)
    return found


@st.cache_resource(max_entries=6, ttl=60, show_spinner="Fetching the file from the hub")
def _hub_file(address: str, keys: tuple[str, str], role: Role) -> tuple[str, ReadSet] | str:
    """Why there is none is kept too: a hub out of reach may take seconds to say so, at every touch."""
    try:
        file = study_making.named_file(address, *keys)
        return file.name, study_making.read(file, role)
    except ValueError as error:
        return str(error)


def fitted(found: ReadSet, model: str, chat: bool) -> ReadSet:
    """The set without samples that the model cannot read whole, where its tokenizer is on this machine."""
    return _fitted(found, model, chat, model_stamps(model))


def _content(found: ReadSet) -> tuple:
    return dataset.samples_hash(found.samples), [sample.place for sample in found.samples], [str(error) for error in found.errors]


@st.cache_resource(max_entries=6, show_spinner="Counting tokens", hash_funcs={ReadSet: _content})
def _fitted(found: ReadSet, model: str, chat: bool, stamps: Stamps) -> ReadSet:
    return study_making.fitted(found, token_lengths.reader(model, chat))


def about(model: str, dtype: str) -> dict[str, Any]:
    """Of a model that can be analysed: `type`, `max_length`, `has_template`, `has_tokenizer`, `memory`; of one that is still to be
    downloaded only `memory`. Raises ValueError saying what is wrong with it."""
    return _about(model, dtype, model_stamps(model))


@st.cache_data(max_entries=8, ttl=SECONDS, show_spinner="Looking at the model")
def _about(model: str, dtype: str, stamps: Stamps) -> dict[str, Any]:
    folder = model_source.on_this_machine(model)
    known: dict[str, Any] = {"memory": model_memory.model_memory(model, dtype)}
    if folder is not None:
        config = model_files.check(folder)
        known |= {"type": config["model_type"], "max_length": config.get("max_position_embeddings")}
        known |= {"has_template": token_lengths.has_template(folder), "has_tokenizer": (folder / "tokenizer.json").is_file()}
    return known
