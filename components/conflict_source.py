"""Where the conflict maps of a study lie, and which of them the page shows."""

from pathlib import Path

import streamlit as st

from analysis import conflict_map, store, studies
from components import state

WORDS = {"study": "as shipped", "own": "computed here"}
KEY = "map"  # of the choice between two maps, and of its query parameter


def own_folder(study: studies.Study) -> Path:
    """Where a map computed here goes: the study's results, or for the embedded study, whose are read-only, a place in the workspace."""
    return store.workspace() / "conflicts" / "embedded" if study.slug == "embedded" else study.results / "conflicts"


def folders(study: studies.Study) -> dict[str, Path]:
    """The maps that there are: `study` among its results, `own` computed here where those are read-only. May be empty."""
    known = {"study": study.results / "conflicts", "own": own_folder(study)}
    if known["own"] == known["study"]:
        del known["own"]
    return {name: folder for name, folder in known.items() if (folder / conflict_map.FILE).is_file()}


def show_own(study: studies.Study) -> None:
    """Turn to the map computed here, where there is a choice."""
    if own_folder(study) != study.results / "conflicts":
        state.set_parameter(KEY, "own")


def choose(study: studies.Study) -> tuple[str, Path] | None:
    """The map to show; a person chooses where there are two. None if there is none."""
    found = folders(study)
    if len(found) < 2:
        return next(iter(found.items()), None)
    st.session_state[KEY] = state.parameter(KEY) if state.parameter(KEY) in found else "study"

    def picked() -> None:
        state.set_parameter(KEY, st.session_state[KEY])

    name = st.segmented_control("Map", list(found), required=True, format_func=WORDS.get, key=KEY, on_change=picked)
    return name, found[name]
