"""The circuit explorer on a made-up study: choosing, moving the boundary, filtering, and saying what is missing."""

import io
import json

import networkx as nx
import pandas as pd
import pytest
import streamlit as st

from analysis.dataset import Sample
from components import cached, circuit_network, circuit_panel, demo_mode, faithfulness_panel


def metric(page, label: str) -> str:
    return next(m.value for m in page.metric if m.label == label)


def test_without_results_it_says_what_to_run(made_up_study, open_page):
    page = open_page("circuits")
    assert not page.exception and "Not computed yet" in page.info[0].value
    assert "analysis circuits --model nowhere" in page.code[0].value


def test_the_boundary_of_a_deeper_study_is_brought_into_range(scored_study, open_page):
    page = open_page("circuits", late_from="11", edges="900")
    assert not page.exception
    assert 1 <= page.slider(key="late_from").value <= 3 and page.slider(key="edges").value <= page.slider(key="edges").max


def test_it_opens_on_the_hardest_sample_in_words(scored_study, open_page):
    page = open_page("circuits")
    assert not page.exception
    assert page.selectbox(key="sample_choice").value == "sample23"
    assert any(caption.value == "CUD: hardest 1; MRD: hardest 1 of 24" for caption in page.caption)


def test_answers_are_shown_as_text_never_as_markup(scored_study, open_page):
    page = open_page("circuits", sample="sample03")
    assert "<b>Answer</b> 3" in [text.value for text in page.text]
    assert not any("<b>" in element.value for element in page.markdown)


def test_a_choice_goes_to_the_address(scored_study, open_page):
    page = open_page("circuits")
    page.selectbox(key="sample_choice").set_value("sample05").run()
    assert page.query_params["sample"] in ("sample05", ["sample05"])
    assert any("easiest 6 of 24" in caption.value for caption in page.caption)


def test_an_unknown_sample_in_the_address_falls_back(scored_study, open_page):
    page = open_page("circuits", sample="nobody")
    assert not page.exception and page.selectbox(key="sample_choice").value == "sample23"


def test_moving_the_boundary_moves_shares_and_table_together(scored_study, open_page):
    page = open_page("circuits", sample="sample10")
    shares = {}
    for boundary in (1, 2, 3):
        page.slider(key="late_from").set_value(boundary).run()
        table = page.dataframe[0].value
        late = table.loc[table["side"] == "late", "share"].sum()
        assert metric(page, "Late share") == f"{late:.0f}%"
        shares[boundary] = late
    assert shares[1] > shares[2] > shares[3]


def test_the_edge_budget_limits_the_table(scored_study, open_page):
    page = open_page("circuits")
    page.slider(key="edges").set_value(10).run()
    table = page.dataframe[0].value
    assert 0 < len(table) <= 10 and metric(page, "Edges") == str(len(table))
    assert table["share"].is_monotonic_decreasing


def test_filters_hide_edges_and_leave_the_readouts(scored_study, open_page):
    page = open_page("circuits")
    before = metric(page, "Edges"), metric(page, "Late share")
    page.segmented_control(key="edge_sign").set_value("suppresses").run()
    assert (page.dataframe[0].value["score"] < 0).all()
    assert (metric(page, "Edges"), metric(page, "Late share")) == before


def test_a_selected_node_lists_its_own_edges(scored_study, open_page):
    page = open_page("circuits")
    page.session_state["carried_node"] = "logits"
    page.run()
    assert all("->logits" in edge for edge in page.dataframe[0].value["edge"])
    page.session_state["carried_node"] = "a99.h0"  # of another model
    page.run()
    assert not page.exception and len(page.dataframe[0].value) > 1


