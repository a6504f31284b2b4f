"""Corrupted questions: as long as the clean ones, about another subject with another answer, or a reason why there is none."""

from dataclasses import replace

import pytest

from analysis import store
from analysis.corruption import corrupt, perturb, subject_of
from analysis.dataset import Sample, load_samples
from analysis.tokens import tokenize


def sample(question: str, answer: str = "Yes", row: int = 0, **other) -> Sample:
    return Sample(id=f"s{row}", question=question, answer=answer, split="made", row=row, **other)


class Words:
    """A tokenizer with one token per word."""

    eos_token_id = None

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        return [hash(word) for word in text.split()]


@pytest.mark.parametrize(("question", "subject"), [
    ("Where was Ana Rook born?", "Ana Rook"),
    ("Who wrote Ana Rook's first book in Lund?", "Ana Rook"),
    ("Did Lund or Malmo ever see Hsiao Yun-Hwa?", "Hsiao Yun-Hwa"),
    ("Did Élise O'Hara sing?", "Élise O'Hara"),
    ("Lund is where?", None),  # the first word is always capitalised
    ("Who lives there?", None),
    ("Is Lund near Malmo?", "Malmo"),
    ("Is Lund near Oslo?", "Lund"),
    ("Did Ana, Bo and Cy meet?", "Ana"),  # three runs of one word, not one of three
])
def test_the_subject_of_a_question(question, subject):
    assert subject_of(sample(question)) == subject


def test_a_subject_that_the_data_name_comes_first():
    assert subject_of(sample("Where was Ana Rook of Lund born?", meta={"person": "Lund"})) == "Lund"
    assert subject_of(sample("Where was Ana Rook born?", meta={"person": "Bo Tarn"})) == "Ana Rook"  # not in the question
    assert subject_of(sample("Where was Anabel Rook born?", meta={"person": "Ana"})) == "Anabel Rook"  # not as a word of its own


def test_the_same_question_about_a_subject_with_another_answer_is_taken_first():
    samples = [sample(f"Where does {name} live?", answer, row) for row, (name, answer) in enumerate(
        [("Ana Rook", "Lund"), ("Bo Tarn", "Lund"), ("Cy Wells", "Oslo"), ("Di Von Moss", "Bergen")])]
    samples.append(sample("What does Ed Lane grow?", "Plums", 4))
    done, errors = corrupt(samples, Words())
    asked = [s.corrupted_question for s in done]
    assert asked[0] == asked[1] == "Where does Cy Wells live?"  # Bo and Ana live in Lund too, Di has a word more, Ed is not asked it
    assert asked[2] in ("Where does Ana Rook live?", "Where does Bo Tarn live?")
    assert [str(error) for error in errors] == [
        "row 4, column 'corrupted_question': none of 4 other subjects with another answer has as many tokens as 'Di Von Moss'"
    ]
    assert asked[3] is None and asked[4].endswith("grow?")


def test_rows_without_a_subject_or_with_a_bad_question_are_reported():
    samples = [sample("Who lives there?", "Ana", 0), sample("Is Lund big?", "Yes", 1, corrupted_question="Is Oslo very big?"),
               sample("Is Oslo big?", "No", 2, corrupted_question="Is Rome big?")]
    done, errors = corrupt(samples, Words())
    assert [error.row for error in errors] == [1, 2]
    assert "found no subject" in errors[0].cause
    assert errors[1].cause == "the question given has a prompt of 6 tokens, the clean one 5"
    assert done[2].corrupted_question == "Is Rome big?" and done[1].corrupted_question is None


def test_the_choice_follows_the_seed_and_not_the_order():
    samples = [sample(f"Where does Ana{i} Rook live?", f"Place {i}", i) for i in range(12)]
    first = {s.id: s.corrupted_question for s in corrupt(samples, Words())[0]}
    assert first == {s.id: s.corrupted_question for s in corrupt(samples[::-1], Words())[0]}
    assert first != {s.id: s.corrupted_question for s in corrupt(samples, Words(), seed=1)[0]}


@pytest.mark.parametrize("with_meta", [True, False])
def test_every_row_of_the_embedded_set_gets_one_of_equal_length(with_meta):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(store.DATA / "model")
    forget = load_samples(store.DATA / "forget.jsonl")
    bare = [replace(s, corrupted_question=None, meta=s.meta if with_meta else {}) for s in forget]
    done, errors = corrupt(bare, tokenizer)
    assert not errors
    clean, corrupted = (tokenize(done, tokenizer, corrupted=flag) for flag in (False, True))
    assert (clean.attention_mask == corrupted.attention_mask).all() and (clean.labels == corrupted.labels).all()
    assert all((clean.input_ids != corrupted.input_ids).any(1))
    answers = {s.question: s.answer for s in forget}
    assert all(answers.get(s.corrupted_question, "unknown") != s.answer for s in done)
    assert sum(s.corrupted_question in answers for s in done) == len(done)  # here every one is asked of its new subject too


def test_false_answers_are_other_answers_to_the_same_question_of_equal_length():
    lives = [
        ("Ana Rook", "In Lund"), ("Bo Tarn", "In Oslo"), ("Cy Wells", "In Rome"), ("Di Moss", "Far away north"),
        ("Cy Wells", "In Bonn"),
    ]
    samples = [sample(f"Where does {name} live?", answer, row) for row, (name, answer) in enumerate(lives)]
    samples.append(sample("What does Ed Lane grow?", "In pots", 5))
    samples.append(sample("Who is Fay?", "A cook", 6, meta={"perturbed_answer": ["A thief"]}))
    done, errors = perturb(samples, Words())
    found = [set(s.meta.get("perturbed_answer", [])) for s in done]
    assert found[0] == {"In Oslo", "In Rome", "In Bonn"} and found[2] == {"In Lund", "In Oslo"}  # both of Cy's are true
    assert found[6] == {"A thief"} and found[3] == found[5] == set()
    assert [error.row for error in errors] == [4, 6] and "has 3 tokens" in errors[0].cause
    assert [s.meta for s in perturb(samples[::-1], Words())[0]] == [s.meta for s in done[::-1]]
    many = [sample(f"Where does Ana{i} live?", f"Place{i}", i) for i in range(12)]
    first, other = (perturb(many, Words(), seed)[0] for seed in (0, 1))
    assert {len(s.meta["perturbed_answer"]) for s in first} == {5} and first != other
    assert all(s.answer not in s.meta["perturbed_answer"] for s in first)
