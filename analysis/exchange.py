"""Circuits in other tools' formats, and back from EAP-IG's."""

import io
import json
from pathlib import Path
from typing import Any, Literal

import networkx as nx
import numpy as np

from analysis.circuit import Circuit, EdgeMask, Scores, edges_frame, kind, nodes_frame, to_networkx
from analysis.graph import GraphIndex, index_of

Format = Literal["eap-ig", "graphml", "attribution-graph"]
SIZES = ("n_layers", "n_heads", "d_model")
LARGEST = float(np.finfo(np.float32).max)


def suffix(form: Format) -> str:
    return ".graphml" if form == "graphml" else ".json"


def exported(circuit: Circuit, form: Format, prompt: str = "") -> bytes:
    """The circuit as a file of that format. `prompt` is named in an attribution graph only."""
    if form == "graphml":
        return graphml(circuit)
    content = eap_ig(circuit) if form == "eap-ig" else attribution_graph(circuit, prompt)
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def eap_ig(circuit: Circuit) -> dict[str, Any]:
    """The circuit as EAP-IG's `Graph.to_json` writes it: cfg, nodes and *all* edges with score and in_graph.

    Checked against src/eap/graph.py of hannamw/EAP-IG. Node scores and neurons, which that library writes where it has them, are
    left out.
    """
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


def read_eap_ig(content: Any, index: GraphIndex | None = None) -> tuple[Scores, EdgeMask, GraphIndex]:
    """Scores and circuit of a file by EAP-IG's `Graph.to_json`, read as JSON.

    The format does not say how many key/value heads there are; without `index`, as many as heads. Node flags, node scores and
    neurons are not read: the edges say it all.
    Raises ValueError if the file is of another form, of another graph than `index`, names nodes or edges that its graph lacks,
    lacks some that it has, or holds a score that is no finite number.
    """
    for key in ("cfg", "nodes", "edges"):
        if not isinstance(content, dict) or not isinstance(content.get(key), dict):
            raise ValueError(f"expected an EAP-IG graph, an object with cfg, nodes and edges; {key!r} is missing or no object")
    found = _index_of(content["cfg"], index)
    _same_names("node", set(content["nodes"]), {*found.forward_names, "logits"})
    if found.n_edges > 2 * len(content["edges"]) + 1000:  # before they are named: cfg may say any number
        raise ValueError(f"expected {found.n_edges:,} edges, as the graph in cfg has, got {len(content['edges']):,}")
    places = {found.edge_name(int(u), int(v)): (int(u), int(v)) for u, v in np.argwhere(found.real_edges)}
    _same_names("edge", set(content["edges"]), set(places))
    scores = np.zeros((found.n_forward, found.n_backward), dtype=np.float32)
    in_circuit = np.zeros(scores.shape, dtype=bool)
    for name, place in places.items():
        scores[place], in_circuit[place] = _edge(name, content["edges"][name])
    return scores, in_circuit, found


def read_folder(folder: Path, fingerprint: str, index: GraphIndex) -> list[Circuit]:
    """Circuits of one model from EAP-IG graphs named SAMPLE_ID.json. Raises ValueError naming the file at fault."""
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            scores, in_circuit, _ = read_eap_ig(json.loads(file.read_text(encoding="utf-8")), index)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file}: {error}") from error
        found.append(Circuit(file.stem, fingerprint, index, scores, in_circuit))
    if not found:
        raise ValueError(f"{folder}: expected EAP-IG graphs named SAMPLE_ID.json, found none")
    return found


def _index_of(cfg: dict[str, Any], index: GraphIndex | None) -> GraphIndex:
    wrong = [key for key in SIZES if type(cfg.get(key)) is not int or cfg[key] < 1]
    if wrong or not isinstance(cfg.get("parallel_attn_mlp"), bool):
        name = wrong[0] if wrong else "parallel_attn_mlp"
        expected = "a whole number of at least 1" if wrong else "true or false"
        raise ValueError(f"cfg: expected {name} to be {expected}, got {cfg.get(name)!r:.80}")
    if index is None:
        return index_of(cfg | {"n_kv_heads": cfg["n_heads"]})
    for key in (*SIZES, "parallel_attn_mlp"):
        if cfg[key] != getattr(index, key):
            raise ValueError(f"cfg: the model has {key} {getattr(index, key)}, the file {cfg[key]}; give the circuit's own model")
    return index


