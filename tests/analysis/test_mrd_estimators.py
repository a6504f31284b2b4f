"""What each estimator of MRD measures: gradients, curvature, noise; which tokens count; kernels that are differentiated twice."""

from itertools import islice

import numpy as np
import pytest
import torch

from analysis.estimators import draws, gradient_norms, relative_change, whole_text
from analysis.evaluation import answer_logits
from analysis.losses import token_log_probs
from analysis.mrd import RELEASED, mrd
from analysis.tokens import IGNORED, TokenBatch
from tests.tiny_models import KINDS


def taken(handle, batch, n, **settings):
    return np.stack(list(islice(draws(handle.model, batch, **settings), n)))


@pytest.fixture(scope="module")
def two(batch):
    return batch.select([1, 4])


def gradients(model, batch):
    """G = sum_t grad P_t / P_t of each sample, flat, token by token."""
    weights = list(model.parameters())
    result = []
    for row in range(len(batch)):
        part = batch.select([row])
        log_probs, counted = token_log_probs(answer_logits(model.requires_grad_(True), part), part.labels)
        total = 0.0
        for log_prob in log_probs[counted]:
            gradient = torch.autograd.grad(log_prob, weights, retain_graph=True)
            total = total + torch.cat([g.flatten() for g in gradient]) / log_prob.detach()
        result.append(total)
    model.requires_grad_(False)
    return torch.stack(result)


def test_relative_change_by_hand_and_a_certain_token_does_not_divide_by_nothing():
    before, after = torch.tensor([[-2.0, 0.0, -4.0], [0.0, -1e-8, 0.0]]), torch.tensor([[-1.0, 0.0, -5.0], [0.0, -5e-7, 0.0]])
    assert relative_change(before, after).tolist() == pytest.approx([1 / 2 - 1 / 4, -0.49])


def test_gradient_norm_by_hand(handle, two):
    expected = gradients(handle.model, two).norm(dim=1).numpy()
    assert gradient_norms(handle.model, two) == pytest.approx(expected, rel=1e-9)
    found = mrd(handle.model, two, sigma=1e-3, n_pairs=None, estimator="gradient_norm")
    assert found.value == pytest.approx(1e-3 * expected, rel=1e-9)
    assert (found.n_pairs, found.settled, found.stderr.tolist()) == (0, True, [0.0, 0.0])


def test_the_released_settings_measure_noise_of_the_gradient_many_times_the_signal(handle, two):
    found = mrd(handle.model, two, **RELEASED)
    signal = mrd(handle.model, two, sigma=RELEASED["sigma"], n_pairs=20)
    assert np.all(found.stderr > 100 * signal.value)
    assert not found.settled
    noise = RELEASED["sigma"] * gradients(handle.model, two).norm(dim=1).numpy() / np.sqrt(RELEASED["n_pairs"])
    assert found.stderr == pytest.approx(noise, rel=0.3)
    assert np.all(signal.stderr < 0.01 * found.stderr)  # the control: pairs at the same sigma


def test_the_absolute_value_of_each_draw_converges_to_a_gradient_norm_the_average_to_less(handle, two):
    drawn, norms = taken(handle, two, 150, sigma=1e-5, estimator="monte_carlo"), gradient_norms(handle.model, two)
    assert np.abs(drawn).mean(0) == pytest.approx(1e-5 * norms * np.sqrt(2 / np.pi), rel=0.15)
    assert np.all(np.abs(drawn.mean(0)) < 0.3 * np.abs(drawn).mean(0))


def test_plain_draws_are_half_of_a_pair(handle, two):
    pairs = taken(handle, two, 2, sigma=1e-3)
    up, down = (taken(handle, two, 2, sigma=sigma, estimator="monte_carlo") for sigma in (1e-3, -1e-3))
    assert (up + down) / 2 == pytest.approx(pairs, abs=1e-15)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_follow_a_finite_difference_in_every_architecture(make_handle, batch, kind):
    """Layer by layer the same perturbation as in one buffer, and no kernel without a right second derivative."""
    handle, some = make_handle(kind), batch.select([0, 4])
    exact = taken(handle, some, 1, sigma=1.0, estimator="hutchinson")[0]
    finite = taken(handle, some, 1, sigma=1e-4)[0] / 1e-8
    assert finite == pytest.approx(exact, rel=1e-3, abs=1e-5 * np.abs(exact).max())


def test_whole_text_counts_the_prompt_but_neither_the_first_token_nor_end_of_text_nor_padding():
    ids = torch.tensor([[7, 8, 9, 4, 0], [7, 9, 5, 0, 1]])
    labels = torch.tensor([[-100, -100, 9, 4, -100], [-100, -100, 5, -100, -100]])
    batch = TokenBatch(ids, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]), labels)
    assert whole_text(batch).labels.tolist() == [[-100, 8, 9, 4, -100], [-100, 9, 5, -100, -100]]


@pytest.mark.slow
def test_sequence_scope_is_the_sum_over_all_tokens_after_the_first(handle, two):
    by_hand = []
    for row in range(len(two)):
        part = two.select([row])
        last = int((part.labels[0] != IGNORED).nonzero().max())
        single = []  # each token as if it alone were the answer
        for place in range(1, last + 1):
            labels = torch.full_like(part.labels, IGNORED)
            labels[0, place] = part.input_ids[0, place]
            alone = TokenBatch(part.input_ids, part.attention_mask, labels)
            single.append(taken(handle, alone, 1, sigma=1e-3)[0, 0])
        by_hand.append(sum(single))
    assert taken(handle, two, 1, sigma=1e-3, scope="sequence")[0] == pytest.approx(by_hand, rel=1e-6)
    answer = mrd(handle.model, two, sigma=1e-3, n_pairs=2).value
    assert not np.allclose(mrd(handle.model, two, sigma=1e-3, n_pairs=2, scope="sequence").value, answer, rtol=0.01)
