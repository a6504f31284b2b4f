"""One memory after a run: the true answer, what the model says now, and where the two differ; its words are text, never markup."""

import difflib

import streamlit as st

from analysis.runs import Run
from components import state
from components.formats import escape

LEGEND = "~~Struck out~~: only in the true answer. **Bold**: only in what the model says."


def show(question: str, answer: str, generation: str | None, run: str) -> None:
    """`generation`: what the model says after the run, greedily; None where the run was not evaluated. `run`: the run's id."""
    st.text(question)
    left, right = st.columns(2)
    left.caption("True answer")
    left.text(answer)
    right.caption("What the model says after the run (greedy)")
    if generation is None:
        right.text("not computed: needs an evaluation of this run")
    else:
        right.markdown(difference(answer, generation) or "(nothing)")
        right.caption(LEGEND)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Sample card", key="outcomes_card", on_click=state.open_card)
        st.page_link("pages/circuits.py", label="Its circuit before the run", query_params=state.carried())
        after = state.carried() | {"compare": "Before and after a run", "after_run": run}
        st.page_link("pages/easy_vs_hard.py", label="Its circuit before and after the run", query_params=after)


def answer_of(name: str, answer: str, generation: str | None, run: Run, sample: str) -> None:
    """One of several runs' answers to the same question, and where it differs. `name` is Markdown."""
    after = run.samples.set_index("sample_id").probability_after.get(sample)
    st.markdown(f"**{name}**" + ("" if after is None else f"  \nprobability after {after:.2f}"))
    if generation is None:
        st.text("not computed: needs an evaluation of this run")
        return
    st.markdown(difference(answer, generation) or "(nothing)")


def difference(answer: str, generation: str) -> str:
    """Both in one line of Markdown: words of the answer alone struck out, of the generation alone bold, shared ones as they are."""
    old, new = answer.split(), generation.split()
    parts = []
    for _, i, i_end, j, j_end in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if old[i:i_end] == new[j:j_end]:
            parts += [escape(word) for word in old[i:i_end]]
        else:
            parts += [f"~~{escape(' '.join(old[i:i_end]))}~~"] * (i < i_end) + [f"**{escape(' '.join(new[j:j_end]))}**"] * (j < j_end)
    return " ".join(parts)