def _same_names(what: str, got: set[str], expected: set[str]) -> None:
    for names, fault in ((got - expected, "names an unknown"), (expected - got, "lacks the")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise ValueError(f"the file {fault} {what} {min(names)[:40]!r}{more}; expected exactly those of the graph in cfg")


def _edge(name: str, edge: Any) -> tuple[float, bool]:
    score, kept = (edge.get("score"), edge.get("in_graph")) if isinstance(edge, dict) else (None, None)
    is_number = isinstance(score, int | float) and not isinstance(score, bool)
    if not (is_number and abs(score) <= LARGEST):  # NaN, infinity and endless integers alike
        raise ValueError(f"edge {name!r}: expected a finite number as score, got {score!r:.80}")
    if not isinstance(kept, bool):
        raise ValueError(f"edge {name!r}: expected true or false as in_graph, got {kept!r:.80}")
    return score, kept


def graphml(circuit: Circuit) -> bytes:
    """The circuit's own nodes and edges as GraphML with typed attributes (`to_networkx`); an edge's id is its name."""
    file = io.BytesIO()
    nx.write_graphml(to_networkx(circuit), file, edge_id_from_attribute="name")
    return file.getvalue()


def attribution_graph(circuit: Circuit, prompt: str = "") -> dict[str, Any]:
    """The circuit's own nodes and edges as an attribution graph: metadata, qParams, nodes, links.

    Fields as in safety-research/circuit-tracer and Neuronpedia's graph schema 1.0.0. What differs: a node is a head or an MLP
    summed over positions, no feature at one position, so all stand at ctx_idx 0 under one token "(all positions)"; `feature`
    counts a layer's heads, then its MLP. The q, k and v edges between two nodes are one link whose weight is their sum and whose
    `inputs` holds them apart. `scan` holds the fingerprint of the model's weights. Empty: qParams, influence, activation, and
    `prompt` if it is not given.
    """
    edges, index = edges_frame(circuit), circuit.index
    table = nodes_frame(edges)
    nodes = {node: _graph_node(node, index) for node in table["node"]}
    links: dict[tuple[str, str], dict[str, Any]] = {}
    for edge in edges.itertuples():
        ends = nodes[edge.source]["node_id"], nodes[edge.target]["node_id"]
        link = links.setdefault(ends, {"source": ends[0], "target": ends[1], "weight": 0.0, "inputs": {}})
        link["weight"] += edge.score
        link["inputs"][edge.input or "in"] = edge.score
    metadata = {
        "slug": f"circuit-{circuit.sample_id}", "scan": circuit.fingerprint, "transcoder_list": [], "schema_version": 1,
        "prompt_tokens": ["(all positions)"], "prompt": prompt, "node_threshold": None,
        "info": {"generator": {"name": "Lethe"}, "description": "Heads and MLPs, summed over positions; weight = edge score."},
    }
    parameters = {"pinnedIds": [], "supernodes": [], "linkType": "both", "clickedId": "", "sg_pos": ""}
    return {"metadata": metadata, "qParams": parameters, "nodes": list(nodes.values()), "links": list(links.values())}


def _graph_node(name: str, index: GraphIndex) -> dict[str, Any]:
    node_kind, (layer, _, head) = kind(name), name[1:].partition(".h")
    if node_kind in ("input", "logits"):
        layer, feature = ("E" if node_kind == "input" else str(index.n_layers + 1)), 0
    else:
        feature = int(head) if head else index.n_heads
    types = {"input": "embedding", "head": "attention head", "MLP": "mlp", "logits": "logit"}
    return {
        "node_id": f"{layer}_{feature}_0", "jsNodeId": f"{layer}_{feature}-0", "feature": feature, "layer": layer, "ctx_idx": 0,
        "feature_type": types[node_kind], "clerp": name, "influence": None, "activation": None, "token_prob": 0.0,
        "is_target_logit": node_kind == "logits", "run_idx": 0, "reverse_ctx_idx": 0,
    }
