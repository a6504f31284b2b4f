"""The answer's log-probability read off the residual stream before and after every layer: the logit lens (nostalgebraist 2020).

The model's own final norm and unembedding are applied to what the stream holds, final soft cap included, as in TransformerLens,
whose bridge is the oracle in tests; plain Hugging Face modules save its 5 s and 400 MB. What it does not show: early layers may
hold the answer in directions that the unembedding does not read (Belrose et al., arXiv 2303.08112), so a low value is no proof
that the answer is not there yet, and a high one does not say that later layers use it.
"""

import random
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from analysis.blocks import blocks, final_norm, hooked
from analysis.dataset import Sample
from analysis.losses import answer_log_prob, n_kept
from analysis.model import ModelHandle
from analysis.templates import template
from analysis.tokens import IGNORED, TokenBatch, tokenize, with_answers

MOST_OTHERS = 16  # answers of the control
FEWEST_ALIKE = 3  # below that, answers to any question serve


@dataclass(frozen=True)
class LogitLens:
    """By state of the stream (first the embedding, then after each layer) and sample: mean log-probability per answer token (nats);
    of the answer's first token alone the log-probability and rank (1 = likeliest); and the likeliest token in its place."""

    log_prob: Float[np.ndarray, "n_states batch"]
    first_log_prob: Float[np.ndarray, "n_states batch"]
    first_rank: Int[np.ndarray, "n_states batch"]
    top_token: Int[np.ndarray, "n_states batch"]


def logit_lens(handle: ModelHandle, batch: TokenBatch) -> LogitLens:
    """One run of the model, read at every state. The last state's log_prob is the model's own."""
    batch = batch.to(handle.device)
    kept = n_kept(batch.labels)
    first = (batch.labels != IGNORED).int().argmax(1)  # in the sequence; its logits stand one place earlier
    place = first - 1 - (batch.labels.shape[1] - kept)
    token = batch.input_ids.gather(1, first[:, None])
    rows = torch.arange(len(batch), device=handle.device)
    found: list[tuple[Tensor, ...]] = []
    with torch.no_grad():
        for state in _states(handle, batch, kept):
            logits = _logits(handle, state)
            at_first = logits[rows, place].float() if logits.dtype.itemsize < 4 else logits[rows, place]
            own = at_first.gather(1, token)
            found.append((
                answer_log_prob(logits, batch.labels), at_first.log_softmax(-1).gather(1, token)[:, 0],
                (at_first > own).sum(1) + 1, at_first.argmax(1),
            ))
    return LogitLens(*(torch.stack(column).cpu().numpy() for column in zip(*found, strict=True)))


def answer_by_layer(handle: ModelHandle, sample: Sample, samples: list[Sample], seed: int = 0) -> pd.DataFrame:
    """One row per state: layer (-1 = embedding), log_prob, first_log_prob, first_rank, top_token (text), and the control.

    The control is what the same prompt gives to other answers (`other_answers`) at that state: `control` (mean) and `control_low`,
    `control_high` (least and most), nats per token; NaN if there is no other answer. Raises DataError as `tokenize` does.
    """
    others = other_answers(sample, samples, seed)
    own = tokenize([sample], handle.tokenizer, max_length=handle.max_length)
    prompt = own.select([0] * (1 + len(others)))
    lens = logit_lens(handle, with_answers(prompt, [sample.answer, *others], handle.tokenizer, max_length=handle.max_length))
    control = lens.log_prob[:, 1:] if others else np.full((len(lens.log_prob), 1), np.nan)
    return pd.DataFrame({
        "layer": np.arange(len(lens.log_prob)) - 1, "log_prob": lens.log_prob[:, 0],
        "first_log_prob": lens.first_log_prob[:, 0], "first_rank": lens.first_rank[:, 0],
        "top_token": [handle.tokenizer.decode([token]) for token in lens.top_token[:, 0].tolist()],
        "control": control.mean(1), "control_low": control.min(1), "control_high": control.max(1), "n_control": len(others),
    })


def other_answers(sample: Sample, samples: list[Sample], seed: int = 0) -> list[str]:
    """Up to 16 other answers, drawn by seed and sample, of samples that ask the same of other subjects; of any where too few do.

    Answers of the same kind are the fair control: a model that only knows that a town is asked for rates them all alike.
    """
    answers = {other.answer for other in samples} - {sample.answer}
    alike = {other.answer for other in samples if template(other) == template(sample)} - {sample.answer}
    candidates = sorted(alike if len(alike) >= FEWEST_ALIKE else answers)
    return random.Random(f"{seed} {sample.id}").sample(candidates, min(MOST_OTHERS, len(candidates)))


def _states(handle: ModelHandle, batch: TokenBatch, kept: int) -> list[Float[Tensor, "batch kept d_model"]]:
    """The residual stream at the last `kept` positions, as the norm of each layer, and at last the final norm, reads it."""
    states: list[Tensor] = []
    norms = [block.attn_norm for block in blocks(handle.model, handle.index)] + [final_norm(handle.model)]
    hooks = [(norm, "pre", lambda stream: states.append(stream[:, -kept:])) for norm in norms]
    with handle.lock, hooked(hooks, []):
        handle.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False, logits_to_keep=1)
    return states


def _logits(handle: ModelHandle, state: Float[Tensor, "batch kept d_model"]) -> Float[Tensor, "batch kept vocab"]:
    logits = handle.model.get_output_embeddings()(final_norm(handle.model)(state))
    cap = getattr(handle.model.config, "final_logit_softcapping", None)  # Gemma 2
    return logits if cap is None else cap * torch.tanh(logits / cap)
