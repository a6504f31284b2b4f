"""What a drawn circuit shows, in one sentence and in numbers."""

import math

import streamlit as st

from analysis.circuit import Circuit
from analysis.depth import depth_readouts
from analysis.paths import strongest_path

STYLE = """
.st-key-readings [data-testid="stMetricValue"] { font-size: 1.4rem; }
.st-key-readings { row-gap: 0.5rem; }
.st-key-controls > div > [data-testid="stHorizontalBlock"] > div { min-width: min(11rem, 100%); }
.st-key-below > div > [data-testid="stHorizontalBlock"] > div { min-width: min(26rem, 100%); }
"""


def describe(circuit: Circuit, boundary: int, n_shown: int, note: str = "") -> None:
    """The sentence, and below it what is to be said about the choice of edges; one place, so that nothing below it moves."""
    with st.container(gap=None):
        st.markdown(sentence(circuit, boundary))
        hidden = f"Filters hide {circuit.n_edges - n_shown} of the {circuit.n_edges} edges." if n_shown < circuit.n_edges else ""
        if words := " ".join(filter(None, [note, hidden])):
            st.caption(words)


def sentence(circuit: Circuit, boundary: int) -> str:
    """How the score mass of a circuit is split by the boundary, and its strongest path."""
    late, n_layers = depth_readouts(circuit, boundary)["late_share"], circuit.index.n_layers
    if math.isnan(late):
        return "All edge scores are 0: no edge matters to this answer."
    path, share = strongest_path(circuit)
    return (
        f"**{late:.0%} of the score mass ends late**, in {layers(boundary, n_layers - 1)} or the logits, and {1 - late:.0%} early, in "
        f"{layers(0, boundary - 1)}. The strongest path is {' → '.join(path)}: each of its edges holds {share:.1%} of the mass or more."
    )


def layers(first: int, last: int) -> str:
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def numbers(circuit: Circuit, boundary: int) -> None:
    """Depth of the drawn circuit; call it in a horizontal container."""
    values = depth_readouts(circuit, boundary)
    number("Late share", f"{values['late_share']:.0%}", f"Share of |score| on edges that end in layer {boundary} or later.")
    number("Mean layer", f"{values['mean_layer']:.1f}", "Layer that an edge ends in, weighted by |score|.")
    number("Span", f"{values['mean_span']:.1f} layers", "Layers that an edge crosses, on average.")
    number("Mean path", f"{values['mean_path']:.1f} edges", "Edges from input to logits, over all paths.")
    number("Max path", f"{values['longest_path']:.0f} edges", "Edges from input to logits.")
    number("Edges", f"{circuit.n_edges}", "Each is on a path from input to logits.")


def number(label: str, value: str, meaning: str) -> None:
    st.metric(label, value, help=meaning, width="content")
