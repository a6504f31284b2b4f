"""Rows as unlearning benchmarks publish them -> questions and answers. A shape is known by the columns of a file.

TOFU (arXiv 2401.06121), MUSE (2407.06460), WMDP (2403.03218), WHP (2310.02238), PKU-SafeRLHF (2406.15513), and the common forms of
instructions and chats. Of a pair of PKU-SafeRLHF the unsafe response is what to forget, the safer one what to keep.
"""

import json
import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["forget", "retain"]
Row = dict[str, Any]
MAX_CHARACTERS = 20_000  # of a question or an answer
MAX_WORDS = 96  # of a passage: about 130 tokens
WORD = re.compile(r"\S+")


class BadCell(ValueError):
    """What is wrong with a row: the column and the cause."""

    def __init__(self, column: str, cause: str):
        super().__init__(cause)
        self.column, self.cause = column, cause


@dataclass(frozen=True)
class Pair:
    """A question and its answer; `is_text`: the beginning of a text and how it goes on. `used`: columns that are no longer needed."""

    question: str
    answer: str
    used: tuple[str, ...]
    is_text: bool = False
    more: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """`columns` tell it, `pairs` reads a row (raising BadCell); `by_role`: what is read depends on whether it is to be forgotten."""

    name: str
    columns: frozenset[str]
    pairs: Callable[[Row, Role], list[Pair]]
    by_role: bool = False


def cell(row: Row, key: str, most: int = MAX_CHARACTERS) -> str:
    """The text in a column, without blanks around it. Raises BadCell."""
    value = row.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        present = ", ".join(str(k)[:80] for k in list(row)[:8])
        raise BadCell(key, f"missing; the row has {present or 'no columns'}")
    if isinstance(value, (bool, int, float)):
        raise BadCell(key, f'expected text, got the value {str(value)[:40]}; write it in quotes: "{str(value)[:40]}"')
    if not isinstance(value, str):
        raise BadCell(key, f"expected text, got {type(value).__name__}; a nested value is no text: give the text a column of its own")
    if not value.strip():
        raise BadCell(key, "empty")
    if len(value) > most:
        raise BadCell(key, f"{len(value):,} characters, at most {most:,} are taken; shorten it")
    if "\0" in value:
        raise BadCell(key, "holds a NUL character; remove it")
    return value.strip()


def columns_as(question_key: str, answer_key: str, name: str = "the columns that were named") -> Shape:
    """Two columns that hold the question and the answer; a true column `is_text` marks a text and how it goes on."""

    def pairs(row: Row, role: Role) -> list[Pair]:
        is_text = str(row.get("is_text")).lower() == "true"
        used = (question_key, answer_key, "is_text")
        return [Pair(cell(row, question_key), cell(row, answer_key), used, is_text)]

    return Shape(name, frozenset({question_key, answer_key}), pairs)


def _continued(prefix: str, continuation: str, name: str) -> Shape:
    def pairs(row: Row, role: Role) -> list[Pair]:
        return [Pair(cell(row, prefix), cell(row, continuation), (prefix, continuation), is_text=True)]

    return Shape(name, frozenset({prefix, continuation}), pairs)


def _choices(row: Row, role: Role) -> list[Pair]:
    """The right choice is the answer, the others are false answers."""
    choices, answer = _list(row, "choices"), row.get("answer")
    if not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise BadCell("choices", "expected a list of texts")
    if not str(answer).strip().isdecimal() or int(str(answer)[:4]) >= len(choices):
        raise BadCell("answer", f"expected a choice's number from 0 to {len(choices) - 1}, got {str(answer)[:40]!r}")
    right = choices[int(str(answer)[:4])]
    false = {"perturbed_answer": [choice for choice in choices if choice != right]}
    return [Pair(cell(row, "question"), cell({"answer": right}, "answer"), ("question", "choices", "answer"), more=false)]


def _list(row: Row, key: str) -> list:
    value = row.get(key)
    if isinstance(value, str):  # a list in a cell of a CSV
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, list) or not value:
        raise BadCell(key, "expected a list")
    return value


