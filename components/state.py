"""What outlives one run of a page: query parameters and session_state keys. Cached reads and computations: see `cached`.

No other file touches query parameters; of session_state, other files read and set only the values of their own widgets.

The record is the URL (`study`, `sample`, `node`) and the disk; session_state only carries the selection from page to page.
"""

import re
from collections.abc import Container

import streamlit as st

from analysis import studies

COHORTS = ("cohort_by", "cohort_percent", "cohort_limits", "pinned_easy", "pinned_hard")  # see `cohort_rule`
CARRIED = ("study", "sample", "node", *COHORTS)
BOUNDARY = "late_from"  # key of the slider over layers that parts early from late edges
OF_STUDY = ("left", "right", "pins", "path", "runs", "run", "job", "after_run", "after_base")  # of one page, and of a study
BOUND = (BOUNDARY,)  # keys of widgets that Streamlit itself keeps in the URL and the session, and that other pages have too
NODE = re.compile(r"a\d{1,4}\.h\d{1,4}|m\d{1,4}|input|logits")


def carry(page: str) -> None:
    """Copy the selection from the URL to the session, and back to the URL of a page that was opened without it.

    A link holds the selection of the moment it was drawn. Where a fragment has changed it since, the session knows better.
    """
    linked = st.session_state.get("linked", {}) if st.session_state.get("page") != page else {}
    for key in CARRIED:
        given, kept = st.query_params.get(key), st.session_state.get(f"carried_{key}")
        if given is not None and given != linked.get(key):
            st.session_state[f"carried_{key}"] = given
        elif kept is not None:
            if given != kept:  # set to what it is, it would still be an entry in the browser's history, under the page before
                st.query_params[key] = kept
        elif given is not None:
            del st.query_params[key]
    st.session_state["page"], st.session_state["linked"] = page, carried()


def give_way() -> None:
    """End this run of the page here if the reader has clicked meanwhile: Streamlit looks for that whenever a page touches its state.

    Long computations call it in between, else a click on another page waits for them.
    """
    st.session_state.get("page")


def page() -> str | None:
    """The page that is being drawn, by its title."""
    return st.session_state.get("page")


def carried() -> dict[str, str]:
    """The selection to hand to a linked page."""
    bound = {key: str(st.session_state[key]) for key in BOUND if st.session_state.get(key) is not None}
    return {key: st.query_params[key] for key in CARRIED if key in st.query_params} | bound


def keep(key: str, value: str | None) -> None:
    """Set one of CARRIED here and for the pages to come; None takes it away."""
    if value is None:
        st.query_params.pop(key, None)
        st.session_state.pop(f"carried_{key}", None)
    else:
        st.query_params[key] = st.session_state[f"carried_{key}"] = value


def set_boundary(layer: int) -> None:
    """Move the slider over layers."""
    st.session_state[BOUNDARY] = layer


def boundary(n_layers: int) -> int:
    """The first late layer as the slider has it, or will have it: half of the layers where the address says nothing of use."""
    given = str(st.session_state.get(BOUNDARY, st.query_params.get(BOUNDARY, "")))
    return min(max(int(given), 1), max(1, n_layers - 1)) if re.fullmatch("[0-9]{1,9}", given) else max(1, n_layers // 2)


def clamp(key: str, low: int, high: int) -> None:
    """Bring a slider's kept value, perhaps that of a larger study, into its range; call it before the slider is drawn."""
    if key in st.session_state and not low <= st.session_state[key] <= high:
        st.session_state[key] = min(max(st.session_state[key], low), high)


def study() -> studies.Study:
    """The study named in the URL; the embedded one where the name is unknown."""
    slug = st.query_params.get("study", "embedded")
    try:
        return studies.named(slug)
    except ValueError:
        keep("study", None)
        st.warning("The study named in this address is not in this workspace. Showing the embedded one.")
        return studies.embedded()


def select_study(slug: str) -> None:
    """Another study; what was selected in the last one is not in it."""
    keep("study", slug)
    for key in ("sample", "node", "cohort_limits", "pinned_easy", "pinned_hard"):
        keep(key, None)
    for key in OF_STUDY:
        st.query_params.pop(key, None)


def sample_id(known: list[str], default: str | None = None, slot: str = "sample") -> str:
    """The selected sample if it is one of `known`, else the default, else the first. A page with two has two slots."""
    chosen = st.query_params.get(slot)
    if chosen and chosen not in known:
        st.warning("The sample named in this address is not in this study. Showing another.")
    return chosen if chosen in known else (default if default in known else known[0])


def selected(known: Container[str]) -> str | None:
    """The sample in the URL, None without one. One that is not `known` is dropped, with a notice, before a page asks for it.

    A node that no model can have is dropped as well.
    """
    for key, fits in (("sample", known.__contains__), ("node", NODE.fullmatch)):
        if key in st.query_params and not fits(st.query_params[key]):
            keep(key, None)
            st.warning(f"The {key} named in this address is not in this study. Showing the page without it.")
    return st.query_params.get("sample")


def outdated() -> bool:
    """Whether a fragment has selected another sample than the rest of the page shows."""
    linked = st.session_state.get("linked")
    return linked is not None and st.query_params.get("sample") not in (None, linked.get("sample"))


def select_sample(chosen: str, slot: str = "sample") -> None:
    keep(slot, chosen)


def node() -> str | None:
    """The node selected in a circuit graph or on the conflict map; every graph of the session shows it."""
    return st.query_params.get("node")


def select_node(name: str | None) -> None:
    keep("node", name or None)


def pins() -> list[str]:
    """The nodes pinned in circuit graphs."""
    return [name for name in st.query_params.get("pins", "").split(",") if name]


def set_pins(names: list[str]) -> None:
    st.query_params["pins"] = ",".join(names)
    if not names:
        del st.query_params["pins"]


def path() -> list[str] | None:
    """The two ends of the path lit in circuit graphs."""
    ends = st.query_params.get("path", "").split(",")
    return ends if len(ends) == 2 else None


def set_path(ends: list[str]) -> None:
    st.query_params["path"] = ",".join(ends)
    if len(ends) != 2:
        del st.query_params["path"]


def parameter(name: str) -> str | None:
    """A query parameter of this page alone, such as `job` or `run`; None if the address has none."""
    return st.query_params.get(name)


def card_is_open() -> bool:
    return st.query_params.get("card") == "1"


def open_card() -> None:
    st.query_params["card"] = "1"


def close_card() -> None:
    st.query_params.pop("card", None)


def set_parameter(name: str, value: str) -> None:
    st.query_params[name] = value


def selected_row(key: str) -> int | None:
    """For the `on_select` callback of a table with this key: the row that was selected, None if it was deselected."""
    rows = st.session_state[key].selection.rows
    return rows[0] if rows else None
