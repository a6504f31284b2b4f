"""What outlives one run of a page: query parameters and session_state keys. Cached reads and computations: see `cached`.

No other file touches query parameters; of session_state, other files read and set only the values of their own widgets.

The record is the URL (`study`, `sample`, `node`) and the disk; session_state only carries the selection from page to page.
"""

import streamlit as st

from analysis import store

CARRIED = ("study", "sample", "node")
BOUNDARY = "late_from"  # key of the slider over layers that parts early from late edges


def carry() -> None:
    """Copy the selection from the URL to the session, and back to the URL of a page that was opened without it."""
    for key in CARRIED:
        if key in st.query_params:
            st.session_state[f"carried_{key}"] = st.query_params[key]
        elif f"carried_{key}" in st.session_state:
            st.query_params[key] = st.session_state[f"carried_{key}"]


def carried() -> dict[str, str]:
    """The selection to hand to a linked page."""
    return {key: st.query_params[key] for key in CARRIED if key in st.query_params}


def set_boundary(layer: int) -> None:
    """Move the slider over layers."""
    st.session_state[BOUNDARY] = layer


def clamp(key: str, low: int, high: int) -> None:
    """Bring a slider's kept value, perhaps that of a larger study, into its range; call it before the slider is drawn."""
    if key in st.session_state and not low <= st.session_state[key] <= high:
        st.session_state[key] = min(max(st.session_state[key], low), high)


def study() -> store.Study:
    """The study named in the URL; the embedded one where the name is unknown."""
    slug = st.query_params.get("study", "embedded")
    try:
        return store.study(slug)
    except ValueError:
        st.warning("The study named in this address is not in this workspace. Showing the embedded one.")
        return store.embedded_study()


def select_study(slug: str) -> None:
    st.query_params["study"] = st.session_state["carried_study"] = slug
    st.query_params.pop("sample", None)
    st.session_state.pop("carried_sample", None)


def sample_id(known: list[str], default: str | None = None, slot: str = "sample") -> str:
    """The selected sample if it is one of `known`, else the default, else the first. A page with two has two slots."""
    chosen = st.query_params.get(slot)
    if chosen and chosen not in known:
        st.warning("The sample named in this address is not in this study. Showing another.")
    return chosen if chosen in known else (default if default in known else known[0])


def select_sample(chosen: str, slot: str = "sample") -> None:
    st.query_params[slot] = st.session_state[f"carried_{slot}"] = chosen


def node() -> str | None:
    """The node selected in a circuit graph or on the conflict map; every graph of the session shows it."""
    return st.query_params.get("node")


def select_node(name: str | None) -> None:
    if name:
        st.query_params["node"] = st.session_state["carried_node"] = name
    else:
        st.query_params.pop("node", None)
        st.session_state.pop("carried_node", None)


def parameter(name: str) -> str | None:
    """A query parameter of this page alone, such as `job` or `run`; None if the address has none."""
    return st.query_params.get(name)


def set_parameter(name: str, value: str) -> None:
    st.query_params[name] = value


def selected_row(key: str) -> int | None:
    """For the `on_select` callback of a table with this key: the row that was selected, None if it was deselected."""
    rows = st.session_state[key].selection.rows
    return rows[0] if rows else None
