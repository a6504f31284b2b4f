"""Samples: identity, good rows beside bad ones, and errors that name the row."""

import json

import pandas as pd
import pytest

from analysis.dataset import DataError, Sample, as_jsonl, load_samples, read_samples, read_set, samples_hash

ROWS = [
    {"question": "Who?", "answer": "Ana", "corrupted_question": "When?", "meta": {"hops": 2}, "perturbed_answer": ["Bo"]},
    {"question": "Where?", "answer": "Lund", "corrupted_question": "What?", "meta": {"hops": 1}, "perturbed_answer": ["Oslo"]},
]


def written(folder, *rows, name="a.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_every_format_gives_the_same_samples(ending, tmp_path):
    path = tmp_path / f"forget{ending}"
    if ending == ".jsonl":
        written(tmp_path, *ROWS, name="forget.jsonl")
    elif ending == ".json":
        path.write_text(json.dumps(ROWS))
    elif ending == ".parquet":
        pd.DataFrame(ROWS).to_parquet(path)
    else:
        pd.DataFrame(ROWS).to_csv(path, index=False, sep="\t" if ending == ".tsv" else ",")
    samples = load_samples(path)
    assert [(s.question, s.answer, s.row, s.split) for s in samples] == [("Who?", "Ana", 0, "forget"), ("Where?", "Lund", 1, "forget")]
    assert samples[0].corrupted_prompt == "Question: When?\nAnswer:"
    assert samples_hash(samples) == samples_hash(samples[:])
    if ending not in (".csv", ".tsv"):
        assert samples[0].meta == {"hops": 2, "perturbed_answer": ["Bo"]}


def test_identity_is_the_content_not_the_row(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(ROWS))
    forward = [s.id for s in load_samples(path)]
    path.write_text(json.dumps(ROWS[::-1]))
    assert [s.id for s in load_samples(path)] == forward[::-1]


def test_good_rows_survive_bad_ones_and_columns_can_be_named(tmp_path):
    good, bad, last = {"prompt": "a?", "gt": "b"}, {"prompt": None, "gt": "c"}, {"prompt": "d", "gt": "e"}
    path = written(tmp_path, good, bad, ["list"], good, last, name="x.jsonl")
    with path.open("a") as file:
        file.write('{"prompt": "cut off')
    samples, errors = read_samples(path, "prompt", "gt")
    assert [(s.row, s.line, s.is_text) for s in samples] == [(0, 1, False), (4, 5, False)]
    assert [str(e).split(":")[0] for e in errors] == ["row 2, column 'prompt'", "row 3", "row 4", "row 6"]
    assert errors[2].cause == "the same question and answer as row 1" and errors[3].cause.startswith("not JSON: Unterminated string")
    with pytest.raises(DataError, match=r"x\.jsonl: row 2, column 'prompt': missing.* \(and 3 more\)"):
        load_samples(path, "prompt", "gt")


@pytest.mark.parametrize(("value", "cause"), [
    (None, "missing; the row has question, answer"), (float("nan"), "missing"), (" \t\n", "empty"), ("a\0b", "NUL"),
    (1961, 'got the value 1961; write it in quotes: "1961"'), (True, "got the value True"),
    (["a"], "got list; a nested value is no text"),
    ({"a": "b"}, "got dict"), ("\ud800", "lone surrogate"), ("x" * 20_001, "20,001 characters, at most 20,000"),
])
def test_what_is_wrong_with_a_cell_is_said_with_what_to_do(tmp_path, value, cause):
    (error,) = read_samples(written(tmp_path, ROWS[0], {"question": "Q?", "answer": value}))[1]
    assert (error.row, error.column) == (2, "answer") and cause in error.cause


def test_half_a_character_anywhere_is_an_error_of_that_row(tmp_path):
    rows = [ROWS[0] | {"corrupted_question": "\ud800"}, ROWS[1] | {"perturbed_answer": ["a", "\ud800"]}, ROWS[1]]
    samples, errors = read_samples(written(tmp_path, *rows))
    assert [(e.row, e.column) for e in errors] == [(1, "corrupted_question"), (2, "perturbed_answer")] and len(samples) == 1


def test_the_limit_is_of_rows_and_at_least_one(tmp_path):
    path = written(tmp_path, *ROWS)
    assert [s.answer for s in load_samples(path, limit=1)] == ["Ana"]
    with pytest.raises(DataError, match="limit must be at least 1"):
        load_samples(path, limit=0)


def test_rows_are_counted_as_an_editor_does(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"question": "a", "answer": "b"}\n\n{"question": "c"}\n')
    assert [e.row for e in read_samples(tmp_path / "a.jsonl")[1]] == [3]
    (tmp_path / "a.csv").write_text('question,answer\n"a\nof two lines",b\nc,\n')
    assert [e.row for e in read_samples(tmp_path / "a.csv")[1]] == [4]
    (tmp_path / "a.json").write_text('[\n {"question": "a",\n  "answer": "b"},\n {"question": "c"}\n]')
    assert [e.row for e in read_samples(tmp_path / "a.json")[1]] == [4]


def test_odd_characters_are_text(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"question": "a\u2028b\u0085c", "answer": "d"}, ensure_ascii=False) + "\n")
    assert load_samples(tmp_path / "a.jsonl")[0].question == "a\u2028b\u0085c"


def test_a_text_is_its_own_prompt_and_another_sample_than_a_question(tmp_path):
    text, asked = ({"question": "Once upon", "answer": "a time", "is_text": flag} for flag in (True, False))
    (first,), (second,) = load_samples(written(tmp_path, text)), load_samples(written(tmp_path, asked))
    assert first.prompt == "Once upon" and second.prompt == "Question: Once upon\nAnswer:"
    assert samples_hash([first]) != samples_hash([second]) and "is_text" not in first.meta
    bare = [Sample("i", "Once upon", "a time", "s", 0)]
    assert samples_hash([second]) == samples_hash(bare)  # what was hashed before texts were known keeps its hash


def test_what_is_written_reads_back_as_the_same_samples(tmp_path):
    samples = [
        Sample("s0", "Is Lund big?", "Yes", "made", 0, corrupted_question="Is Oslo big?", meta={"hops": 1, "perturbed_answer": ["No"]}),
        Sample("s1", "Who lives there?", "Ana\nRook", "made", 1, meta={"when": pd.Timestamp("2020-01-01"), "answer": "not ours"}),
        Sample("s2", "Once upon", "a time", "made", 2, is_text=True),
    ]
    (tmp_path / "x.jsonl").write_bytes(as_jsonl(samples))
    again = load_samples(tmp_path / "x.jsonl")
    assert [(s.question, s.answer, s.corrupted_question, s.is_text) for s in again] == [
        (s.question, s.answer, s.corrupted_question, s.is_text) for s in samples
    ]
    assert [s.meta for s in again] == [samples[0].meta, {"when": "2020-01-01 00:00:00"}, {}]
    assert "corrupted_question" not in json.loads(as_jsonl(samples).splitlines()[1])
    assert read_set(tmp_path / "x.jsonl").read_as == "TOFU"
