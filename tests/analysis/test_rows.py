"""Files of rows: every format and encoding, lines as an editor counts them, and good rows beside bad ones."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis import rows
from analysis.rows import DataError, RowError, read_rows

LINE = '{"question": "Wér?", "answer": "Ana"}\n'
GOOD = {"question": "Wér?", "answer": "Ana"}


def read(folder, name, content):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_rows(folder / name)


@pytest.mark.parametrize(("encoding", "mark"), [
    ("utf-8", b""), ("utf-8-sig", b""), ("utf-16", b""), ("utf-16-le", b""), ("utf-16-be", b""), ("utf-16-be", b"\xfe\xff"),
    ("utf-32", b""),
])
@pytest.mark.parametrize(("name", "text"), [("a.jsonl", LINE), ("a.csv", "question,answer\nWér?,Ana\n"), ("a.json", f"[{LINE}]")])
def test_encodings(tmp_path, encoding, mark, name, text):
    assert [row for _, row in read(tmp_path, name, mark + text.encode(encoding))] == [GOOD]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.txt", b"x", "expected a file ending in .jsonl"), ("a.xlsx", b"PK\x03\x04", "save the workbook as CSV"),
    ("a.csv", b"PK\x03\x04", "got an Excel workbook or a ZIP archive; save it as CSV"), ("a.json", b"PAR1", "got a Parquet file"),
    ("a.csv", b"question\nW\xe9r?\n", "row 2: not UTF-8 text .byte 0xe9.*Windows-1252"),
    ("a.jsonl", b"\x80\x04\x95pickle", "not UTF-8"),
    ("a.jsonl", b"\xff\xfe\x00", "not UTF-16 text"), ("a.json", b"{}", "expected a list of objects, got dict"),
    ("a.json", b"[1", None), ("a.json", b"[", "row 1: not JSON from here on"), ("a.jsonl", b"nothing\n", "a.jsonl: row 1: not JSON"),
    ("a.parquet", b"nonsense", "cannot be read as .parquet"), ("a.csv", b"a,b,a\n1,2,3\n", "two columns are called 'a'"),
])
def test_files_that_cannot_be_used_say_why_and_what_to_do(tmp_path, name, content, message):
    if message is None:
        assert [type(row) for _, row in read(tmp_path, name, content)] == [int, RowError]
        return
    with pytest.raises(DataError, match=message) as raised:
        read(tmp_path, name, content)
    assert str(raised.value).startswith(f"{tmp_path}") and "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_a_folder(tmp_path):
    (tmp_path / "b.csv").mkdir()
    for name in ("a.csv", "b.csv", "a\0.csv"):
        with pytest.raises(DataError, match="no such file"):
            read_rows(tmp_path / name)


@pytest.mark.parametrize("text", [
    LINE, f"[{LINE}]", json.dumps({"version": 1, "data": [GOOD]}), json.dumps(GOOD, indent=2), f"\n[\n {LINE},\n {LINE}]\n",
])
def test_a_json_file_may_hold_lines_a_list_or_an_object_around_one(tmp_path, text):
    assert {json.dumps(row) for _, row in read(tmp_path, "a.json", text)} == {json.dumps(GOOD)}


def test_what_stands_before_and_after_broken_lines_is_kept(tmp_path):
    found = read(tmp_path, "a.jsonl", LINE + "\n{broken\n" + "[" * 100_000 + "\n" + "9" * 5000 + "\n" + LINE)
    assert [line for line, _ in found] == [1, 3, 4, 5, 6] and found[0][1] == found[4][1] == GOOD
    assert [str(row) for _, row in found[1:4]] == [
        "row 3: not JSON: Expecting property name enclosed in double quotes (column 2)", "row 4: not JSON: nested too deeply",
        "row 5: not JSON: Exceeds the limit (4300 digits) for integer string conversion: value has 5000 digits",
    ]
    cut = read(tmp_path, "a.json", f'[\n{LINE},\n{LINE},\n{{"question": "cut')
    assert [line for line, _ in cut] == [2, 4, 6] and "not JSON from here on" in str(cut[2][1])
    assert "the rest is not read" in str(read(tmp_path, "a.json", f"[{LINE} {LINE}]")[1][1])


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_tells_its_separator_and_its_bad_lines(tmp_path, separator):
    lines = [
        ["question", '"an; answer, so"'], ["q1", '"two\nlines"'], ["q2", f'"a ""word""{separator}"'], ["q3"], ["q4", "x", "y"],
        ["", ""], ["q5", ' "blank before"'], ["q6", '"a"b'], ["q7", "fine"], ["q8", '"never closed'],
    ]
    found = read(tmp_path, "a.csv", "\n".join(separator.join(cells) for cells in lines))
    good = [(line, row["question"], row["an; answer, so"]) for line, row in found if isinstance(row, dict)]
    assert good == [(2, "q1", "two\nlines"), (4, "q2", f'a "word"{separator}'), (8, "q5", "blank before"), (10, "q7", "fine")]
    causes = [(line, row.cause) for line, row in found if isinstance(row, RowError)]
    assert [line for line, _ in causes] == [5, 6, 9, 11]
    assert causes[0][1].startswith("1 cells, but there are 2 columns") and "unexpected end of data" in causes[3][1]


def test_sizes_are_capped(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAX_ROWS", 2)
    table = pa.table({"a": ["x"] * 3})
    pq.write_table(table, tmp_path / "a.parquet")
    for name, content in (("a.jsonl", LINE * 3), ("a.parquet", (tmp_path / "a.parquet").read_bytes())):
        with pytest.raises(DataError, match="3 rows, at most 2 are read; split the file"):
            read(tmp_path, name, content)
    assert len(read(tmp_path, "a.jsonl", LINE * 2)) == 2
    monkeypatch.setattr(rows, "MAX_BYTES", 10)
    with pytest.raises(DataError, match="at most 0 MB are read"):
        read(tmp_path, "a.jsonl", LINE)


def test_a_cell_may_hold_a_whole_text(tmp_path):
    """Python's csv stops at 131,072 characters unless it is told."""
    assert len(read(tmp_path, "a.csv", f"text\n{'w ' * 100_000}w\n")[0][1]["text"]) == 200_001


def test_a_parquet_that_unfolds_to_a_large_table_is_refused(tmp_path, monkeypatch):
    pq.write_table(pa.table({"a": ["x" * 10_000] * 100}), tmp_path / "a.parquet")
    assert len(read_rows(tmp_path / "a.parquet")) == 100
    monkeypatch.setattr(rows, "MAX_BYTES", 500_000)
    with pytest.raises(DataError, match="once it is unpacked"):
        read_rows(tmp_path / "a.parquet")
