"""Question/answer files -> samples, with errors that name the file, the row and the cause.

Columns follow TOFU (arXiv 2401.06121): `question` and `answer`, or those of another known shape (`data_shapes`), or two that are named;
`corrupted_question` is used by patching, and every other column (paraphrases, perturbed answers, `meta`) is kept in `Sample.meta`.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis import hub_data
from analysis.data_shapes import BadCell, Pair, Role, Shape, cell, columns_as, recognised
from analysis.rows import FORMATS, DataError, RowError, Rows, read_rows

__all__ = ["FORMATS", "DataError", "ReadSet", "RowError", "Sample", "columns", "load_samples", "read_samples", "read_set"]

PROMPT_TEMPLATE = "Question: {question}\nAnswer:"


@dataclass(frozen=True)
class Sample:
    """One question with its answer, or, `is_text`, the beginning of a text and how it goes on.

    `id` is a hash of question and answer, so that it survives reordering and splitting; `row` is the position in the file,
    counted from 0, and `line` where an editor shows it. `meta` holds every other column, with a `meta` object flattened into it.
    """

    id: str
    question: str
    answer: str
    split: str
    row: int
    corrupted_question: str | None = None
    meta: dict[str, Any] = field(default_factory=dict, hash=False)
    is_text: bool = False
    line: int | None = field(default=None, compare=False)

    @property
    def prompt(self) -> str:
        return self.question if self.is_text else PROMPT_TEMPLATE.format(question=self.question)

    @property
    def corrupted_prompt(self) -> str | None:
        """The prompt of the corrupted run of a patching pair, None if the data has none."""
        if self.corrupted_question is None or self.is_text:
            return self.corrupted_question
        return PROMPT_TEMPLATE.format(question=self.corrupted_question)

    @property
    def place(self) -> int:
        """The row as a person counts it: the line, where it is known."""
        return self.line or self.row + 1

    def error(self, column: str, cause: str) -> RowError:
        """What is wrong with this sample, by the row of the file that it comes from."""
        return RowError(self.place, column, cause)


@dataclass(frozen=True)
class ReadSet:
    """What a file gives: its samples, what is wrong with the other rows, its columns, and how it was read, in words."""

    samples: list[Sample]
    errors: list[RowError]
    columns: list[str]
    read_as: str


def read_set(
    path: str | Path, question_key: str = "question", answer_key: str = "answer", limit: int | None = None, role: Role | None = None
) -> ReadSet:
    """Every usable row of a file or hub address (of its first `limit`). A known shape is recognised where no other columns are named.

    `role`: whether the set is to be forgotten or kept. Raises DataError if the file is missing, is of another format, cannot be
    read, holds no rows, or has a shape of which different parts are forgotten and kept and no role is given.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise DataError(f"limit must be at least 1, got {limit}")
    rows = read_rows(hub_data.fetched(path)[0] if hub_data.is_address(path) else path)
    if not rows:
        raise DataError(f"{path}: no rows; expected at least one object with {question_key!r} and {answer_key!r}")
    names = _columns(rows)
    shape = recognised(names) if (question_key, answer_key) == ("question", "answer") else None
    shape = shape or columns_as(question_key, answer_key)
    if shape.by_role and role is None:
        raise DataError(f"{path}: {shape.name}: what is forgotten and what is kept of a row differ; make a study of it (`study make`)")
    samples, errors = _parsed(rows[:limit], shape, role or "forget", path.stem)
    return ReadSet(samples, errors, names, shape.name)


def _parsed(rows: Rows, shape: Shape, role: Role, split: str) -> tuple[list[Sample], list[RowError]]:
    samples: list[Sample] = []
    errors: list[RowError] = []
    lines: dict[str, int] = {}  # by id
    for number, (line, row) in enumerate(rows):
        try:
            found = [] if isinstance(row, RowError) else _of_row(row, number, line, split, shape, role)
        except BadCell as error:
            row, found = RowError(line, error.column, error.cause), []
        errors += [row] * isinstance(row, RowError)
        for sample in found:
            if sample.id in lines:
                errors.append(sample.error("", f"the same question and answer as row {lines[sample.id]}"))
            else:
                lines[sample.id] = line
                samples.append(sample)
    return samples, errors


