"""The controls of a circuit graph, and its read-outs in one line."""

from dataclasses import replace

import streamlit as st

from analysis.circuit import Circuit, Rule, n_edges_of_mass, strongest, top_n
from analysis.depth import depth_readouts
from components import state

KEPT = {"bind": "query-params", "persist_state": "session"}  # in the URL, and on the way to another page
DEFAULT_EDGES = 60  # more than that is a hairball
MOST_EDGES = 400  # more cannot be read, and a large model has thousands
RULES: dict[Rule, str] = {"greedy": "Greedy from logits", "top_n": "Strongest edges", "cumulative_mass": "Share of score mass"}
EXPLANATION = """
An edge score estimates how much the answer's log-probability falls when that edge alone is ablated (edge attribution
patching, EAP-IG); a positive score supports the answer. *Greedy from logits*: the circuit grows from `logits` by the strongest
edge into what is already there. *Strongest edges*: the n largest |scores| of the whole graph, wherever they stand. *Share of
score mass*: the fewest strongest edges that hold this share of the |score| of all edges. Each rule then drops every edge that is on
no path from `input` to `logits`, so that fewer edges may be drawn than were chosen. An edge is *early* if the layer it ends in
lies below the boundary, else *late*; `logits` stands after the last layer. Mean path counts all paths from `input` to `logits`,
and takes the q, k and v inputs of a head as separate edges.
"""


def boundary_slider(n_layers: int) -> int:
    """First late layer; shared by every page that draws circuits, and kept in the URL. Two layers or one leave no choice."""
    if n_layers < 3:
        return 1
    state.clamp(state.BOUNDARY, 1, n_layers - 1)
    return st.slider("Late from layer", 1, n_layers - 1, n_layers // 2, key=state.BOUNDARY, **KEPT)


def edges_slider(largest: int) -> int:
    """How many edges to draw at most, up to the largest circuit of the study."""
    if largest <= 10:
        return largest
    state.clamp("edges", 10, largest)
    return st.slider("Edges drawn, at most", 10, largest, min(DEFAULT_EDGES, largest), key="edges", **KEPT)


def rule_choice() -> Rule:
    """How edges are chosen from the scores; kept in the URL."""
    return st.selectbox("Choose edges", list(RULES), format_func=RULES.get, key="rule", **KEPT)


def drawn_by(rule: Rule, circuit: Circuit, largest: int) -> tuple[Circuit, str]:
    """The part of a circuit's graph to draw, by the rule and the slider that belongs to it; and what there is to say about it."""
    note = ""
    if rule == "greedy":
        return strongest(circuit, edges_slider(largest)), note
    if rule == "top_n":
        largest = min(MOST_EDGES, int(circuit.index.real_edges.sum()))
        state.clamp("strongest", 1, largest)
        chosen = st.slider("Strongest edges chosen", 1, largest, min(DEFAULT_EDGES, largest), key="strongest", **KEPT)
    else:
        share = st.slider("Share of the |score| mass (%)", 10, 95, 60, 5, key="mass", **KEPT) / 100
        chosen = n_edges_of_mass(circuit.scores, circuit.index, share)
        if chosen > MOST_EDGES:
            note = f"{share:.0%} of the mass takes {chosen} edges; the strongest {MOST_EDGES} are chosen instead."
            chosen = MOST_EDGES
    return replace(circuit, in_circuit=top_n(circuit.scores, circuit.index, max(1, chosen))), note


def edge_filter() -> tuple[str | None, list[str]]:
    """Sign to show (None = both) and kinds of input to show (empty = all); kept in the URL."""
    with st.popover("Filter edges", width="stretch"):
        sign = st.segmented_control("Effect on the answer", ["supports", "suppresses"], key="edge_sign", **KEPT)
        inputs = st.pills("Into", ["q", "k", "v", "MLP", "logits"], selection_mode="multi", key="edge_inputs", **KEPT)
        st.caption("Filters hide edges in graph, tables and files; the read-outs stay those of the whole circuit drawn.")
    return sign, inputs


def readouts_line(circuit: Circuit, boundary: int) -> None:
    """Depth and size in one line, for circuits side by side."""
    values = depth_readouts(circuit, boundary)
    st.caption(
        f"{circuit.n_edges} edges; late share {values['late_share']:.0%}; mean layer {values['mean_layer']:.1f}; "
        f"span {values['mean_span']:.1f} layers; path {values['mean_path']:.1f} edges on average, "
        f"{values['longest_path']:.0f} at most"
    )
