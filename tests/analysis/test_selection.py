"""The three selection rules: hand-made cases, and properties that must hold for any scores, ties above all."""

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.circuit import cumulative_mass, n_edges_of_mass, select, selected, top_n
from analysis.graph import GraphIndex
from tests.made_circuits import edge_names, made_circuit

INDEX = GraphIndex(2, 2, 1, 8)
SIZES = {"greedy": [1, 3, 8, 20, 46], "top_n": [1, 3, 8, 20, 46], "cumulative_mass": [0.1, 0.4, 0.7, 0.95, 1.0]}
quick = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def scores(draw):
    """Signed scores of few different sizes, so that ties are many."""
    values = draw(st.lists(st.integers(-4, 4), min_size=46, max_size=46))
    table = np.zeros(INDEX.real_edges.shape, dtype=np.float32)
    table[INDEX.real_edges] = values
    return table


def on_a_path(kept: np.ndarray) -> bool:
    graph = nx.MultiDiGraph((INDEX.forward_names[u], INDEX.backward_names[v].split("<")[0]) for u, v in np.argwhere(kept))
    graph.add_nodes_from(["input", "logits"])
    good = (nx.descendants(graph, "input") | {"input"}) & (nx.ancestors(graph, "logits") | {"logits"})
    return all(u in good and v in good for u, v in graph.edges())


@quick
@given(scores())
@pytest.mark.parametrize("rule", list(SIZES))
def test_every_edge_is_on_a_path_and_larger_circuits_hold_smaller_ones(rule, table):
    kept = [selected(table, INDEX, rule, size) for size in SIZES[rule]]
    assert all(on_a_path(part) and (part <= INDEX.real_edges).all() for part in kept)
    assert all((small <= large).all() for small, large in zip(kept, kept[1:], strict=False))


@pytest.mark.slow
@quick
@given(scores(), st.sampled_from([-1.0, 0.25, 8.0]))
@pytest.mark.parametrize("rule", list(SIZES))
def test_scale_and_sign_of_all_scores_change_nothing(rule, table, factor):
    for size in SIZES[rule]:
        assert np.array_equal(selected(table, INDEX, rule, size), selected(table * np.float32(factor), INDEX, rule, size))


@quick
@given(scores(), st.integers(1, 46))
def test_ties_go_to_the_lower_source_then_destination(table, n_edges):
    order = sorted(map(tuple, np.argwhere(INDEX.real_edges)), key=lambda place: (-abs(table[place]), *place))
    oracle = np.zeros(table.shape, dtype=bool)
    for place in order[:n_edges]:
        oracle[place] = True
    kept = top_n(table, INDEX, n_edges)
    assert (kept <= oracle).all()
    assert not on_a_path(oracle) or np.array_equal(kept, oracle)  # only pruning takes edges away


@quick
@given(scores(), st.floats(0.01, 1.0))
def test_cumulative_mass_takes_the_fewest_edges_that_hold_the_share(table, share):
    sizes = sorted(np.abs(table[INDEX.real_edges]).astype(float), reverse=True)
    n_edges = n_edges_of_mass(table, INDEX, share)
    if not sum(sizes):
        assert n_edges == 0
        return
    assert sum(sizes[:n_edges]) >= share * sum(sizes) * (1 - 1e-12)
    assert n_edges == 1 or sum(sizes[: n_edges - 1]) < share * sum(sizes)


def test_the_rules_differ_where_they_should():
    """A strong edge that leads nowhere fills a place of top_n, and is never reached by greedy."""
    graph = made_circuit({
        "m0->a1.h0<k>": 9.0, "m1->logits": 5.0, "input->m1": 3.0, "input->logits": 2.0, "a0.h0->m1": 1.0,
    })

    def chosen(rule, size):
        return edge_names(replace(graph, in_circuit=selected(graph.scores, graph.index, rule, size)))

    assert chosen("top_n", 3) == {"m1->logits", "input->m1"}
    assert chosen("greedy", 3) == {"m1->logits", "input->m1", "input->logits"}
    assert chosen("cumulative_mass", 0.7) == set()  # 9 + 5 of 20 hold exactly that, and neither is on a path
    assert chosen("cumulative_mass", 0.71) == {"m1->logits", "input->m1"}


def test_no_scores_no_circuit():
    nothing = np.zeros(INDEX.real_edges.shape, dtype=np.float32)
    assert cumulative_mass(nothing, INDEX, 0.5).sum() == 0


@pytest.mark.parametrize("share", [0.0, -0.1, 1.01, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        cumulative_mass(np.ones(INDEX.real_edges.shape, dtype=np.float32), INDEX, share)


@pytest.mark.parametrize("rule", [select, top_n])
def test_bad_sizes_and_scores_are_refused(rule):
    table = np.ones(INDEX.real_edges.shape, dtype=np.float32)
    with pytest.raises(ValueError, match="n_edges must be at least 1, got 0"):
        rule(table, INDEX, 0)
    table[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite, got 1"):
        rule(table, INDEX, 3)
