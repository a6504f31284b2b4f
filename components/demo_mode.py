"""Read-only demo mode for public showing (`LETHE_DEMO=1`): everything can be looked at, nothing can be started or uploaded."""

import os

import streamlit as st


def on() -> bool:
    """Whether this server shows and does not work: set when it was started, the same for every visitor."""
    return os.environ.get("LETHE_DEMO", "") not in ("", "0")


def closed(what: str) -> bool:
    """Says that `what` (a noun phrase) is not offered in demo mode, in place of the form that would; False where it is offered."""
    if on():
        st.info(f"Read-only demo: {what} is switched off here. Run Lethe on your own machine to try it.")
    return on()
