"""The sidebar of every page: the pages, the study, and the selected sample with the way to its card."""

import pandas as pd
import streamlit as st

from analysis import studies
from components import demo_mode, queue_panel, state
from components.formats import escape, labels, shortened
from components.links import PAGES


def show(current: studies.Study, questions: pd.Series, sample: str | None) -> None:
    """`questions` by sample id, the hardest first; `sample`: the selected one."""
    with st.sidebar:
        st.markdown("### Lethe")
        if demo_mode.on():
            st.caption("**Read-only demo**")
        for name, file in PAGES.items():
            st.page_link(file, label=name, query_params=state.carried())
        queue_panel.sidebar_link()
        st.divider()
        _study_picker(current)
        if len(questions):
            _selected(questions, sample)


def _study_picker(current: studies.Study) -> None:
    titles = labels(pd.Series({s.slug: s.title for s in studies.known()}), 60)
    if len(titles) == 1:
        st.caption(f"Study: {escape(titles[current.slug])}")
        return
    chosen = st.selectbox("Study", list(titles), index=list(titles).index(current.slug), format_func=titles.__getitem__)
    if chosen != current.slug:
        state.select_study(chosen)
        st.rerun()


def _selected(questions: pd.Series, sample: str | None) -> None:
    """The question of the selected sample. Without one, the card opens with the hardest."""
    with st.container(gap="small"):
        st.caption("Selected sample" if sample else "No sample selected")
        if sample:
            st.text(shortened(questions[sample]))
        st.button("Sample card", key="open_card", width="stretch", on_click=_open, args=(questions.index[0],))


def _open(first: str) -> None:
    if state.parameter("sample") is None:
        state.select_sample(first)
    state.open_card()
