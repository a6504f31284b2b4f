"""Exports say what the circuit says; EAP-IG's format comes back equal, and bad files are named for what is wrong."""

import copy
import io
import json

import networkx as nx
import numpy as np
import pytest

from analysis.circuit import Circuit, edges_frame, select
from analysis.exchange import attribution_graph, eap_ig, exported, graphml, read_eap_ig, read_folder
from analysis.graph import GraphIndex
from tests.made_circuits import edge_names, made_circuit

EDGES = {"input->a0.h0<q>": 1.0, "input->a0.h0<k>": 2.0, "a0.h0->m1": -3.0, "m1->logits": 4.0, "input->logits": 2.5}
CIRCUIT = made_circuit(EDGES, sample_id="s1")


def random_circuit(parallel: bool) -> Circuit:
    index = GraphIndex(3, 4, 4, 16, parallel)
    scores = (np.random.default_rng(0).normal(size=index.real_edges.shape) * index.real_edges).astype(np.float32)
    return Circuit("s2", "f" * 16, index, scores, select(scores, index, 20))


@pytest.mark.parametrize("parallel", [False, True])
def test_eap_ig_comes_back_equal_through_text(parallel):
    circuit = random_circuit(parallel)
    scores, in_circuit, index = read_eap_ig(json.loads(exported(circuit, "eap-ig")))
    assert np.array_equal(scores, circuit.scores) and np.array_equal(in_circuit, circuit.in_circuit) and index == circuit.index


def test_eap_ig_has_the_fields_of_that_library():
    content = eap_ig(CIRCUIT)
    assert list(content) == ["cfg", "nodes", "edges"]
    assert content["cfg"] == {"n_layers": 2, "n_heads": 1, "parallel_attn_mlp": False, "d_model": 8}
    assert list(content["nodes"]) == ["input", "a0.h0", "m0", "a1.h0", "m1", "logits"]
    assert {name for name, node in content["nodes"].items() if node["in_graph"]} == {"input", "a0.h0", "m1", "logits"}
    assert len(content["edges"]) == CIRCUIT.index.real_edges.sum()
    assert content["edges"]["a0.h0->m1"] == {"score": -3.0, "in_graph": True}


def test_a_reader_of_the_published_format_sees_the_same_graph():
    """EAP-IG's names alone, `u->v` and `u->v<q>`, read without any code of ours: the drawn edges are a graph from input to logits."""
    circuit = random_circuit(parallel=False)
    content = json.loads(exported(circuit, "eap-ig"))
    kept = {name: edge["score"] for name, edge in content["edges"].items() if edge["in_graph"]}
    graph = nx.MultiDiGraph()
    for name, score in kept.items():
        source, target = name.split("->")
        graph.add_edge(source, target.split("<")[0], name, score=score)
    heads = {f"a{layer}.h{head}" for layer in range(3) for head in range(4)}
    assert set(content["nodes"]) == {"input", "logits", *heads, "m0", "m1", "m2"}
    assert set(graph) == {name for name, node in content["nodes"].items() if node["in_graph"]}
    assert all(nx.has_path(graph, "input", node) and nx.has_path(graph, node, "logits") for node in graph)
    table = edges_frame(circuit)
    assert kept == pytest.approx(dict(zip(table["edge"], table["score"], strict=True))) and len(kept) == circuit.n_edges
    assert {name for name in content["edges"] if "<" in name} == {n for n in content["edges"] if ".h" in n.split("->")[1]}


def test_grouped_query_heads_come_from_the_model():
    """EAP-IG's K and V edges are per query head, whatever the number of key/value heads, which it does not record."""
    index = GraphIndex(2, 4, 2, 8)
    circuit = Circuit("s", "f", index, np.ones(index.real_edges.shape, np.float32) * index.real_edges, index.real_edges)
    assert read_eap_ig(eap_ig(circuit), index)[2].n_kv_heads == 2
    assert read_eap_ig(eap_ig(circuit))[2].n_kv_heads == 4


def broken(*path, value=None):
    content = copy.deepcopy(eap_ig(CIRCUIT))
    place = content
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return content


