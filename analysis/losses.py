"""Log-probabilities and losses as pure functions of tensors."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from analysis.tokens import IGNORED


def token_log_probs(
    logits: Float[Tensor, "batch kept vocab"], labels: Int[Tensor, "batch pos"]
) -> tuple[Float[Tensor, "batch targets"], Bool[Tensor, "batch targets"]]:
    """Log-probability (nats) of each label from the logits one position before it, 0 where there is no label; and where.

    `logits` may hold only the last positions of the sequence, as long as no labelled position is lost.
    """
    targets = labels[:, labels.shape[1] - logits.shape[1] + 1 :]
    counted = targets != IGNORED
    log_probs = F.log_softmax(logits[:, :-1].float() if logits.dtype.itemsize < 4 else logits[:, :-1], -1)
    picked = log_probs.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
    return torch.where(counted, picked, torch.zeros_like(picked)), counted


def answer_log_prob(logits: Float[Tensor, "batch kept vocab"], labels: Int[Tensor, "batch pos"]) -> Float[Tensor, " batch"]:
    """Mean log-probability per answer token, nats; minus this is the answer's NLL."""
    log_probs, counted = token_log_probs(logits, labels)
    return log_probs.sum(1) / counted.sum(1)


def n_kept(labels: Int[Tensor, "batch pos"]) -> int:
    """How many last positions of the logits are enough to score every label."""
    first = int((labels != IGNORED).int().argmax(1).min())
    return labels.shape[1] - first + 1


def npo_loss(nll: Float[Tensor, " batch"], reference_nll: Float[Tensor, " batch"], beta: float) -> Float[Tensor, ""]:
    """Negative preference optimisation: 2/beta * mean softplus(beta * (log p - log p_ref)), arXiv 2404.05868.

    NLLs are *summed* over the answer's tokens, the reference is the model before unlearning. Hand-computed case in
    tests/analysis/test_losses.py.
    """
    return (2 / beta) * F.softplus(beta * (reference_nll - nll)).mean()


def simnpo_loss(nll: Float[Tensor, " batch"], beta: float, delta: float) -> Float[Tensor, ""]:
    """SimNPO: 2/beta * mean softplus(-beta * (NLL per token - delta)), arXiv 2410.07163; no reference model.

    `nll` is the *mean* over the answer's tokens.
    """
    return (2 / beta) * F.softplus(-beta * (nll - delta)).mean()


def activation_loss(
    hidden: Float[Tensor, "batch pos d_model"],
    target: Float[Tensor, "*batch d_model"],
    counted: Bool[Tensor, "batch pos"],
) -> Float[Tensor, ""]:
    """Mean squared distance per feature between hidden states and a target: per sample over the counted tokens, then over samples."""
    squared = (hidden - target).pow(2).mean(-1) * counted
    return (squared.sum(1) / counted.sum(1)).mean()
