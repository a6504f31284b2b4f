"""What a saved model says next after a few prompts, so that whoever loads it can tell that it is the model that the run left."""

from typing import Any

import torch
from torch import nn

from analysis.tokens import TokenBatch, prompts

N_SAMPLES, N_HIGHEST = 8, 5


def highest_logits(model: nn.Module, batch: TokenBatch, sample_ids: list[str]) -> dict[str, Any]:
    """Of the first samples: the tokens with the highest logits after the prompt, and those logits, highest first.

    Each prompt is run by itself, without padding: what plain transformers computes for its tokens.
    """
    asked = prompts(batch)[:N_SAMPLES]
    place = next(model.parameters()).device
    with torch.no_grad():
        found = [model(torch.tensor([tokens], device=place)).logits[0, -1].float().topk(N_HIGHEST) for tokens in asked]
    return {
        "sample_ids": sample_ids[:N_SAMPLES],
        "tokens": [part.indices.tolist() for part in found],
        "logits": [[round(value, 5) for value in part.values.tolist()] for part in found],
    }
