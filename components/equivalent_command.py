"""The command that does the same as a button, beside it, for copying."""

from collections.abc import Sequence

import streamlit as st

from analysis import jobs

Arguments = Sequence[str]


def show(*commands: Arguments, label: str = "Equivalent command") -> None:
    """Folded away beside the action that it equals. `commands`: arguments of `python -m analysis`, a line each."""
    with st.expander(label):
        code(*commands)


def code(*commands: Arguments) -> None:
    """In the open, where the command is what the page has to offer."""
    st.code("\n".join(jobs.command_line(list(arguments)) for arguments in commands), language="bash", wrap_lines=True)
