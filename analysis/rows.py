"""A file of rows, whatever its format -> rows with their lines; what is wrong with one row never loses the others.

JSON (a list of objects, or an object around one), JSON Lines, CSV, TSV and Parquet. Text is UTF-8, or UTF-16 or UTF-32 as Windows
writes it. Nothing in a file is run.
"""

import codecs
import csv
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMATS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
MAX_BYTES = 100 * 2**20  # of a file
MAX_ROWS = 100_000
MAX_CELL = 2_000_000  # characters of one cell
SEPARATORS = ",;\t|"
MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
         (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive", b"\xd0\xcf\x11\xe0": "an Excel workbook", b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
}
BLANK = re.compile(r"[ \t\r\n]*")


class DataError(ValueError):
    """A data file that cannot be used; the message names the file, the row and the cause."""


@dataclass(frozen=True)
class RowError:
    """A row that could not be used; `row` is its line as an editor counts: from 1, a CSV's names included.

    In Parquet, which has no lines, it is the row, from 1. `column` is "" where the row as a whole is broken.
    """

    row: int
    column: str
    cause: str

    def __str__(self) -> str:
        return f"row {self.row}, column {self.column!r}: {self.cause}" if self.column else f"row {self.row}: {self.cause}"


Rows = list[tuple[int, Any]]  # line, and what stands there: for every format an object by column, or a RowError


def read_rows(path: Path) -> Rows:
    """Rows with the line that each has in the file; a row that cannot be parsed is a RowError.

    Raises DataError if the file is missing, too large, of another format or encoding, or holds no row that can be parsed.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        workbook = "; save the workbook as CSV (UTF-8)" if suffix in (".xlsx", ".xls", ".ods") else ""
        raise DataError(f"{path}: expected a file ending in {', '.join(FORMATS)}, got {path.suffix or 'no ending'!r}{workbook}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise DataError(f"{path}: {size / 2**20:,.0f} MB, at most {MAX_BYTES // 2**20} MB are read; split the file")
    try:
        rows = _parquet(path) if suffix == ".parquet" else _of_text(path.read_bytes(), suffix)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len(rows) > MAX_ROWS:
        raise DataError(f"{path}: {len(rows):,} rows, at most {MAX_ROWS:,} are read; split the file")
    if rows and all(isinstance(row, RowError) for _, row in rows):
        raise DataError(f"{path}: {rows[0][1]}")
    return rows


def _of_text(content: bytes, suffix: str) -> Rows:
    text = _decoded(content, suffix)
    if suffix in (".csv", ".tsv"):
        return _csv(text, "\t" if suffix == ".tsv" else _separator(text))
    if text.lstrip()[:1] == "[":
        return _json_list(text, text.index("[") + 1)
    return (suffix == ".json" and _json_object(text)) or _json_lines(text)  # many a .json holds JSON Lines


def _decoded(content: bytes, suffix: str) -> str:
    for start, kind in NOT_TEXT.items():
        if content.startswith(start):
            raise DataError(f"expected {suffix} text, got {kind}; save it as CSV (UTF-8)")
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), None) or _without_mark(content[:4])
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if not encoding.startswith("utf-8"):
            raise DataError(f"not {encoding.upper()} text ({error.reason} at byte {error.start}); save it as UTF-8") from error
        row, byte = content.count(b"\n", 0, error.start) + 1, content[error.start]
        hint = "it may be Windows-1252 (Latin-1) or another older encoding: save it as UTF-8"
        raise DataError(f"row {row}: not UTF-8 text (byte 0x{byte:02x}); {hint}") from error


def _without_mark(start: bytes) -> str:
    """UTF-16 without its mark shows by a NUL in every other byte, as the first characters of a data file are ASCII."""
    nuls = [byte == 0 for byte in start]
    return {(False, True, False, True): "utf-16-le", (True, False, True, False): "utf-16-be"}.get(tuple(nuls), "utf-8")


def _json_lines(text: str) -> Rows:
    lines = enumerate(text.split("\n"), 1)  # other line ends may stand inside a text
    return [(number, _parsed(line, number)) for number, line in lines if line.strip()]


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return RowError(number, "", f"not JSON: {_said(error)}")


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split(";")[0]


def _json_object(text: str) -> Rows | None:
    """The rows of an object around one list of objects, else the object as a row; None if the text is not one JSON value."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(whole, dict) or not whole:
        raise DataError(f"expected a list of objects, got {type(whole).__name__}")
    lists = [v for v in whole.values() if isinstance(v, list) and v and all(isinstance(row, dict) for row in v)]
    return list(enumerate(lists[0], 1)) if len(lists) == 1 else [(1, whole)]


def _json_list(text: str, place: int) -> Rows:
    """Object by object, so that what stands before an error is kept and every row has its line."""
    decode, rows, line, counted = json.JSONDecoder().raw_decode, [], 1, 0
    while True:
        place = BLANK.match(text, place).end()
        line, counted = line + text.count("\n", counted, place), place
        if text[place : place + 1] == "]" and not text[place + 1 :].strip():
            return rows
        try:
            value, end = decode(text, place)
        except (ValueError, RecursionError) as error:
            return [*rows, (line, RowError(line, "", f"not JSON from here on: {_said(error)}"))]
        rows.append((line, value))
        place = BLANK.match(text, end).end()
        if text[place : place + 1] == ",":
            place += 1
        elif text[place : place + 1] != "]":
            return [*rows, (line, RowError(line, "", "not JSON after this row: expected ',' or ']'; the rest is not read"))]


def _separator(text: str) -> str:
    """Of the line of names: what separates most often outside quotes; a comma where nothing does."""
    names = re.sub(r'"[^"]*"', "", text.lstrip("\r\n").split("\n", 1)[0])
    return max(SEPARATORS, key=names.count)


def _csv(text: str, separator: str) -> Rows:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)
    rows: Rows = []
    names: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            rows.append((line, RowError(line, "", f"not CSV: {error}; a quote inside a quoted cell is written twice")))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if names is None:
            names = _names(cells)
        elif len(cells) != len(names):
            cause = f"{len(cells)} cells, but there are {len(names)} columns; quote a cell that holds {separator!r}"
            rows.append((line, RowError(line, "", cause)))
        else:
            rows.append((line, dict(zip(names, cells, strict=True))))
    return rows


def _names(cells: list[str]) -> list[str]:
    names = [cell.strip() or f"column {place}" for place, cell in enumerate(cells, 1)]
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        raise DataError(f"two columns are called {twice[0]!r}; rename one")
    return names


def _parquet(path: Path) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            if (n_rows := file.metadata.num_rows) > MAX_ROWS:
                raise DataError(f"{n_rows:,} rows, at most {MAX_ROWS:,} are read; split the file")
            found, size = [], 0
            for batch in file.iter_batches(batch_size=500):  # a small file may unfold to a large table
                if (size := size + batch.nbytes) > MAX_BYTES:
                    raise DataError(f"more than {MAX_BYTES // 2**20} MB once it is unpacked; split the file")
                found += batch.to_pylist()
    except DataError:
        raise
    except (pa.ArrowException, ValueError, OSError, LookupError, TypeError, OverflowError) as error:
        raise DataError(f"cannot be read as .parquet: {' '.join(str(error).split())[:300]}") from error
    return list(enumerate(found, 1))
