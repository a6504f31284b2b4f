"""How long samples are in a model's tokens, without loading the model: what does not fit, and what would be cut.

Imports no torch: a tokenizer is read from its tokenizer.json. Pages and `study make` ask here; what runs a model uses `tokens`.
"""

from collections.abc import Sized
from pathlib import Path
from typing import Any, Protocol

from analysis import model_files, model_source
from analysis.dataset import RowError, Sample

MOST_TOKENS = 4096  # of a sample, whatever the model reads: attention of one is held for all layers at once


class Tokenizer(Protocol):
    """One of transformers or of tokenizers."""

    def encode(self, text: str) -> Sized: ...


def tokenizer_of(model: str) -> tuple[Any | None, int | None]:
    """The tokenizer of a model on this machine, and how many tokens the model reads; None for what is not known."""
    folder = model_source.on_this_machine(model)
    if folder is None:
        return None, None
    longest = model_files.model_config(folder).get("max_position_embeddings")
    return _tokenizer(folder / "tokenizer.json"), longest if isinstance(longest, int) and longest > 0 else None


def _tokenizer(file: Path) -> Any | None:
    from tokenizers import Tokenizer

    if not file.is_file():
        return None
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{file}: expected a tokenizer: {' '.join(str(error).split())[:200]}") from error


def length_report(
    samples: list[Sample], tokenizer: Tokenizer, max_length: int | None, frame: tuple[str, str] = ("", "")
) -> list[RowError]:
    """The samples that the model cannot read whole: how long they are and what of the answer would be cut.

    `frame`: what a chat template puts before and after a question (`chat.frame`); left empty, the plain prompt is counted.
    """
    most = min(max_length or MOST_TOKENS, MOST_TOKENS)
    found = []
    for sample in samples:
        plain = sample.is_text or not any(frame)
        n_prompt = len(tokenizer.encode(sample.prompt if plain else sample.question.join(frame)))
        n_answer = len(tokenizer.encode(f" {sample.answer}"))
        if (n_all := n_prompt + n_answer + 1) > most:  # with the end of text
            left = max(0, most - n_prompt)
            cut = f"the answer would be cut after {left} of its {n_answer} tokens" if left else "nothing of the answer would be left"
            found.append(sample.error("", f"{n_all} tokens, but at most {most} are read: {cut}; shorten it"))
    return found
