"""Where the conflict maps of a study lie, and which of them the page shows."""

from collections.abc import Collection
from pathlib import Path

import streamlit as st

from analysis import conflict_map, store
from components import state

WORDS = {"study": "as shipped", "own": "computed here"}
KEY = "map"  # of the choice between two maps, and of its query parameter


def own_folder(study: store.Study) -> Path:
    """Where a map computed here goes: the study's results, or for the embedded study, whose are read-only, a place in the workspace."""
    return store.workspace() / "conflicts" / "embedded" if study.slug == "embedded" else study.results / "conflicts"


def folders(study: store.Study) -> dict[str, Path]:
    """The maps that there are: `study` among its results, `own` computed here where those are read-only. May be empty."""
    known = {"study": study.results / "conflicts", "own": own_folder(study)}
    if known["own"] == known["study"]:
        del known["own"]
    return {name: folder for name, folder in known.items() if (folder / conflict_map.FILE).is_file()}


def show_own(study: store.Study) -> None:
    """Turn to the map computed here, where there is a choice."""
    if own_folder(study) != study.results / "conflicts":
        st.session_state[KEY] = "own"


def keep(key: str, offered: Collection[str]) -> None:
    """Before a widget whose value is in the address: on the way back from another page both have lost it, so it is kept here."""
    value = st.session_state.get(key, state.parameter(key))
    if value is not None:
        st.session_state[f"kept_{key}"] = value
    elif st.session_state.get(f"kept_{key}") in offered:
        st.session_state[key] = st.session_state[f"kept_{key}"]


def choose(study: store.Study) -> tuple[str, Path] | None:
    """The map to show; a person chooses where there are two. None if there is none."""
    found = folders(study)
    if len(found) < 2:
        return next(iter(found.items()), None)
    keep(KEY, found)
    name = st.segmented_control(
        "Map", list(found), default="study", required=True, format_func=WORDS.get, key=KEY, bind="query-params"
    )
    return name, found[name]