@pytest.mark.slow
def test_each_rule_has_its_slider_and_table_readouts_and_graph_agree(scored_study, open_page):
    page = open_page("circuits")
    drawn = {}
    for rule, slider, value in (("greedy", "edges", 20), ("top_n", "strongest", 20), ("cumulative_mass", "mass", 40)):
        page.selectbox(key="rule").set_value(rule).run()
        page.slider(key=slider).set_value(value).run()
        assert not page.exception and [s.key for s in page.slider] == ["late_from", slider]
        edges, nodes = (frame.value for frame in page.dataframe[:2])
        assert metric(page, "Edges") == str(len(edges)) == str(nodes["in_degree"].sum()) == str(nodes["out_degree"].sum())
        assert edges["share"].sum() == pytest.approx(100) and nodes["in_mass"].sum() == pytest.approx(nodes["out_mass"].sum())
        drawn[rule] = set(edges["edge"])
    assert len({frozenset(edges) for edges in drawn.values()}) == 3


def test_rule_and_size_are_kept_in_the_address(scored_study, open_page):
    page = open_page("circuits", rule="Strongest edges", strongest="35")
    assert page.selectbox(key="rule").value == "top_n" and page.slider(key="strongest").value == 35


def test_more_edges_than_can_be_drawn_are_cut_and_it_says_so(scored_study, open_page, monkeypatch):
    monkeypatch.setattr(circuit_panel, "MOST_EDGES", 30)
    page = open_page("circuits", rule="Share of score mass", mass="95")
    assert any("the strongest 30 are chosen instead" in caption.value for caption in page.caption)
    assert 0 < len(page.dataframe[0].value) <= 30


def test_nothing_on_a_path_is_said_and_not_drawn(scored_study, open_page):
    page = open_page("circuits", rule="Strongest edges", strongest="1")
    assert not page.exception and not page.dataframe
    assert "None of the edges chosen is on a path" in page.info[0].value


FORMS = ["Graph as HTML", "Edges as CSV", "Nodes as CSV", "EAP-IG JSON", "GraphML", "Attribution graph JSON"]
CHOICES = [
    {"rule": "Strongest edges", "strongest": "25", "pins": "logits,nowhere", "path": "input,logits"},
    {"rule": "Share of score mass", "mass": "60", "late_from": "3", "edge_sign": "supports", "edge_inputs": ["q", "v"]},
    {"edges": "20", "late_from": "1", "edge_sign": "suppresses"},
]


@pytest.mark.slow
@pytest.mark.parametrize("query", CHOICES)
def test_graph_tables_shares_and_files_hold_the_same_edges(scored_study, open_page, monkeypatch, query):
    offered, views, real_samples = {}, [], cached.forget_samples
    text = Sample("sample23", "How it begins", "and goes on", "forget", 23, is_text=True)
    monkeypatch.setattr(cached, "forget_samples", lambda of: [*real_samples(of), text])
    monkeypatch.setattr(st, "download_button", lambda label, make, name, kind, **_: offered.update({name: make}))
    real = circuit_network.show
    monkeypatch.setattr(circuit_network, "show", lambda view, **options: views.append(view) or real(view, **options))
    page = open_page("circuits", **query)
    assert not page.exception
    for form in FORMS:
        page.selectbox(key="format").set_value(form).run()
    edges, nodes = (frame.value for frame in page.dataframe[:2])
    drawn, sample = {edge["id"]: edge for edge in views[-1]["edges"]}, "sample23"
    assert set(drawn) == set(edges["edge"]) and {node["id"] for node in views[-1]["nodes"]} >= set(nodes["node"])
    assert {name: edge["group"] for name, edge in drawn.items()} == dict(zip(edges["edge"], edges["side"], strict=True))
    content = {name.removeprefix(f"circuit-{sample}."): as_text(make()) for name, make in offered.items()}
    assert len(content) == len(FORMS)
    assert {edge["id"] for edge in in_html(content, "edges")} == set(drawn)
    for held in (in_csv, in_eap_ig, in_graphml):
        assert held(content) == set(drawn), held
    marks = in_html(content, "pins"), in_html(content, "path")
    assert marks == ((["logits"], ["input", "logits"]) if "pins" in query else ([], None))
    assert pd.read_csv(io.StringIO(content["nodes.csv"]))["in_degree"].sum() == len(edges)
    graph = json.loads(content["attribution-graph.json"])
    assert sum(len(link["inputs"]) for link in graph["links"]) == len(edges)
    assert graph["metadata"]["prompt"] == "How it begins"
    hidden = int(metric(page, "Edges")) - len(edges)
    captions = " ".join(caption.value for caption in page.caption)
    assert (f"Filters hide {hidden} of" in captions) == (f"files hold the {len(edges)} edges" in captions) == (hidden > 0)
    assert len(edges) and (hidden > 0) == ("edge_sign" in query)
    assert hidden > 0 or metric(page, "Late share") == f"{edges.loc[edges['side'] == 'late', 'share'].sum():.0f}%"
    assert views[-1]["axes"]["late"] == pytest.approx(float(metric(page, "Late share").strip("%")) / 100, abs=0.006)


