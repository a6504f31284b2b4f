"""The frame of every page: title, the question it answers, navigation and the choice of study."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from analysis import store
from components import state

ICON = str(Path(__file__).with_name("icon.png"))  # a named icon would be fetched from another host
PAGES = {
    "Overview": "app.py",
    "Forget set": "pages/forget_set.py",
    "Difficulty": "pages/difficulty.py",
    "Circuit explorer": "pages/circuits.py",
    "Easy vs hard": "pages/easy_vs_hard.py",
    "Conflict map": "pages/conflicts.py",
    "Unlearn": "pages/unlearn.py",
    "Outcomes": "pages/outcomes.py",
}

STYLE = """
.stMainBlockContainer { padding: 2.4rem 2.5rem 3rem; }
[data-testid="stSidebarHeader"] { height: 2.6rem; margin-bottom: 0; }
[data-testid="stSidebarUserContent"] { padding-top: 0; }
"""  # Streamlit's own paddings would take a third of a 768-pixel screen


def begin(title: str, question: str) -> store.Study:
    """Page config, navigation, study and heading; the first call of every page. Returns the study to show."""
    st.set_page_config(page_title=title if title == "Lethe" else f"{title} - Lethe", page_icon=ICON, layout="wide")
    st.html(f"<style>{STYLE}</style>")
    state.carry()
    current = state.study()
    with st.sidebar:
        st.markdown("### Lethe")
        for name, file in PAGES.items():
            st.page_link(file, label=name, query_params=state.carried())
        st.divider()
        _study_picker(current)
    st.title(title)
    st.caption(question)
    return current


def needs(what: str, command: str, page: str | None = None) -> None:
    """The empty state: what is not computed, how to get it, and where."""
    st.info(f"Not computed yet: {what}.")
    st.caption("On the command line:")
    st.code(command, language="bash", wrap_lines=True)
    if page:
        st.page_link(PAGES[page], label=f"Go to {page}", query_params=state.carried())


def problem(headline: str, detail: str) -> None:
    """An error: a headline of ours, and what data or a person wrote as plain text, where Markdown could load an image."""
    st.error(headline)
    st.text(detail)


def computed(explanation: str, record: Mapping[str, Any]) -> None:
    """The foot of a page: how its figures came about (Markdown of our own), and the record of what they were computed from."""
    with st.expander("How this is computed"):
        st.markdown(explanation)
        st.json(dict(record), expanded=False)


def escape(text: str) -> str:
    """Text from data inside Markdown, which shows it letter by letter."""
    return re.sub(r"([\\`*_\[\]()<>!:$~#|&])", r"\\\1", " ".join(text.split()))


def _study_picker(current: store.Study) -> None:
    studies = {s.slug: s.title for s in store.studies()}
    if len(studies) == 1:
        st.caption(f"Study: {escape(current.title)}")
        return
    chosen = st.selectbox("Study", list(studies), index=list(studies).index(current.slug), format_func=studies.__getitem__)
    if chosen != current.slug:
        state.select_study(chosen)
        st.rerun()
