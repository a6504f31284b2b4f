"""What a model says when asked: greedy continuations of the prompts, and how much of the answer is in them."""

from itertools import takewhile
from typing import Any

import torch
from torch import nn

from analysis.tokens import IGNORED, TokenBatch

MAX_NEW_TOKENS = 200  # as in open-unlearning's TOFU evaluation
NO_WORDS = "the answer has no letters a-z and no digits, which is all that ROUGE sees"


def greedy(model: nn.Module, batch: TokenBatch, tokenizer: Any, max_new_tokens: int = MAX_NEW_TOKENS, n_rows: int = 128) -> list[str]:
    """The greedy continuation of each sample's prompt, up to end-of-text, as text without surrounding spaces.

    Every sample may take `max_new_tokens`, or fewer where the longest prompt of the batch leaves the model no room. Prompts are
    padded on the left behind an attention mask, which changes no continuation in any supported architecture (tested).
    """
    prompts = _prompts(batch)
    room = int(model.config.max_position_embeddings) - max(len(prompt) for prompt in prompts)
    options = _options(model, tokenizer, min(max_new_tokens, room))
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    texts: dict[int, str] = {}
    for start in range(0, len(order), n_rows):
        rows = order[start : start + n_rows]
        said = _continue(model, [prompts[row] for row in rows], options)
        texts |= dict(zip(rows, tokenizer.batch_decode(said, skip_special_tokens=True), strict=True))
    return [texts[row].strip() for row in range(len(prompts))]


def _prompts(batch: TokenBatch) -> list[torch.Tensor]:
    lengths = (batch.labels != IGNORED).int().argmax(1).tolist()
    return [tokens[:length] for tokens, length in zip(batch.input_ids, lengths, strict=True)]


def _options(model: nn.Module, tokenizer: Any, n_new: int):
    """Plain greedy decoding; what a model's own generation settings would add, such as a repetition penalty, is switched off."""
    from transformers import GenerationConfig

    end = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else model.generation_config.eos_token_id
    return GenerationConfig(max_new_tokens=n_new, do_sample=False, num_beams=1, repetition_penalty=1.0, no_repeat_ngram_size=0,
                            eos_token_id=end, pad_token_id=0)  # masked, or after the end


def _continue(model: nn.Module, prompts: list[torch.Tensor], options) -> list[list[int]]:
    width = max(len(prompt) for prompt in prompts)
    input_ids = torch.full((len(prompts), width), options.pad_token_id)
    mask = torch.zeros(len(prompts), width, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        input_ids[row, width - len(prompt) :] = prompt
        mask[row, width - len(prompt) :] = 1
    device = next(model.parameters()).device
    with torch.no_grad():
        whole = model.generate(input_ids.to(device), attention_mask=mask.to(device), generation_config=options)
    ends = options.eos_token_id if isinstance(options.eos_token_id, list) else [options.eos_token_id]
    return [list(takewhile(lambda token: token not in ends, tokens)) for tokens in whole[:, width:].tolist()]


def rouge_l_recall(answers: list[str], texts: list[str]) -> list[float | None]:
    """ROUGE-L recall of each text against its answer (package rouge-score, stemmed, as in TOFU).

    None where the answer has no letters a-z and no digits: the measure sees no words in it.
    """
    import logging

    from rouge_score.rouge_scorer import RougeScorer

    logging.getLogger("absl").setLevel(logging.WARNING)  # it says on every start which tokenizer it takes
    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    return [
        float(scorer.score(answer, text)["rougeL"].recall) if scorer._tokenizer.tokenize(answer) else None
        for answer, text in zip(answers, texts, strict=True)
    ]
