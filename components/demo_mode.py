"""What visitors of a read-only demo (`LETHE_DEMO=1`, see `analysis.read_only`) are told, and how much they may compute."""

import streamlit as st

from analysis import read_only

LIVE_EDGES = 5000  # edges of a graph up to which a visitor's click may run the model: one sample then takes about a second


def on() -> bool:
    return read_only.on()


def closed(what: str) -> bool:
    """Says that `what` (a noun phrase) is not offered in demo mode, in place of the form that would; False where it is offered."""
    if on():
        st.info(f"Read-only demo: {what} is switched off here. Run Lethe on your own machine to try it.")
    return on()


def too_large(n_edges: int) -> bool:
    """Whether a demo leaves out a live measurement on a graph of so many edges; says so if it does."""
    large = on() and n_edges > LIVE_EDGES
    if large:
        st.caption(f"Read-only demo: not measured here, as this graph has {n_edges:,} edges (at most {LIVE_EDGES:,}).")
    return large
