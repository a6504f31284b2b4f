"""Rows as benchmarks publish them: recognised by their columns, read as question and answer, wrong ones named."""

import json

import pytest

from analysis.data_shapes import MAX_WORDS, recognised
from analysis.dataset import DataError, read_set

PKU = {"prompt": "How?", "response_0": "Like so.", "response_1": "I will not say.", "is_response_0_safe": False,
       "is_response_1_safe": True, "safer_response_id": 1, "better_response_id": 1}
WMDP = {"question": "Which?", "choices": ["a", "b", "c", "d"], "answer": 2}
CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Ana"}]


def read(folder, *rows, role="forget", name="a.jsonl"):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_set(folder / name, role=role)


@pytest.mark.parametrize(("row", "name", "question", "answer", "is_text"), [
    ({"question": "Q?", "answer": "A", "paraphrased_answer": "B", "perturbed_answer": ["C"]}, "TOFU", "Q?", "A", False),
    ({"question": "Q?", "answer": "A"}, "question and answer", "Q?", "A", False),  # MUSE's knowmem
    ({"prompt": "Once", "gt": "upon a time"}, "MUSE: texts and how they go on", "Once", "upon a time", True),
    ({"text": "One two three four five six."}, "plain texts, in passages", "One two", "three four five six.", True),  # MUSE, WMDP, WHP
    ({"prompt": "His friends are", "answer": "Ron"}, "texts and how they go on, as WHP's", "His friends are", "Ron", True),
    (WMDP, "WMDP: the right choice is the answer", "Which?", "c", False),
    (WMDP | {"choices": '["a", "b"]', "answer": "0"}, "WMDP", "Which?", "a", False),  # as a CSV has it
    (PKU, "PKU-SafeRLHF", "How?", "Like so.", False),
    ({"instruction": "Add", "input": "1 and 2", "output": "3"}, "instructions", "Add\n1 and 2", "3", False),
    ({"instruction": "Add", "input": "", "output": "3"}, "instructions", "Add", "3", False),
    ({"messages": CHAT}, "chats", "Who?", "Ana", False),
    ({"conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Ana"}]}, "chats, as ShareGPT's",
     "Who?", "Ana", False),
    ({"prompt": "Q?", "response": "A"}, "prompt and response", "Q?", "A", False),
])
def test_known_shapes(tmp_path, row, name, question, answer, is_text):
    found = read(tmp_path, row | {"source": "x"})
    assert not found.errors and found.read_as.startswith(name)
    (sample,) = found.samples
    assert (sample.question, sample.answer, sample.is_text) == (question, answer, is_text)
    assert sample.meta["source"] == "x" and "text" not in sample.meta


def test_columns_that_are_named_are_taken_whatever_the_shape(tmp_path):
    read(tmp_path, {"prompt": "Once", "gt": "upon"})
    found = read_set(tmp_path / "a.jsonl", "gt", "prompt")
    assert [(s.question, s.answer, s.is_text) for s in found.samples] == [("upon", "Once", False)]
    assert recognised(["a", "b"]) is None and found.columns == ["prompt", "gt"]


def test_other_choices_are_false_answers(tmp_path):
    assert read(tmp_path, WMDP).samples[0].meta["perturbed_answer"] == ["a", "b", "d"]


@pytest.mark.parametrize(("row", "column", "cause"), [
    (WMDP | {"answer": 4}, "answer", "number from 0 to 3, got '4'"), (WMDP | {"answer": "c"}, "answer", "number from 0 to 3, got 'c'"),
    (WMDP | {"choices": "a or b"}, "choices", "expected a list"), (WMDP | {"choices": ["a", 3]}, "choices", "list of texts"),
    (PKU | {"is_response_0_safe": True}, "is_response_0_safe", "both responses are safe"),
    (PKU | {"is_response_0_safe": None}, "is_response_0_safe", "expected true or false"),
    ({"messages": [*CHAT, *CHAT]}, "messages", "got 4 turns"), ({"messages": "hello"}, "messages", "expected a list"),
    ({"messages": ["hello"]}, "messages", "objects with role and content"), ({"text": "word"}, "text", "a single word"),
    ({"instruction": "Add", "output": 3}, "output", 'write it in quotes: "3"'),
])
def test_rows_that_do_not_fit_their_shape_are_named(tmp_path, row, column, cause):
    found = read(tmp_path, row)
    assert [(error.row, error.column) for error in found.errors] == [(1, column)] and cause in found.errors[0].cause


def test_of_a_safety_pair_the_unsafe_is_forgotten_the_safe_kept_and_neither_by_accident(tmp_path):
    both = PKU | {"is_response_1_safe": False}
    assert [s.answer for s in read(tmp_path, PKU).samples] == ["Like so."]
    assert [s.answer for s in read(tmp_path, PKU, role="retain").samples] == ["I will not say."]
    assert [s.answer for s in read(tmp_path, both).samples] == ["Like so."]  # the less safe of two unsafe ones
    assert "both responses are unsafe" in read(tmp_path, both, role="retain").errors[0].cause
    with pytest.raises(DataError, match="what is forgotten and what is kept of a row differ"):
        read(tmp_path, PKU, role=None)


def test_a_long_text_becomes_passages_that_hold_every_word_once_in_order(tmp_path):
    text = " ".join(f"word{i}" for i in range(2 * MAX_WORDS + 1))
    found = read(tmp_path, {"text": text}, {"text": "short one here"})
    assert [s.row for s in found.samples] == [0, 0, 0, 1] and not found.errors
    assert " ".join(f"{s.question} {s.answer}" for s in found.samples[:3]) == text
    lengths = [(len(s.question.split()), len(s.answer.split())) for s in found.samples]
    assert lengths == [(21, 44), (21, 44), (21, 42), (1, 2)] and [s.meta["passage"] for s in found.samples] == [1, 2, 3, 1]


def test_a_passage_that_comes_twice_loses_only_itself(tmp_path):
    passage = [f"word{i}" for i in range(MAX_WORDS)]
    found = read(tmp_path, {"text": " ".join([*passage, *passage, *reversed(passage)])})
    assert [s.meta["passage"] for s in found.samples] == [1, 3] and [str(e) for e in found.errors] == [
        "row 1: the same question and answer as row 1"]
