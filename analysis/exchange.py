"""Circuits in other tools' formats."""

from typing import Any

import numpy as np

from analysis.circuit import Circuit


def eap_ig(circuit: Circuit) -> dict[str, Any]:
    """The circuit as EAP-IG's `Graph.to_json` writes it: cfg, nodes and *all* edges with score and in_graph."""
    index = circuit.index
    used = circuit.in_circuit.any(axis=1)
    nodes = {name: {"in_graph": bool(flag)} for name, flag in zip(index.forward_names, used, strict=True)}
    edges = {
        index.edge_name(int(u), int(v)): {"score": float(circuit.scores[u, v]), "in_graph": bool(circuit.in_circuit[u, v])}
        for u, v in np.argwhere(index.real_edges)
    }
    cfg = {
        "n_layers": index.n_layers, "n_heads": index.n_heads, "parallel_attn_mlp": index.parallel_attn_mlp,
        "d_model": index.d_model,
    }
    return {"cfg": cfg, "nodes": nodes | {"logits": {"in_graph": True}}, "edges": edges}
