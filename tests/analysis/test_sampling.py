"""Which samples an epoch draws: probabilities by hand, frequencies against them, pools of a curriculum."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from analysis import unlearning
from analysis.methods import METHODS, NPO, RMU
from analysis.mrd import mrd
from analysis.sampling import CGA, CGATwoLevel, Curriculum, Draws, Uniform, pool_size, proportional, two_level
from analysis.stages import Stage
from analysis.unlearning import UnlearningConfig, unlearn


def draws(sampling, mrd_of=None, n=4, n_epochs=4, seed=0, difficulty=None):
    return Draws(sampling, n, n_epochs, np.random.default_rng(seed), mrd_of or (lambda sigma, n_pairs: np.ones(n)), difficulty)


def test_probabilities_by_hand():
    assert proportional(np.array([1.0, 2.0, 5.0, 0.0])) == pytest.approx([0.125, 0.25, 0.625, 0.0])
    assert proportional(np.full(5, 0.3)) == pytest.approx([0.2] * 5)
    assert proportional(np.zeros(4)).tolist() == [0.25] * 4  # nothing to tell them apart
    assert two_level(np.array([1.0, 2.0, 3.0, 4.0])) == pytest.approx([0.2, 0.2, 0.3, 0.3])  # median 2.5: 0.4, 0.4, 0.6, 0.6 over 2
    assert two_level(np.array([3.0, 1.0, 2.0])) == pytest.approx([0.375, 0.25, 0.375])  # the median itself counts as high
    assert two_level(np.ones(5)) == pytest.approx([0.2] * 5)


@pytest.mark.parametrize(("sampling", "expected"), [
    (CGA(), [0.1, 0.2, 0.3, 0.4]), (CGATwoLevel(), [0.2, 0.2, 0.3, 0.3]),
])
def test_cga_draws_as_often_as_its_probabilities_say(sampling, expected):
    n_epochs = 2500
    state = draws(sampling, lambda sigma, n_pairs: np.array([1.0, 2.0, 3.0, 4.0]), n_epochs=n_epochs)
    drawn = np.concatenate([state.rows(epoch) for epoch in range(n_epochs)])
    n = len(drawn)
    assert n == 4 * n_epochs
    share, p = np.bincount(drawn, minlength=4) / n, np.array(expected)
    error = np.sqrt(p * (1 - p) / n)
    assert (np.abs(share - p) < 4 * error).all()
    assert (np.abs(share - 0.25) > 4 * error).all()  # and not uniform


@pytest.mark.parametrize(
    ("sampling", "n_measured"), [(CGA(), 6), (CGA(refresh=2), 3), (CGA(refresh=4), 2), (CGATwoLevel(), 1), (Uniform(), 0)]
)
def test_mrd_is_measured_as_often_as_it_should_be(sampling, n_measured):
    calls = []

    def measured(sigma, n_pairs):
        calls.append((sigma, n_pairs))
        return np.eye(4)[len(calls) % 4]  # all weight on another sample each time

    state = draws(sampling, measured, n_epochs=6)
    rows = [state.rows(epoch) for epoch in range(6)]
    assert len(calls) == n_measured and set(calls) <= {(1e-3, 5)}
    if isinstance(sampling, CGA):
        assert [set(r.tolist()) for r in rows] == [{(1 + epoch // sampling.refresh) % 4} for epoch in range(6)]


def test_uniform_draws_each_sample_once_as_numpy_shuffles():
    state, oracle = draws(Uniform(), n=7, seed=5), np.random.default_rng(5)
    for epoch in range(3):
        assert state.rows(epoch).tolist() == oracle.permutation(7).tolist()


def test_a_curriculum_grows_from_a_quarter_to_all_at_half_of_the_run():
    assert [pool_size(8, epoch, 8) for epoch in range(8)] == [2, 4, 5, 7, 8, 8, 8, 8]  # 8 * (1/4, 7/16, 5/8, 13/16, 1), rounded up
    assert pool_size(3, 0, 2) == 1 and pool_size(3, 1, 2) == 3
    difficulty = np.array([5.0, 1.0, 4.0, 2.0, 8.0, 3.0, 7.0, 6.0])
    for order, hardest_last in (("easy_first", [1, 3, 5, 2, 0, 7, 6, 4]), ("hard_first", [4, 6, 7, 0, 2, 5, 3, 1])):
        state = draws(Curriculum(order), n=8, n_epochs=8, difficulty=difficulty)
        for epoch in range(8):
            rows = state.rows(epoch)
            size = pool_size(8, epoch, 8)
            assert len(rows) == 8 and set(rows.tolist()) == set(hardest_last[:size])
            assert np.ptp(np.bincount(rows, minlength=8)[hardest_last[:size]]) <= 1  # equally often, but for one


@pytest.mark.parametrize(("make", "message"), [
    (lambda: CGA(refresh=0), "refresh must be at least 1 epoch, got 0"),
    (lambda: CGA(sigma=0.0), "expected a positive sigma"),
    (lambda: CGATwoLevel(n_pairs=1), "at least 2 pairs"),
    (lambda: Curriculum("up"), "expected easy_first or hard_first, got 'up'"),
    (lambda: draws(Curriculum()), "expected the difficulty of each forget sample with a curriculum"),
    (lambda: draws(Uniform(), difficulty=np.ones(4)), "and with no other sampling"),
    (lambda: draws(Curriculum(), difficulty=np.ones(3)), "expected 4 finite numbers"),
    (lambda: draws(Curriculum(), difficulty=np.array([1.0, np.nan, 1.0, 1.0])), "expected 4 finite numbers"),
    (lambda: UnlearningConfig(NPO(), n_epochs=1, sampling=Curriculum()), "a curriculum needs at least 2 epochs"),
    (lambda: draws(CGA(), lambda *_: np.array([1.0, np.inf, 1.0, 1.0])).rows(0), "MRD is not finite for 1 samples"),
])
def test_what_cannot_be_drawn_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_in_a_run_cga_measures_the_model_as_it_is(handle, batch, monkeypatch):
    """Each refresh has the MRD of that moment's weights; the probabilities are in proportion to it."""
    forget, retain = batch.select([0, 1, 2]), batch.select([3, 4, 5])
    config = UnlearningConfig(NPO(), 1e-2, 3, 2, seed=7, sampling=CGA(sigma=1e-2, n_pairs=2))
    measured, seen = [], []
    monkeypatch.setattr(unlearning, "mrd", lambda model, *a, **k: measured.append(mrd(model, *a, **k)) or measured[-1])
    for record, model in unlearn(handle, forget, retain, retain, config, after_step=lambda run: seen.append(run.draws.probabilities)):
        if record.step in (0, 2, 4):  # the weights with which an epoch begins
            expected = mrd(model, forget, sigma=1e-2, n_pairs=2, seed=7).value
            expected_now = expected / expected.sum()
        if record.step in (1, 3, 5):
            assert measured[-1].value / measured[-1].value.sum() == pytest.approx(expected_now, rel=1e-12)
    assert len(measured) == 3 and not np.allclose(measured[0].value, measured[2].value, rtol=1e-3)
    assert all(p.sum() == pytest.approx(1) for p in seen)


