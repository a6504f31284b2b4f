"""Samples -> padded token tensors; the only tokenisation in the project."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from analysis.dataset import DataError, Sample

IGNORED = -100
N_ROWS = "n_embedding_rows"  # a tokenizer's attribute: tokens from there on have no embedding
FRAME = "prompt_frame"  # a tokenizer's attribute: what its chat template puts before and after a question, None for a plain prompt


@dataclass(frozen=True)
class TokenBatch:
    """Right-padded tokens. `labels` repeat `input_ids` on the answer and are -100 on prompt, end-of-text and padding."""

    input_ids: Int[Tensor, "batch pos"]
    attention_mask: Int[Tensor, "batch pos"]
    labels: Int[Tensor, "batch pos"]

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def select(self, rows: "list[int] | Tensor") -> "TokenBatch":
        """The given rows, without the padding that they do not need."""
        mask = self.attention_mask[rows]
        length = int(mask.sum(1).max())
        return TokenBatch(self.input_ids[rows][:, :length], mask[:, :length], self.labels[rows][:, :length])

    def to(self, device: torch.device | str) -> "TokenBatch":
        return TokenBatch(self.input_ids.to(device), self.attention_mask.to(device), self.labels.to(device))

    @property
    def n_answer_tokens(self) -> Int[Tensor, " batch"]:
        return (self.labels != IGNORED).sum(1)


def tokenize(samples: list[Sample], tokenizer, *, max_length: int | None = None, corrupted: bool = False) -> TokenBatch:
    """Tokenise prompt and answer apart, join, append end-of-text where the tokenizer has one, pad on the right.

    Apart, so that the answer's tokens never depend on where a tokenizer would merge across the border. The end-of-text token is
    part of the text but not of the labels: it is trivially predictable and would count as an answer token in every metric.
    With `corrupted`, the prompt is the sample's corrupted prompt, which must have as many tokens as the clean one.

    As anywhere with this tokenizer, a special token that is written out in a text is that token. Raises DataError if a sample is
    longer than `max_length` tokens, holds a token that the model has no embedding for, or has no corrupted prompt of equal length.
    """
    if not samples:
        raise DataError("no samples to tokenise; expected at least one")
    encoded = [_encode(sample, tokenizer, corrupted) for sample in samples]
    longest = max(range(len(encoded)), key=lambda i: len(encoded[i][0]))
    width = len(encoded[longest][0])
    if max_length is not None and width > max_length:
        sample = samples[longest]
        raise DataError(
            f"{sample.split}: row {sample.place}: {width} tokens, but the model reads at most {max_length}; shorten it"
        )
    return _padded(encoded)


def prompts(batch: TokenBatch) -> list[list[int]]:
    """Each sample's tokens before its answer."""
    starts = (batch.labels != IGNORED).int().argmax(1).tolist()
    return [row[:start] for row, start in zip(batch.input_ids.tolist(), starts, strict=True)]


def with_answers(batch: TokenBatch, answers: list[str], tokenizer, *, max_length: int | None = None) -> TokenBatch:
    """The same prompts, each with another answer, tokenised and labelled as by `tokenize`; on the CPU.

    Raises DataError if a prompt with its new answer is longer than `max_length` tokens.
    """
    pairs = zip(prompts(batch), answers, strict=True)
    encoded = [_joined(prompt, _answer_tokens(answer, tokenizer), tokenizer) for prompt, answer in pairs]
    width = max(len(tokens) for tokens, _, _ in encoded)
    if max_length is not None and width > max_length:
        raise DataError(f"a prompt with its new answer has {width} tokens, but the model reads at most {max_length}; shorten it")
    return _padded(encoded)


def _padded(encoded: list[tuple[list[int], int, int]]) -> TokenBatch:
    width = max(len(tokens) for tokens, _, _ in encoded)
    input_ids = torch.zeros(len(encoded), width, dtype=torch.long)  # any token: a pad token of its own may have no embedding
    labels = torch.full((len(encoded), width), IGNORED)
    attention_mask = torch.zeros(len(encoded), width, dtype=torch.long)
    for row, (tokens, start, stop) in enumerate(encoded):
        input_ids[row, : len(tokens)] = torch.tensor(tokens)
        attention_mask[row, : len(tokens)] = 1
        labels[row, start:stop] = torch.tensor(tokens[start:stop])
    return TokenBatch(input_ids, attention_mask, labels)


def _encode(sample: Sample, tokenizer, corrupted: bool) -> tuple[list[int], int, int]:
    prompt = prompt_tokens(sample, tokenizer)
    answer = _answer_tokens(sample.answer, tokenizer)
    if not answer:
        raise DataError(f"{sample.split}: row {sample.place}: the answer has no tokens")
    if corrupted:
        prompt = _corrupted(sample, tokenizer, len(prompt))
    tokens, start, stop = _joined(prompt, answer, tokenizer)
    if (n_rows := getattr(tokenizer, N_ROWS, None)) is not None and (highest := max(tokens)) >= n_rows:
        token = tokenizer.convert_ids_to_tokens(highest)
        raise DataError(f"{sample.split}: row {sample.place}: the model has no embedding for {token!r}; remove it from the text")
    return tokens, start, stop


def prompt_tokens(sample: Sample, tokenizer, corrupted: bool = False) -> list[int]:
    """Tokens before the answer: a question in the tokenizer's chat template if that is to be used, else the plain prompt."""
    question, plain = (sample.corrupted_question, sample.corrupted_prompt) if corrupted else (sample.question, sample.prompt)
    if (frame := getattr(tokenizer, FRAME, None)) is not None and not sample.is_text:
        return tokenizer.encode(frame[0] + question + frame[1], add_special_tokens=False)
    tokens = tokenizer.encode(plain)
    return tokens[:-1] if tokens and tokens[-1] == tokenizer.eos_token_id else tokens  # some tokenizers close every text


def _answer_tokens(answer: str, tokenizer) -> list[int]:
    return tokenizer.encode(" " + answer, add_special_tokens=False)


def _joined(prompt: list[int], answer: list[int], tokenizer) -> tuple[list[int], int, int]:
    """Tokens of the whole text, and where the answer starts and stops."""
    end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    return prompt + answer + end, len(prompt), len(prompt) + len(answer)


def _corrupted(sample: Sample, tokenizer, n_clean: int) -> list[int]:
    where = f"{sample.split}: row {sample.place}: patching"
    if sample.corrupted_prompt is None:
        raise DataError(f"{where} needs a column 'corrupted_question'; make one by the command `corrupt`, or use zero or mean ablation")
    tokens = prompt_tokens(sample, tokenizer, corrupted=True)
    if len(tokens) != n_clean:
        raise DataError(f"{where} needs prompts of equal length, got {n_clean} clean and {len(tokens)} corrupted tokens")
    return tokens
