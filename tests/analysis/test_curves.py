"""Curves over circuit size: their ends are known, their points agree with single runs, and the control is a fair one."""

import networkx as nx
import numpy as np
import pytest

from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import prune, select
from analysis.curves import random_circuits, size_curve, sizes_up_to
from analysis.faithfulness import faithfulness
from analysis.graph import GraphIndex


def test_the_whole_graph_is_faithful_and_complete_and_every_point_is_a_single_run(handle, batch):
    one, index = batch.select([2]), handle.index
    scores = edge_scores(handle, one, AttributionConfig("EAP", "zero"))[0]
    table = size_curve(handle, one, scores, "zero", sizes=[8, 30, int(index.real_edges.sum())], n_random=2)
    last = table.iloc[-1]
    assert last["n_edges"] == index.real_edges.sum()
    assert last.drop("n_edges").to_numpy() == pytest.approx(np.ones(4))
    kept = select(scores, index, 30)
    row = table[table["n_edges"] == kept.sum()].iloc[0]
    single = faithfulness(handle, one, np.stack([kept, index.real_edges & ~kept]), "zero")
    assert row["faithfulness"] == pytest.approx(single[0]) and row["completeness"] == pytest.approx(1 - single[1])
    control = np.stack([random_circuits(index, table["n_edges"].tolist(), seed)[1] for seed in (0, 1)])
    assert row["random_faithfulness"] == pytest.approx(faithfulness(handle, one, control, "zero").mean())


class LeftError(Exception):
    """The reader has gone to another page."""


def test_who_asks_between_batches_may_end_the_work(handle, batch):
    asked = []

    def between():
        asked.append(1)
        if len(asked) == 2:
            raise LeftError

    kept = np.broadcast_to(handle.index.real_edges, (40, *handle.index.real_edges.shape)).copy()  # 3 batches, with its own 2
    with pytest.raises(LeftError):
        faithfulness(handle, batch.select([2]), kept, "zero", between=between)
    assert len(asked) == 2
    faithfulness(handle, batch.select([2]), kept, "zero", between=lambda: asked.append(1))
    assert len(asked) == 2 + 3


def test_scores_that_leave_nothing_give_an_empty_curve(handle, batch):
    scores = np.zeros((handle.index.n_forward, handle.index.n_backward))
    scores[1, -1] = 1.0  # a0.h0->logits alone is on no path from input
    assert len(size_curve(handle, batch.select([0]), scores, "zero", sizes=[1])) == 0


def test_random_circuits_have_the_size_asked_are_nested_and_all_on_paths():
    index = GraphIndex(3, 2, 2, 8)
    n_real = int(index.real_edges.sum())
    sizes = [1, 5, 12, 40, n_real]
    kept = random_circuits(index, sizes, seed=3)
    assert [int(mask.sum()) for mask in kept] == sizes
    assert all(np.array_equal(prune(mask, index), mask) for mask in kept) and (kept <= index.real_edges).all()
    assert all((small <= large).all() for small, large in zip(kept, kept[1:], strict=False))
    assert np.array_equal(kept, random_circuits(index, sizes, seed=3))
    assert not np.array_equal(kept[2], random_circuits(index, sizes, seed=4)[2])


def test_random_circuits_are_spread_over_the_graph():
    """Every edge turns up, and no kind of node is left out."""
    index = GraphIndex(2, 2, 2, 8)
    share = np.mean([random_circuits(index, [10], seed)[0] for seed in range(200)], axis=0)
    assert (share[index.real_edges] > 0).all()
    graph = nx.DiGraph((index.forward_names[u], index.backward_names[v].split("<")[0]) for u, v in np.argwhere(share > 0.05))
    assert set(graph) == {*index.forward_names, "logits"}


@pytest.mark.parametrize(("n_edges", "expected"), [(1, [1]), (6, [6]), (46, [10, 12, 14, 17, 20, 23, 28, 33, 39, 46])])
def test_sizes_grow_by_even_ratios_up_to_the_whole(n_edges, expected):
    assert sizes_up_to(n_edges) == expected
