"""What stands around the conflict map: headline numbers, the solver's word, and one node."""

import streamlit as st

from analysis.conflict_map import ConflictMap
from analysis.conflict_words import cautions, solved
from components import conflict_masks, conflict_plot, conflict_rows, layout, state
from components.run_form import duration

EXPLANATION = """
CLUE (arXiv 2509.20977), in short:

1. Each set has two circuits: *maintain*, grown by the strongest edges until it keeps the target share of the answers when all else is
ablated, and *break*, grown until ablating it alone destroys that share; then both are thinned of edges that are not needed for that.
The `input` takes no part: it has no weights. A head's q, k and v inputs count as one.
2. An edge only in *maintain* is AND (all such inputs are needed), only in *break* OR (any of them is enough), in both ADDER. ADDER is
read as OR in the forget set's circuit, as AND in a retain set's: so forgetting is complete and keeping is safe.
3. Each gate says that a node is kept exactly if its inputs are. The forget set's output must be off, each retain set's on.
4. Both sides have their own copy of every node, and a MaxSAT solver (RC2) makes as many pairs of copies equal as it can. A pair that
stays unequal is a *conflict*; of the others 0 is *forget*, and 1, or no part in any circuit, is *retain*. A way with the fewest
conflicts is an *optimum*.
5. Optima are seldom unique. A node counts as forget or retain only if all optima agree (proven by further solver calls), else it is
*free*; among equals the map prefers fewer conflicts early in the forward pass, then keeping.
6. Masks: stage 1 trains forget nodes, stage 2 conflict nodes, retain nodes keep their bits. A head owns its rows of W_Q, W_K and W_V
and its columns of W_O, an MLP node its whole MLP; embeddings and norms belong to no node.

The paper trains its circuits by edge pruning; here edges are chosen by attribution unless `edge-pruning` is asked for, and a minimal
set's single choice among interchangeable inputs is corrected by scores at the ablated run. Gates are read off edges, not proven: the
labels are exactly as good as the circuits, whose faithfulness and completeness stand in the table.
"""

SIZES = {"n_variables": "variables", "n_clauses": "clauses"}  # of the solver's statistics
MEANING = (
    "A node is an attention head (a2.h1: layer 2, head 1) or an MLP (m3: that of layer 3). A conflict is no error: the samples to "
    "forget and those to keep run through the same node, so forgetting wants it changed and keeping wants it as it is."
)
SCORES = (
    "How strongly a node's edges move a set's answers: the sum of their |attribution scores| by a gradient at the clean run, in nats "
    "of answer log-probability per token."
)


def headline(found: ConflictMap) -> None:
    """The map in a sentence, what a conflict is, how many nodes have each label, and what the solver proved."""
    st.markdown(conflict_rows.takeaway(found))
    st.caption(MEANING)
    n, nodes = found.n_labelled(), found.nodes.values()
    free = [node.assigned for node in nodes if node.label == "free"]
    notes = {
        "Forget": "the same in every optimum",
        "Retain": f"{sum(not node.circuits for node in nodes)} of them in no circuit",
        "Conflict": f"{sum(node.label == 'conflict' and node.fixed for node in nodes)} of them in every optimum",
        "Free": f"in the masks: {free.count('forget')} forget, {free.count('retain')} retain" if free else "nothing is left open",
    }
    for column, (label, note) in zip(st.columns(4), notes.items(), strict=True):
        with column.container(border=True, height="stretch", gap=None):
            meaning = conflict_rows.LABEL_WORDS[label.lower()].capitalize()
            st.metric(f"{label} nodes", f"{n[label.lower()]:,} of {len(found.nodes):,}", help=f"{meaning}.")
            st.caption(note)
    if found.status != "optimal":
        st.warning(layout.escape(_solver(found)))
    for text in cautions(found):
        st.warning(text)


def _solver(found: ConflictMap) -> str:
    """What the solver proved, how long it took, and the size of the formula."""
    time = f"{found.seconds:.2g} s" if found.seconds < 1 else duration(found.seconds)
    sizes = [f"{found.solver[key]:,} {word}" for key, word in SIZES.items() if key in found.solver]
    return ", ".join([f"{solved(found)} Solver: {time}", *sizes]) + "."


def map_and_node(found: ConflictMap, opened: dict[str, str], tried: str) -> str:
    """The map, beside it the selected node, which is returned. `opened`: node -> the stages that train it; `tried`: Markdown on the
    mask that is chosen."""
    selected = _selected(found)
    chart, card = st.columns([3, 2], gap="medium")
    with chart:
        conflict_plot.selectable(conflict_plot.map_figure(found, selected, opened), key="conflict_map")
        proven = [_solver(found)] if found.status == "optimal" else []  # else it is a warning, above
        st.caption(layout.escape(" ".join([*proven, conflict_plot.reading(found, opened)])))
        if tried:
            st.markdown(tried)
    with card:
        _card(found, selected)
    return selected


def _selected(found: ConflictMap) -> str:
    """The node selected on any page; else a conflict, of those in every optimum if there is one."""
    if state.node() in found.nodes:
        return state.node()
    return min(found.nodes, key=lambda name: (found.nodes[name].label != "conflict", not found.nodes[name].fixed))


def _card(found: ConflictMap, selected: str) -> None:
    """Choose a node; its label in words, why, the gates it takes part in, and its circuit."""
    st.session_state["conflict_node"] = selected

    def chosen() -> None:
        state.select_node(st.session_state["conflict_node"])

    st.selectbox("Node: click a mark of the map, or choose here", list(found.nodes), key="conflict_node", on_change=chosen)
    node = found.nodes[selected]
    st.markdown(conflict_rows.fate(node))
    st.text(node.reason)
    _clauses(conflict_rows.clauses(found, selected))
    share = f"{node.n_parameters / found.n_parameters:.2%} of the model"
    scores = f"Forget score {node.forget_score:.3g}, retain score {node.retain_score:.3g}"
    kind = f"{node.kind[0].upper()}{node.kind[1:]} of layer {node.layer}"
    st.caption(f"{kind}, {node.n_parameters:,} parameters ({share}). {scores}.", help=SCORES)
    st.caption(conflict_masks.training(found, selected))
    st.page_link(layout.PAGES["Circuit explorer"], label="See it in a sample's circuit", query_params=state.carried())


def _clauses(lines: list[str]) -> None:
    """A gate per line; many scroll."""
    if not lines:
        st.caption("It takes part in no gate.")
        return
    st.markdown(f"**Its clauses** ({len(lines)}). Read “=” as “is kept exactly if”.")
    many = len(lines) > 5
    with st.container(height=230 if many else "content", border=many):
        st.markdown("\n".join(f"- {layout.escape(line)}" for line in lines))
