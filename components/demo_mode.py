"""What visitors of a read-only demo (`LETHE_DEMO=1`, see `analysis.read_only`) are told, and how much they may compute."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import streamlit as st

from analysis import read_only
from components import state

TURN = Lock()  # held by the one visitor whose click runs the model
PATIENCE, STEP = 20.0, 0.1  # seconds that the others wait at most, and after which they look whether their reader has clicked
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


@contextmanager
def turn() -> Iterator[None]:
    """One measurement at a time on a demo's server; who waits reads so. Raises ValueError if it takes too long. Elsewhere no limit."""
    if not on():
        yield
        return
    _wait()
    try:
        yield
    finally:
        TURN.release()


def _wait() -> None:
    if TURN.acquire(timeout=STEP):
        return
    end = time.monotonic() + PATIENCE
    with st.spinner("Read-only demo: waiting for other visitors' measurements", show_time=True):
        while not TURN.acquire(timeout=STEP):
            state.give_way()
            if time.monotonic() > end:
                raise ValueError("this read-only demo measures for one visitor at a time, and others were first; try again in a minute")