def read_samples(
    path: str | Path, question_key: str = "question", answer_key: str = "answer", limit: int | None = None
) -> tuple[list[Sample], list[RowError]]:
    """The samples of `read_set`, and what is wrong with the other rows. Raises DataError as it does."""
    found = read_set(path, question_key, answer_key, limit)
    return found.samples, found.errors


def load_samples(
    path: str | Path, question_key: str = "question", answer_key: str = "answer", limit: int | None = None
) -> list[Sample]:
    """Read a file of which every row must be usable. Raises DataError naming the first row that is not."""
    samples, errors = read_samples(path, question_key, answer_key, limit)
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise DataError(f"{path}: {errors[0]}{more}")
    return samples


def columns(path: str | Path) -> list[str]:
    """Names of the columns that a file's rows have, in the order of their first appearance. Raises DataError as `read_samples`."""
    return _columns(read_rows(Path(path)))


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(str(name) for _, row in rows if isinstance(row, dict) for name in row))


def samples_hash(samples: list[Sample]) -> str:
    """Hash of the samples' content, in order: two files with the same samples have the same hash."""
    digest = hashlib.sha256()
    for sample in samples:
        text = json.dumps([sample.question, sample.answer, sample.corrupted_question] + [True] * sample.is_text, ensure_ascii=False)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def as_jsonl(samples: list[Sample]) -> bytes:
    """One object per sample, which reads back as the same samples; `meta` fields become columns."""
    own = ("question", "answer", "corrupted_question", "is_text", "meta")
    rows = []
    for sample in samples:
        row: dict[str, Any] = {"question": sample.question, "answer": sample.answer}
        row |= {} if sample.corrupted_question is None else {"corrupted_question": sample.corrupted_question}
        row |= {"is_text": True} if sample.is_text else {}
        row |= {key: value for key, value in sample.meta.items() if key not in own}
        rows.append(json.dumps(row, ensure_ascii=False, default=str) + "\n")
    return "".join(rows).encode(errors="backslashreplace")  # half a character of Unicode becomes its escape in JSON


def _of_row(row: Any, number: int, line: int, split: str, shape: Shape, role: Role) -> list[Sample]:
    """Raises BadCell."""
    if not isinstance(row, dict):
        raise BadCell("", f"expected an object with columns, got {type(row).__name__}")
    row = {str(key): value for key, value in row.items()}
    pairs = shape.pairs(row, role)
    for key, value in row.items():
        _check_text(key, value)
    given = row.get("corrupted_question")
    corrupted = cell(row, "corrupted_question") if isinstance(given, str) and given.strip() else None
    return [_sample(pair, row, number, line, split, corrupted) for pair in pairs]


def _check_text(key: str, value: Any) -> None:
    """Raises BadCell for what no file of ours could hold."""
    try:
        json.dumps([key, value], ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        raise BadCell(key, "holds half of a character (a lone surrogate)") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise BadCell(key, "nested too deeply or with odd names") from error


def _sample(pair: Pair, row: dict[str, Any], number: int, line: int, split: str, corrupted: str | None) -> Sample:
    others = {k: v for k, v in row.items() if k not in (*pair.used, "corrupted_question", "meta")}
    nested = row.get("meta")
    return Sample(
        id=hashlib.sha256(f"{pair.question}\0{pair.answer}".encode()).hexdigest()[:12],
        question=pair.question, answer=pair.answer, split=split, row=number, corrupted_question=corrupted,
        meta=others | (nested if isinstance(nested, dict) else {}) | pair.more, is_text=pair.is_text, line=line,
    )
