"""The one model in memory: shared read-only by all sessions, and released before another is loaded."""

import gc
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any

import streamlit as st

from analysis import studies
from components import state
from components.cached_results import stamps

STEP = 0.1  # seconds that a click on another page waits at most for a model that is being loaded
PATIENCE = 60.0  # seconds that whoever wants another model waits for those who still compute with the present one
Key = tuple[str, str, bool, tuple]  # name, dtype, chat template, stamps of the files


@dataclass
class Place:
    """Where the model is, and which one; `lock` is held while it changes."""

    key: Key | None = None
    handle: Any = None
    lock: RLock = field(default_factory=RLock)


def of_study(study: studies.Study):
    """The ModelHandle of a study's model; raises ValueError if it cannot be loaded."""
    return model(study.model, study.dtype, study.chat)


def model(name: str, dtype: str = "float32", chat_template: bool = True):
    """The ModelHandle of a folder or hub id; shared, read-only, one at a time. Raises ValueError if it cannot be loaded."""
    key = (name, dtype, chat_template, stamps(Path(name)))
    found = _patiently(lambda: _why_not(key) or _loaded(key))
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _patiently(work: Callable[[], Any]) -> Any:
    """What `work` returns, done on a thread of its own: who goes to another page meanwhile does not wait, and the work goes on."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    if not wait([future], STEP).done:
        with st.spinner("Loading the model", show_time=True):
            while not wait([future], STEP).done:
                state.give_way()
    return future.result()


@st.cache_data(ttl=60, max_entries=64, show_spinner=False)
def _why_not(key: Key) -> str:
    """Why a model cannot be loaded, "" if it can. Kept for a minute: a hub out of reach takes 20 s to say so, at every touch."""
    try:
        _loaded(key)
    except ValueError as error:
        return str(error)
    return ""


@st.cache_resource(show_spinner=False)
def _place() -> Place:
    return Place()


def _loaded(key: Key) -> Any:
    from analysis.model import load_model

    place = _place()
    with place.lock:
        if place.key != key:
            _release(place)
            name, dtype, chat_template, _ = key
            place.handle = load_model(name, None, dtype, chat_template)
            place.key = key
        return place.handle


def _release(place: Place) -> None:
    """Give the present model up and see it gone; it stays, and ValueError is raised, if someone computes with it for too long."""
    seen = None if place.handle is None else weakref.ref(place.handle)
    key, place.key, place.handle = place.key, None, None
    end = time.monotonic() + PATIENCE
    while seen is not None and seen() is not None:
        gc.collect()
        if time.monotonic() > end and (kept := seen()) is not None:
            place.key, place.handle = key, kept
            raise ValueError("another model is at work, and only one is held in memory; try again in a minute")
        time.sleep(0.1)
    _return_memory()


def _return_memory() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