def _safe_pair(row: Row, role: Role) -> list[Pair]:
    safe = [str(row.get(f"is_response_{n}_safe")).lower() for n in (0, 1)]
    if not set(safe) <= {"true", "false"}:
        raise BadCell("is_response_0_safe", "expected true or false here and in is_response_1_safe")
    safer = str(row.get("safer_response_id"))
    chosen = safe.index("true") if safe.count("true") == 1 else int(safer) if safer in ("0", "1") else 0
    if role == "forget":
        chosen = 1 - chosen
    if role == "forget" and safe == ["true", "true"]:
        raise BadCell("is_response_0_safe", "both responses are safe: nothing to forget")
    if role == "retain" and safe == ["false", "false"]:
        raise BadCell("is_response_0_safe", "both responses are unsafe: nothing to keep")
    used = ("prompt", "response_0", "response_1")
    return [Pair(cell(row, "prompt"), cell(row, f"response_{chosen}"), used)]


def _instruction(row: Row, role: Role) -> list[Pair]:
    more = row.get("input")
    more = f"\n{more.strip()}" if isinstance(more, str) and more.strip() else ""
    question = cell({"instruction": cell(row, "instruction") + more}, "instruction")
    return [Pair(question, cell(row, "output"), ("instruction", "input", "output"))]


def _chat(key: str, speaker: str, text: str) -> Callable[[Row, Role], list[Pair]]:
    def pairs(row: Row, role: Role) -> list[Pair]:
        turns = _list(row, key)
        if not all(isinstance(turn, dict) for turn in turns):
            raise BadCell(key, f"expected a list of objects with {speaker} and {text}")
        said = [turn for turn in turns if turn.get(speaker) != "system"]
        if [turn.get(speaker) for turn in said] not in (["user", "assistant"], ["human", "gpt"]):
            raise BadCell(key, f"expected one question and one answer, got {len(said)} turns; give each pair a row of its own")
        question, answer = (cell({key: turn.get(text)}, key) for turn in said)
        return [Pair(question, answer, (key,))]

    return pairs


def _passages(row: Row, role: Role) -> list[Pair]:
    """A text in passages of at most MAX_WORDS words, nearly equally long; the first third of each is its beginning."""
    text = cell(row, "text", 2_000_000)
    words = list(WORD.finditer(text))
    if len(words) < 2:
        raise BadCell("text", "a single word: nothing that goes on; words are expected to be parted by blanks")
    n_parts = math.ceil(len(words) / MAX_WORDS)
    size = math.ceil(len(words) / n_parts)
    parts = [part for start in range(0, len(words), size) if len(part := words[start : start + size]) > 1]
    return [_passage(text, part, number) for number, part in enumerate(parts, 1)]


def _passage(text: str, words: list[re.Match], number: int) -> Pair:
    cut = max(1, len(words) // 3)
    beginning, rest = text[words[0].start() : words[cut - 1].end()], text[words[cut].start() : words[-1].end()]
    return Pair(cell({"text": beginning}, "text"), cell({"text": rest}, "text"), ("text",), is_text=True, more={"passage": number})


SHAPES = (  # the first whose columns a file has
    Shape("WMDP: the right choice is the answer", frozenset({"question", "choices", "answer"}), _choices),
    columns_as("question", "answer", "question and answer"),
    Shape("PKU-SafeRLHF", frozenset({"prompt", "response_0", "response_1"}), _safe_pair, by_role=True),
    Shape("instructions, as alpaca's", frozenset({"instruction", "output"}), _instruction),
    Shape("chats", frozenset({"messages"}), _chat("messages", "role", "content")),
    Shape("chats, as ShareGPT's", frozenset({"conversations"}), _chat("conversations", "from", "value")),
    _continued("prompt", "gt", "MUSE: texts and how they go on"),
    _continued("prompt", "answer", "texts and how they go on, as WHP's"),
    _continued("prompt", "completion", "texts and how they go on"),
    columns_as("prompt", "response", "prompt and response"),
    Shape(f"plain texts, in passages of at most {MAX_WORDS} words", frozenset({"text"}), _passages),
)


def recognised(columns: Collection[str]) -> Shape | None:
    """The shape of a file with these columns; None if it has no known one."""
    found = next((shape for shape in SHAPES if shape.columns <= set(columns)), None)
    if found and found.columns == {"question", "answer"} and {"paraphrased_answer", "perturbed_answer"} & set(columns):
        return columns_as("question", "answer", "TOFU")
    return found