@pytest.mark.parametrize("name", list(METHODS))
def test_cga_goes_with_every_method_and_with_a_mask(name, handle, batch):
    forget, retain = batch.select([0, 1, 2]), batch.select([3, 4, 5])
    method = RMU(layer=0) if name == "RMU" else METHODS[name]()
    config = UnlearningConfig(method, 1e-3, 1, 2, sampling=CGA(n_pairs=2))
    layer = "transformer.h.0.mlp.c_fc.weight"
    stages = [Stage("mask", 1, {layer: torch.ones(16, 24, dtype=torch.bool)})]
    model = [m for _, m in unlearn(handle, forget, retain, retain, config, stages=stages)][-1]
    before = dict(handle.model.named_parameters())
    assert {n for n, p in model.named_parameters() if not torch.equal(p, before[n])} == {layer}


def test_cga_measures_a_model_with_adapters_as_the_model_that_they_make(handle, batch):
    """Perturbed are the merged weights, so that fresh adapters, which change nothing, change no probability either."""
    forget, retain = batch.select([0, 1, 2]), batch.select([3, 4, 5])
    config, first = UnlearningConfig(NPO(), 1e-3, 1, 2, sampling=CGA(n_pairs=2)), []
    for rank in (None, 2):
        list(unlearn(handle, forget, retain, retain, replace(config, lora_rank=rank),
                     after_step=lambda run: first.append(run.draws.probabilities)))
    assert first[0] == pytest.approx(first[2], rel=1e-9) and np.ptp(first[0]) > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("sampling", [Uniform(), CGA(n_pairs=2), CGATwoLevel(n_pairs=2), Curriculum("hard_first")])
def test_every_sampling_makes_as_many_updates_on_as_many_rows(sampling, handle, batch):
    forget, retain = batch.select([0, 1, 2, 3, 4]), batch.select([3, 4, 5])
    config = UnlearningConfig(NPO(), 1e-3, 2, 2, sampling=sampling)
    difficulty = np.arange(5.0) if isinstance(sampling, Curriculum) else None
    records = [r for r, _ in unlearn(handle, forget, retain, retain, config, difficulty=difficulty)]
    assert [len(r.rows) for r in records] == [0, 2, 2, 1, 2, 2, 1]
    again = [r for r, _ in unlearn(handle, forget, retain, retain, config, difficulty=difficulty)]
    assert [r.rows for r in again] == [r.rows for r in records]
    other = [r for r, _ in unlearn(handle, forget, retain, retain, replace(config, seed=1), difficulty=difficulty)]
    assert [r.rows for r in other] != [r.rows for r in records]
