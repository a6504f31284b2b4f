"""Losses against numbers worked out by hand."""

import math

import pytest
import torch

from analysis.losses import activation_loss, answer_log_prob, n_kept, npo_loss, simnpo_loss, token_log_probs

LABELS = torch.tensor([[-100, -100, 1, 0, -100]])


def logits_for(*pairs):
    """Logits of a two-word vocabulary whose probabilities of word 1 are given."""
    return torch.tensor([[[math.log(1 - p), math.log(p)] for p in pairs]], dtype=torch.float64)


def test_log_probs_are_read_one_position_before_the_label_and_zero_elsewhere():
    logits = logits_for(0.5, 0.8, 0.3, 0.5, 0.5)
    values, counted = token_log_probs(logits, LABELS)
    assert values[0].tolist() == pytest.approx([0, math.log(0.8), math.log(0.7), 0])
    assert counted[0].tolist() == [False, True, True, False]
    assert answer_log_prob(logits, LABELS).item() == pytest.approx((math.log(0.8) + math.log(0.7)) / 2)


def test_the_last_positions_are_enough():
    logits = logits_for(0.5, 0.8, 0.3, 0.5, 0.5)
    assert n_kept(LABELS) == 4
    assert answer_log_prob(logits[:, -4:], LABELS).item() == pytest.approx(answer_log_prob(logits, LABELS).item())


def test_npo_by_hand():
    nll, reference = torch.tensor([5.0, 2.0]), torch.tensor([1.0, 2.0])
    by_hand = (2 / 0.5) * (math.log1p(math.exp(0.5 * (1 - 5))) + math.log(2)) / 2
    assert npo_loss(nll, reference, 0.5).item() == pytest.approx(by_hand)


def test_simnpo_by_hand():
    nll = torch.tensor([0.2, 3.0])
    by_hand = (2 / 4.5) * (math.log1p(math.exp(-4.5 * (0.2 - 0.1))) + math.log1p(math.exp(-4.5 * 2.9))) / 2
    assert simnpo_loss(nll, 4.5, 0.1).item() == pytest.approx(by_hand)


def test_activation_loss_counts_only_marked_positions():
    hidden = torch.tensor([[[1.0, 3.0], [100.0, 100.0]], [[0.0, 0.0], [2.0, 2.0]]])
    counted = torch.tensor([[True, False], [True, True]])
    # sample 1: ((1-1)^2 + (3-1)^2) / 2 = 2; sample 2: (1 + 1) / 2 = 1
    assert activation_loss(hidden, torch.tensor([1.0, 1.0]), counted).item() == pytest.approx(1.5)
