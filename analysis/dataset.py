"""Question/answer files -> samples, with errors that name the file, the row and the cause.

Columns follow TOFU (arXiv 2401.06121): `question` and `answer` are needed, `corrupted_question` is used by patching, and every
other column (paraphrases, perturbed answers, `meta`) is kept in `Sample.meta`.
"""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROMPT_TEMPLATE = "Question: {question}\nAnswer:"
FORMATS = (".jsonl", ".json", ".csv", ".parquet")


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the row and the cause."""


@dataclass(frozen=True)
class Sample:
    """One question with its answer.

    `id` is a hash of question and answer, so that it survives reordering and splitting; `row` is the position in the file,
    counted from 0. `meta` holds every other column, with a `meta` object flattened into it.
    """

    id: str
    question: str
    answer: str
    split: str
    row: int
    corrupted_question: str | None = None
    meta: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def prompt(self) -> str:
        return PROMPT_TEMPLATE.format(question=self.question)

    @property
    def corrupted_prompt(self) -> str | None:
        """The prompt of the corrupted run of a patching pair, None if the data has none."""
        return None if self.corrupted_question is None else PROMPT_TEMPLATE.format(question=self.corrupted_question)


@dataclass(frozen=True)
class RowError:
    """A row that could not be used; `row` is its line as an editor or a spreadsheet counts: from 1, a CSV's names included."""

    row: int
    column: str
    cause: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column!r}: {self.cause}"


def read_samples(
    path: str | Path, question_key: str = "question", answer_key: str = "answer", limit: int | None = None
) -> tuple[list[Sample], list[RowError]]:
    """Read every usable row of a file (the first `limit`), and say what is wrong with the others.

    Raises DataError if the file is missing, is of another format, cannot be read, or holds no rows.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise DataError(f"limit must be at least 1, got {limit}")
    rows = _read_rows(path)
    if not rows:
        raise DataError(f"{path}: no rows; expected at least one object with {question_key!r} and {answer_key!r}")
    samples: list[Sample] = []
    errors: list[RowError] = []
    seen: set[str] = set()
    for number, (line, row) in enumerate(rows[:limit]):
        parsed = _parse_row(row, number, line, path.stem, question_key, answer_key)
        if isinstance(parsed, RowError):
            errors.append(parsed)
        elif parsed.id in seen:
            errors.append(RowError(line, question_key, "the same question and answer as an earlier row"))
        else:
            seen.add(parsed.id)
            samples.append(parsed)
    return samples, errors


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
    return list(dict.fromkeys(str(name) for _, row in _read_rows(Path(path)) if isinstance(row, dict) for name in row))


def samples_hash(samples: list[Sample]) -> str:
    """Hash of the samples' content, in order: two files with the same samples have the same hash."""
    digest = hashlib.sha256()
    for sample in samples:
        text = json.dumps([sample.question, sample.answer, sample.corrupted_question], ensure_ascii=False)
        digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


def _parse_row(row: Any, number: int, line: int, split: str, question_key: str, answer_key: str) -> Sample | RowError:
    if not isinstance(row, dict):
        return RowError(line, question_key, f"expected an object with columns, got {type(row).__name__}")
    texts: dict[str, str] = {}
    for key in (question_key, answer_key):
        value = row.get(key)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            present = ", ".join(str(k) for k in list(row)[:8])
            return RowError(line, key, f"missing; the row has {present or 'no columns'}")
        if not isinstance(value, str):
            return RowError(line, key, f"expected text, got {type(value).__name__}")
        if not value.strip():
            return RowError(line, key, "empty")
        if not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value):
            return RowError(line, key, "holds half of a character (a lone surrogate)")
        texts[key] = value.strip()
    question, answer = texts[question_key], texts[answer_key]
    corrupted = row.get("corrupted_question")
    others = {k: v for k, v in row.items() if k not in (question_key, answer_key, "corrupted_question", "meta")}
    nested = row.get("meta")
    return Sample(
        id=hashlib.sha256(f"{question}\0{answer}".encode()).hexdigest()[:12],
        question=question,
        answer=answer,
        split=split,
        row=number,
        corrupted_question=corrupted.strip() if isinstance(corrupted, str) and corrupted.strip() else None,
        meta=others | (nested if isinstance(nested, dict) else {}),
    )


def _read_rows(path: Path) -> list[tuple[int, Any]]:
    """Rows with the line that each has in the file, counted from 1."""
    if path.suffix.lower() not in FORMATS:
        raise DataError(f"{path}: expected a file ending in {', '.join(FORMATS)}, got {path.suffix or 'no ending'!r}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".jsonl":
            return _read_jsonl(path)
        if path.suffix.lower() == ".json":
            return _read_json(path)
        return _read_table(path)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error


def _read_jsonl(path: Path) -> list[tuple[int, Any]]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n")):  # other line ends may stand inside a text
        if not line.strip():
            continue
        try:
            rows.append((number + 1, json.loads(line)))
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: row {number + 1}: not JSON: {error.msg} at column {error.colno}") from error
    return rows


def _read_json(path: Path) -> list[tuple[int, Any]]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: row {error.lineno}: not JSON: {error.msg} at column {error.colno}") from error
    if not isinstance(rows, list):
        raise DataError(f"{path}: expected a list of objects, got {type(rows).__name__}")
    return list(enumerate(rows, 1))


def _read_table(path: Path) -> list[tuple[int, Any]]:
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        else:
            frame = pd.read_parquet(path)
    except UnicodeDecodeError:
        raise
    except (ValueError, OSError) as error:  # pandas' and pyarrow's parse errors are both ValueErrors
        raise DataError(f"{path}: cannot be read as {path.suffix}: {str(error).splitlines()[0]}") from error
    return list(enumerate(frame.to_dict("records"), 2 if path.suffix.lower() == ".csv" else 1))  # a CSV has a line of names
