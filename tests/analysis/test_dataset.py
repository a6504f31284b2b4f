"""Reading samples: formats, identity, and errors that name the row."""

import json

import pandas as pd
import pytest

from analysis.dataset import DataError, load_samples, read_samples, samples_hash

ROWS = [
    {"question": "Who?", "answer": "Ana", "corrupted_question": "When?", "meta": {"hops": 2}, "perturbed_answer": ["Bo"]},
    {"question": "Where?", "answer": "Lund", "corrupted_question": "What?", "meta": {"hops": 1}, "perturbed_answer": ["Oslo"]},
]


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_format_gives_the_same_samples(ending, tmp_path):
    path = tmp_path / f"forget{ending}"
    if ending == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif ending == ".json":
        path.write_text(json.dumps(ROWS))
    elif ending == ".csv":
        pd.DataFrame(ROWS).to_csv(path, index=False)
    else:
        pd.DataFrame(ROWS).to_parquet(path)
    samples = load_samples(path)
    assert [(s.question, s.answer, s.row, s.split) for s in samples] == [("Who?", "Ana", 0, "forget"), ("Where?", "Lund", 1, "forget")]
    assert samples[0].corrupted_prompt == "Question: When?\nAnswer:"
    assert samples_hash(samples) == samples_hash(samples[:])
    if ending.startswith(".json"):
        assert samples[0].meta["hops"] == 2
        assert samples[0].meta["perturbed_answer"] == ["Bo"]


def test_identity_is_the_content_not_the_row(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS))
    forward = [s.id for s in load_samples(path)]
    path.write_text(json.dumps(ROWS[::-1]))
    assert [s.id for s in load_samples(path)] == forward[::-1]


def test_good_rows_survive_bad_ones_and_columns_can_be_named(tmp_path):
    path = tmp_path / "x.jsonl"
    good, bad, last = {"prompt": "a?", "gt": "b"}, {"prompt": None, "gt": "c"}, {"prompt": "d", "gt": "e"}
    lines = [good, bad, ["list"], good, last]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    samples, errors = read_samples(path, "prompt", "gt")
    assert [s.row for s in samples] == [0, 4]
    assert [e.row for e in errors] == [2, 3, 4]
    assert "same question and answer" in str(errors[2])
    with pytest.raises(DataError, match=r"x\.jsonl: row 2, column 'prompt': missing.* \(and 2 more\)"):
        load_samples(path, "prompt", "gt")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.txt", b"x", "expected a file ending in"), ("a.json", b"{}", "expected a list"), ("a.jsonl", b"\xff\xfe\x00", "not UTF-8"),
    ("a.parquet", b"nonsense", "cannot be read"), ("a.csv", b"", "cannot be read"), ("a.json", b"[1,", "not JSON"),
])
def test_unreadable_files_say_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_samples(tmp_path / name)


def test_rows_are_counted_as_an_editor_does(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "a", "answer": "b"}\n\n{"question": "c"}\n')
    assert [e.row for e in read_samples(tmp_path / "a.jsonl")[1]] == [3]
    (tmp_path / "a.csv").write_text("question,answer\na,b\nc,\n")
    assert [e.row for e in read_samples(tmp_path / "a.csv")[1]] == [3]


def test_odd_characters_are_text_and_half_characters_an_error(tmp_path):
    rows = [{"question": "a\u2028b\u0085c", "answer": "d"}, {"question": "e", "answer": "\ud800"}]
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(rows[0], ensure_ascii=False) + "\n" + json.dumps(rows[1]) + "\n")
    samples, errors = read_samples(path)
    assert samples[0].question == "a\u2028b\u0085c"
    assert "surrogate" in str(errors[0])


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROWS[0]).encode())
    assert load_samples(tmp_path / "a.jsonl")[0].question == "Who?"