def as_text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode()


def in_html(content: dict[str, str], key: str) -> list | None:
    return json.JSONDecoder().raw_decode(content["html"].rpartition("const data = ")[2])[0][key]


def in_csv(content: dict[str, str]) -> set[str]:
    return set(pd.read_csv(io.StringIO(content["csv"]))["edge"])


def in_eap_ig(content: dict[str, str]) -> set[str]:
    return {name for name, edge in json.loads(content["json"])["edges"].items() if edge["in_graph"]}


def in_graphml(content: dict[str, str]) -> set[str]:
    graph = nx.read_graphml(io.BytesIO(content["graphml"].encode()), force_multigraph=True)
    return {name for *_, name in graph.edges(data="name")}


@pytest.mark.slow
def test_filters_come_from_the_address(scored_study, open_page):
    page = open_page("circuits", edge_sign="suppresses", edge_inputs=["MLP", "logits"], table="Nodes")
    assert (page.dataframe[0].value["score"] < 0).all() and not any(edge.endswith(">") for edge in page.dataframe[0].value["edge"])
    page.segmented_control(key="edge_sign").set_value("supports").run()
    assert (page.dataframe[0].value["score"] > 0).all()


@pytest.mark.slow
def test_what_is_wrong_with_the_model_is_said_and_the_graph_stays(scored_study, open_page, monkeypatch):
    def fails(*_):
        raise ValueError("<b>nowhere</b>: expected a model")

    monkeypatch.setattr(cached, "faithfulness", fails)
    page = open_page("circuits")
    assert not page.exception and len(page.dataframe[0].value) and metric(page, "Late share")
    assert "run the model" in page.error[0].value and "<b>nowhere</b>: expected a model" in [text.value for text in page.text]
    assert not any("is running" in element.value for element in page.markdown)


@pytest.mark.slow
def test_a_large_graph_draws_its_curve_on_demand_only(scored_study, open_page, monkeypatch):
    monkeypatch.setattr(faithfulness_panel, "QUICK", 10)
    page = open_page("circuits")
    assert len(page.get("plotly_chart")) == 1 and metric(page, "Faithfulness") == "0.00"  # the logit lens
    said = [element.value for element in page.markdown]
    assert any("alone **bring back nothing**" in words for words in said) and not any("is running" in words for words in said)
    page.toggle(key="curve").set_value(True).run()
    assert len(page.get("plotly_chart")) == 2


@pytest.mark.slow
def test_a_demo_measures_small_graphs_only(scored_study, open_page, monkeypatch):
    monkeypatch.setattr(demo_mode, "LIVE_EDGES", 10)
    assert metric(open_page("circuits"), "Faithfulness")  # no demo
    monkeypatch.setenv("LETHE_DEMO", "1")
    monkeypatch.setattr(cached, "faithfulness", lambda *_: pytest.fail("measured"))
    page = open_page("circuits")
    assert not page.exception and any("Read-only demo: not measured here" in caption.value for caption in page.caption)
    assert len(page.dataframe[0].value) and metric(page, "Late share")
