"""A conflict map as plain tables: its nodes, layers, gates, circuits and masks. No widgets."""

import pandas as pd

from analysis.conflict_map import ConflictMap, MapNode
from analysis.conflict_words import set_names
from analysis.gates import Gate, place

READ_AS = {"AND": "all of", "OR": "any of"}
LABEL_WORDS = {
    "forget": "forgetting wants it off, and no retain set's logic needs it on",
    "retain": "it stays, and forgetting does not need it to go",
    "conflict": "forgetting needs it off, keeping needs it on",
    "free": "no conflict, but not proven whether it is forgotten or kept: optima may differ",
}


def takeaway(found: ConflictMap) -> str:
    """The map in a plain sentence, Markdown."""
    n, n_conflicts = len(found.nodes), found.n_labelled()["conflict"]
    forget = found.assigned("forget")
    share = sum(found.nodes[name].n_parameters for name in forget) / found.n_parameters
    best = "" if found.status == "optimal" else " This is the best map found, not one that is proven."
    alone = f"{len(forget)} node{'' if len(forget) == 1 else 's'} with {share:.1%} of the parameters"
    if not n_conflicts:
        return f"**Forgetting and keeping do not clash in any of {n:,} nodes.** What is to be forgotten runs through {alone}.{best}"
    rest = f"Only {alone} can change for forgetting without touching what must be kept" if forget else \
        "No node can change for forgetting without touching what must be kept"
    told = f"as far as these circuits tell{_explained(found)}"
    return f"**Forgetting and keeping clash in {n_conflicts:,} of {n:,} nodes.** {rest}, {told}.{best}"


def _explained(found: ConflictMap) -> str:
    """The faithfulness of the maintain circuits that the labels are read off, as a clause; empty where it is not defined."""
    shares = sorted(circuit.faithfulness for circuit in found.circuits if circuit.faithfulness == circuit.faithfulness)
    ends = dict.fromkeys(f"{share:.0%}" for share in (*shares[:1], *shares[-1:]))
    return f", which explain {' to '.join(ends)} of the answers" if ends else ""


def depth(found: ConflictMap, boundary: int) -> str:
    """How many nodes on either side of a layer are in conflict, and how many can change for forgetting, in a sentence (Markdown)."""
    counts = layers(found)
    early, late = (part.sum() for part in (counts.loc[counts.index < boundary], counts.loc[counts.index >= boundary]))
    return (
        f"In conflict are **{early['conflict']} of {early.sum()}** nodes of the early layers (0 to {boundary - 1}) and "
        f"**{late['conflict']} of {late.sum()}** of the late ones; {early['forget']} early and {late['forget']} late ones are only "
        "to be forgotten."
    )


def nodes(found: ConflictMap) -> pd.DataFrame:
    """Every head and MLP in the order of the forward pass; `lane` is its head, -1 for the MLP."""
    return pd.DataFrame([
        {"node": name, "layer": node.layer, "lane": place(name)[1] if node.kind == "head" else -1, "kind": node.kind,
         "label": node.label, "assigned": node.assigned, "fixed": node.fixed, "circuits": sides(node),
         "forget_score": node.forget_score, "retain_score": node.retain_score, "n_parameters": node.n_parameters}
        for name, node in found.nodes.items()
    ])


def sides(node: MapNode) -> str:
    """Of which sets' circuits a node is part."""
    return "both" if len(node.circuits) > 1 else "".join(node.circuits) or "none"


def layers(found: ConflictMap) -> pd.DataFrame:
    """How many nodes of each label a layer has: a row per layer, a column per label."""
    table = nodes(found)
    return pd.crosstab(table["layer"], table["label"]).reindex(columns=list(LABEL_WORDS), fill_value=0)


def clauses(found: ConflictMap, node: str) -> list[str]:
    """The gates that a node takes part in, in words: those that it is the target of, then those that it is an input of."""
    said: dict[bool, list[str]] = {True: [], False: []}
    for name, circuit in zip(set_names(found), found.circuits, strict=True):
        for gate in circuit.logical.gates:
            if node == gate.target or node in gate.inputs:
                said[node == gate.target].append(clause(gate, circuit.set, name))
    return said[True] + said[False]


def clause(gate: Gate, side: str, name: str) -> str:
    """`m3 = any of a2.h1, m2 (OR, forget set)`: the target is kept exactly if any (all) of the inputs are."""
    read_as = READ_AS.get(gate.kind) or ("any of" if side == "forget" else "all of")
    inputs = ", ".join(gate.inputs) if len(gate.inputs) == 1 else f"{read_as} {', '.join(gate.inputs)}"
    return f"{gate.target} = {inputs} ({gate.kind}, {name})"


def circuits(found: ConflictMap) -> pd.DataFrame:
    """A row per set: what its maintain and break circuits hold, and how well they do it."""
    return pd.DataFrame([
        {"set": name, "file": circuit.file, "n_samples": circuit.n_samples, "n_maintain": circuit.n_maintain,
         "n_break": circuit.n_break, "faithfulness": circuit.faithfulness, "completeness": circuit.completeness,
         "reached": "yes" if circuit.reached else "no", **circuit.n_gates}
        for name, circuit in zip(set_names(found), found.circuits, strict=True)
    ])


def fate(node: MapNode) -> str:
    """The node's label, and whether it is the same in every optimum, in words."""
    if not node.circuits:
        return f"**{node.label}**: in no circuit, so nothing asks for it to change."
    proven = "The same in every optimum" if node.fixed else f"Not proven the same in every optimum; masks take it as {node.assigned}"
    return f"**{node.label}**: {LABEL_WORDS[node.label]}. {proven}."
