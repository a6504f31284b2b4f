"""The frame of every page: title, the question it answers, sidebar, and a link to exactly this view."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from analysis import studies, workspace
from components import cached_samples, copy_link, equivalent_command, sample_card, sidebar, state, tour
from components.formats import escape
from components.links import PAGES
from components.notices import problem

__all__ = ["PAGES", "begin", "computed", "escape", "needs", "problem"]

ICON = str(Path(__file__).with_name("icon.png"))  # a named icon would be fetched from another host
STYLE = """
.stMainBlockContainer { padding: 2rem 2.5rem 3rem; }
[data-testid="stMain"] h1 { padding: 0 0 1rem; }
[data-testid="stSidebarHeader"] { height: 2.6rem; margin-bottom: 0; }
[data-testid="stSidebarUserContent"] { padding-top: 0; }
[data-testid="stMain"] [data-testid="stPageLink-NavLink"] { padding-left: 0; padding-right: 0; }
[data-testid="stMain"] [data-testid="stPageLink-NavLink"] p { text-decoration: underline; text-underline-offset: 3px; }
[class*="_open_"] button p { text-decoration: underline; text-underline-offset: 3px; }
[class*="_queue"] [data-stale="true"] { opacity: 1 !important; }
[data-testid="stCaptionContainer"] { opacity: 0.8; }
[data-testid="stCode"] .token { color: inherit !important; }
[data-testid="stJson"] * { color: inherit !important; background-color: transparent !important; }
button[kind^="primary"], button[kind^="primary"]:hover, [data-testid="stMultiSelect"] span[title] {
  color: light-dark(#ffffff, #12181f); }
[data-testid="stFileUploaderDropzone"] { visibility: hidden; position: relative; }
[data-testid="stFileUploaderDropzone"] > *, [data-testid="stFileUploaderDropzone"]::before { visibility: visible; }
[data-testid="stFileUploaderDropzone"]::before { content: ""; position: absolute; inset: 0; border: 1px dashed; border-radius: inherit;
  opacity: 0.4; pointer-events: none; }
@media (max-width: 1000px) {
  [data-testid="stMain"] [data-testid="stColumn"] { min-width: min(8rem, 100%); }
  [data-testid="stMain"] [data-testid="stColumn"]:has(h1) { flex: 1 1 60%; min-width: 0; }
  [data-testid="stMain"] [data-testid="stColumn"]:has(.js-plotly-plot, [data-testid="stDataFrame"], [data-testid="stButtonGroup"],
    [data-testid="stBidiComponentRegular"][style*="--height"], [class*="st-key-pair_"], [class*="st-key-after_"],
    [class*="st-key-frequency_"]) { min-width: 100%; }
}
"""  # Streamlit's paddings would take a third of a 768-pixel screen. Its captions, code, JSON and, on dark, what stands on its primary
# hue is too faint; its drop zone has a role that contradicts its label: hidden, with content and frame shown, it has none. What is
# redrawn each second would fade each second.


def begin(title: str, question: str) -> studies.Study:
    """Page config, heading, sidebar and, where it is open, the sample card; the first call of every page. Returns the study to show."""
    st.set_page_config(page_title=title if title == "Lethe" else f"{title} - Lethe", page_icon=ICON, layout="wide")
    st.html(f"<style>{STYLE}</style>")
    if why := workspace.too_new():
        problem("The workspace cannot be used.", why)
        st.stop()
    state.carry(title)
    heading, link = st.columns([5, 1], vertical_alignment="center")
    with heading.container(gap=None):  # before anything is read: else the page is blank meanwhile
        st.title(title)
        st.caption(question)
    with link:
        copy_link.show(key="copy_link")
    current = state.study()
    questions = cached_samples.questions(current)
    sample = state.selected(questions.index)
    sidebar.show(current, questions, sample)
    tour.banner(current)
    if sample is None:
        state.close_card()  # else it would open at the first sample that is selected
    elif state.card_is_open():
        sample_card.show(current, questions, sample)
    return current


def needs(what: str, command: str, page: str | None = None) -> None:
    """The empty state: what is not computed, how to get it, and where."""
    st.info(f"Not computed yet: {what}.")
    st.caption("On the command line:")
    st.code(command, language="bash", wrap_lines=True)
    if page:
        st.page_link(PAGES[page], label=f"Go to {page}", query_params=state.carried())


def computed(explanation: str, record: Mapping[str, Any], *commands: equivalent_command.Arguments) -> None:
    """The foot of a page: how its figures came about (Markdown of our own), the record of what they were computed from, and the
    commands that compute them."""
    with st.expander("How this is computed"):
        st.markdown(explanation)
        st.json(dict(record), expanded=False)
        if commands:
            st.caption("The same on the command line:")
            equivalent_command.code(*commands)
