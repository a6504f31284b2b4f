"""Growing and thinning against made-up shares, which need no model; and the ends of the runs that shares are measured in."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import growth
from analysis.ablation import replacement
from analysis.circuit import prune, select
from analysis.graph import GraphIndex
from analysis.growth import Runs, smallest
from analysis.tokens import tokenize
from analysis.writes import plain_run
from tests.tiny_models import KINDS

INDEX = GraphIndex(n_layers=1, n_heads=2, n_kv_heads=2, d_model=8)


class MadeUp(Runs):
    """Shares by a function of the edges' names; counts how many circuits were measured."""

    def __init__(self, share):
        self.of_names, self.n_measured = share, 0

    def shares(self, kept):
        self.n_measured += len(kept)
        return np.array([float(self.of_names(names(mask))) for mask in kept])


def names(mask):
    return {INDEX.edge_name(int(u), int(v)) for u, v in np.argwhere(mask)}


def paths(*heads):
    return {"m0->logits"} | {edge for h in heads for edge in (f"input->a0.h{h}<v>", f"a0.h{h}->m0")}


def strength(**scores):
    made = np.full(INDEX.real_edges.shape, 1e-9) * INDEX.real_edges
    for edge, score in scores.items():
        source, _, target = edge.partition("->")
        made[INDEX.forward_names.index(source), INDEX.backward_names.index(target)] = score
    return made


def test_of_two_inputs_that_would_do_one_is_left():
    runs = MadeUp(lambda kept: paths(0) <= kept or paths(1) <= kept)
    scores = strength(**dict.fromkeys(paths(0, 1), 1.0), **{"a0.h1->logits": 3.0})
    assert names(smallest(scores, INDEX, 0.9, runs)) in (paths(0), paths(1))
    both = MadeUp(lambda kept: paths(0, 1) <= kept)
    assert names(smallest(scores, INDEX, 0.9, both)) == paths(0, 1)


def test_what_scores_nothing_is_found_behind_what_is_of_no_use():
    """As at the clean end of an OR: its inputs score 0, all else more."""
    junk = {INDEX.edge_name(int(u), int(v)): 0.5 for u, v in np.argwhere(INDEX.real_edges)}
    scores = strength(**(junk | dict.fromkeys(paths(0, 1), 1e-6)))
    runs = MadeUp(lambda kept: paths(0) <= kept or paths(1) <= kept)
    assert names(smallest(scores, INDEX, 0.9, runs)) in (paths(0), paths(1))


@pytest.mark.parametrize("seed", range(10))
def test_no_edge_of_a_small_circuit_can_be_left_out(seed):
    """For shares that only rise with more edges; and never below the target, not in many runs."""
    rng = np.random.default_rng(seed)
    weights = {INDEX.edge_name(int(u), int(v)): rng.exponential() for u, v in np.argwhere(INDEX.real_edges)}
    total = sum(weights.values())
    runs = MadeUp(lambda kept: sum(weights[name] for name in kept) / total)
    kept = smallest(rng.random(INDEX.real_edges.shape) * INDEX.real_edges, INDEX, 0.6, runs)
    assert runs.share(kept) >= 0.6
    assert np.array_equal(prune(kept, INDEX), kept)
    for u, v in np.argwhere(kept):
        fewer = kept.copy()
        fewer[u, v] = False
        assert runs.share(prune(fewer, INDEX)) < 0.6
    assert runs.n_measured < 120


def test_the_weaker_of_two_ways_is_left_out():
    """Both are in once the edge that is needed besides, the weakest of all, is."""
    runs = MadeUp(lambda kept: "input->logits" in kept and (paths(0) <= kept or paths(1) <= kept))
    for strong, weak in ((0, 1), (1, 0)):
        scores = strength(**(dict.fromkeys(paths(weak), 2.0) | dict.fromkeys(paths(strong), 3.0) | {"input->logits": 0.5}))
        assert names(smallest(scores, INDEX, 0.9, runs)) == paths(strong) | {"input->logits"}


def test_growth_ends_at_the_first_size_that_reaches_the_target(monkeypatch):
    monkeypatch.setattr(growth, "_thinned", lambda kept, *_: kept)
    scores = np.random.default_rng(0).random(INDEX.real_edges.shape) * INDEX.real_edges
    runs = MadeUp(lambda kept: len(kept) / INDEX.real_edges.sum())
    for target in (0.2, 0.5, 0.7, 0.9):
        by_size = (select(scores, INDEX, n) for n in range(1, INDEX.real_edges.sum() + 1))
        first = next(circuit for circuit in by_size if runs.share(circuit) >= target)
        assert np.array_equal(smallest(scores, INDEX, target, runs), first)


def test_a_target_of_one_may_take_the_whole_graph():
    everything = names(INDEX.real_edges)
    runs = MadeUp(lambda kept: kept == everything)
    assert np.array_equal(smallest(strength(), INDEX, 1.0, runs), INDEX.real_edges)


@pytest.mark.parametrize("kind", KINDS)
def test_a_break_run_goes_from_the_clean_answer_to_that_of_the_ablated_input(make_handle, samples, kind):
    """Against plain runs of the model, of samples of several lengths; a run to maintain ends where this one begins."""
    handle = make_handle(kind)
    batch = tokenize(samples[:3], handle.tokenizer)
    zero = replacement(handle, batch, "zero", None, None)
    breaking, maintain = (Runs(handle, batch, goal, zero) for goal in ("break", "maintain"))
    clean = plain_run(handle, batch)
    assert breaking.none == pytest.approx(clean.log_prob.mean().item())
    assert breaking.all == pytest.approx(plain_run(handle, batch, clean.embedded * 0).log_prob.mean().item())
    assert maintain.all == pytest.approx(breaking.none)
    assert Runs(handle, batch, "break", zero, n_rows=2).all == pytest.approx(breaking.all)


@pytest.mark.parametrize("goal", ["maintain", "break"])
def test_each_sample_carries_the_run_of_its_own_corrupted_prompt(handle, batch, goal):
    """However many samples are run together."""
    rows = batch.select([0, 3, 4])
    corrupted = replace(rows, input_ids=torch.where(rows.labels == -100, rows.input_ids.flip(1), rows.input_ids))
    kept = (np.random.default_rng(0).random((2, *handle.index.real_edges.shape)) < 0.7) & handle.index.real_edges
    together = Runs(handle, rows, goal, corrupted).log_prob(kept)
    assert Runs(handle, rows, goal, corrupted, n_rows=2).log_prob(kept) == pytest.approx(together)
    alone = [Runs(handle, rows.select([i]), goal, corrupted.select([i])).log_prob(kept) for i in range(3)]
    assert np.mean(alone, 0) == pytest.approx(together)
    assert np.ptp(alone, 0).min() > 1e-3


@pytest.mark.parametrize("goal", ["maintain", "break"])
def test_an_ablation_that_changes_nothing_is_refused(handle, batch, goal):
    with pytest.raises(ValueError, match=rf"\({goal} run\); take another ablation"):
        Runs(handle, batch, goal, batch)
