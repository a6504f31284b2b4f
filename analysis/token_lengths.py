"""How long samples are in a model's tokens, without loading the model: what does not fit, and what would be cut.

Imports no torch: a tokenizer is read from its tokenizer.json. Pages and `study make` ask here; what runs a model uses `tokens`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import model_files, model_source
from analysis.dataset import RowError, Sample

MOST_TOKENS = 4096  # of a sample, whatever the model reads: attention of one is held for all layers at once


@dataclass(frozen=True)
class Reader:
    """How a model reads texts: its tokenizer, None if there is none on this machine that can be read without the model's libraries;
    how many tokens, None if its config does not say; and what its chat template puts before and after a question."""

    tokenizer: Any = None
    max_length: int | None = None
    frame: tuple[str, str] = ("", "")


def reader(model: str, chat_template: bool = True) -> Reader:
    """The Reader of a model on this machine; an empty one of a hub model that is not. Raises ValueError for a damaged tokenizer."""
    folder = model_source.on_this_machine(model)
    if folder is None or not (folder / "tokenizer.json").is_file():
        return Reader()
    longest = model_files.model_config(folder).get("max_position_embeddings")
    frame = _frame(folder) if chat_template and has_template(folder) else ("", "")
    return Reader(_tokenizer(folder / "tokenizer.json"), longest if isinstance(longest, int) and longest > 0 else None, frame)


def has_template(folder: Path) -> bool:
    """Whether the tokenizer in a model's folder brings a chat template."""
    try:
        said = model_files.read_json(folder / "tokenizer_config.json").get("chat_template")
    except ValueError:
        said = None
    return bool(said) or (folder / "chat_template.jinja").is_file()


def _frame(folder: Path) -> tuple[str, str]:
    from transformers import AutoTokenizer

    from analysis import chat

    try:
        return chat.frame(AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, local_files_only=True)) or ("", "")
    except (OSError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder}: its tokenizer cannot be read: {str(error).splitlines()[0]}") from error


def _tokenizer(file: Path) -> Any:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{file}: expected a tokenizer: {' '.join(str(error).split())[:200]}") from error


def length_report(samples: list[Sample], by: Reader) -> list[RowError | None]:
    """For each sample None, or why the model cannot read it whole: how long it is and what of the answer would be cut."""
    most = min(by.max_length or MOST_TOKENS, MOST_TOKENS)
    found = []
    for sample in samples:
        plain = sample.is_text or not any(by.frame)
        n_prompt = len(by.tokenizer.encode(sample.prompt if plain else sample.question.join(by.frame), add_special_tokens=plain))
        n_answer = len(by.tokenizer.encode(f" {sample.answer}", add_special_tokens=False))
        n_all, left = n_prompt + n_answer + 1, max(0, most - n_prompt - 1)  # with the end of text
        cut = f"the answer would be cut after {left} of its {n_answer} tokens" if left else "nothing of the answer would be left"
        error = sample.error("", f"{n_all} tokens, but at most {most} are read: {cut}; shorten it")
        found.append(error if n_all > most else None)
    return found