@pytest.mark.parametrize(("content", "message"), [
    ([], "'cfg' is missing"),
    (broken("edges"), "'edges' is missing"),
    (broken("cfg", "n_heads"), "n_heads to be a whole number of at least 1, got None"),
    (broken("cfg", "n_layers", value=0), "n_layers to be a whole number of at least 1, got 0"),
    (broken("cfg", "n_layers", value=True), "n_layers to be a whole number"),
    (broken("cfg", "parallel_attn_mlp", value="no"), "parallel_attn_mlp to be true or false, got 'no'"),
    (broken("nodes", "a9.h0", value={"in_graph": True}), "names an unknown node 'a9.h0'"),
    (broken("nodes", "m1"), "lacks the node 'm1'"),
    (broken("edges", "m1->m0", value={"score": 1.0, "in_graph": True}), "names an unknown edge 'm1->m0'"),
    (broken("edges", "a0.h0->m1"), "lacks the edge 'a0.h0->m1'"),
    (broken("edges", "a0.h0->m1", "score", value=float("nan")), "edge 'a0.h0->m1': expected a finite number as score, got nan"),
    (broken("edges", "a0.h0->m1", "score", value="high"), "expected a finite number as score, got 'high'"),
    (broken("edges", "a0.h0->m1", "score", value=1e300), "expected a finite number as score"),
    (broken("edges", "a0.h0->m1", "score", value=10**400), "expected a finite number as score"),
    (broken("edges", "a0.h0->m1", "in_graph"), "expected true or false as in_graph, got None"),
    (broken("edges", "a0.h0->m1", value=3), "expected a finite number as score, got None"),
])
def test_a_bad_eap_ig_file_is_named_for_what_is_wrong(content, message):
    with pytest.raises(ValueError, match=message):
        read_eap_ig(content)


def test_a_file_of_another_model_is_refused():
    with pytest.raises(ValueError, match="the model has n_heads 2, the file 1"):
        read_eap_ig(eap_ig(CIRCUIT), GraphIndex(2, 2, 2, 8))


def test_a_folder_is_read_by_sample_id_and_a_bad_file_named(tmp_path):
    with pytest.raises(ValueError, match="expected EAP-IG graphs named SAMPLE_ID.json, found none"):
        read_folder(tmp_path, "f", CIRCUIT.index)
    (tmp_path / "s1.json").write_bytes(exported(CIRCUIT, "eap-ig"))
    (found,) = read_folder(tmp_path, "f" * 64, CIRCUIT.index)
    assert found.sample_id == "s1" and edge_names(found) == set(EDGES)
    (tmp_path / "s2.json").write_text("{")
    with pytest.raises(ValueError, match="s2.json: Expecting property name"):
        read_folder(tmp_path, "f", CIRCUIT.index)


def test_graphml_holds_the_drawn_edges_with_types():
    graph = nx.read_graphml(io.BytesIO(graphml(CIRCUIT)), force_multigraph=True)
    assert {data["name"]: data["score"] for _, _, data in graph.edges(data=True)} == EDGES
    assert graph.nodes["a0.h0"] == {"kind": "head", "layer": 0} and graph.nodes["logits"] == {"kind": "logits", "layer": 2}
    assert graph.graph["sample_id"] == "s1"
    ids = [key for *_, key in graph.edges(keys=True)]
    assert len(set(ids)) == len(EDGES)


def test_an_attribution_graph_holds_the_drawn_edges():
    content = attribution_graph(CIRCUIT, "Question: Who?\nAnswer:")
    name = {node["node_id"]: node["clerp"] for node in content["nodes"]}
    assert len(name) == len({node["jsNodeId"] for node in content["nodes"]}) == 4  # ids are unique
    links = {(name[link["source"]], name[link["target"]]): link for link in content["links"]}
    assert links["input", "a0.h0"]["weight"] == 3.0 and links["input", "a0.h0"]["inputs"] == {"q": 1.0, "k": 2.0}
    assert sum(len(link["inputs"]) for link in content["links"]) == len(edges_frame(CIRCUIT))
    assert sum(link["weight"] for link in content["links"]) == pytest.approx(sum(EDGES.values()))
    kinds = {node["clerp"]: (node["feature_type"], node["layer"]) for node in content["nodes"]}
    assert kinds == {"input": ("embedding", "E"), "a0.h0": ("attention head", "0"), "m1": ("mlp", "1"), "logits": ("logit", "3")}


def test_an_attribution_graph_has_every_field_that_its_schema_requires():
    """Names and types as required by Neuronpedia's graph schema 1.0.0."""
    content = json.loads(exported(CIRCUIT, "attribution-graph", "Who?"))
    assert set(content) == {"metadata", "qParams", "nodes", "links"}
    metadata = content["metadata"]
    assert all(isinstance(metadata[key], str) for key in ("slug", "scan", "prompt")) and metadata["prompt"] == "Who?"
    assert [type(token) for token in metadata["prompt_tokens"]] == [str]
    wanted = {"node_id": str, "feature": int, "layer": str, "ctx_idx": int, "feature_type": str, "jsNodeId": str, "clerp": str}
    for node in content["nodes"]:
        assert all(type(node[key]) is kind for key, kind in wanted.items())
        assert node["ctx_idx"] < len(metadata["prompt_tokens"])
    ids = {node["node_id"] for node in content["nodes"]}
    assert all(link["source"] in ids and link["target"] in ids and type(link["weight"]) is float for link in content["links"])
