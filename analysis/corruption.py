"""Corrupted questions for patching, the same question about another subject in as many tokens, and false answers of equal length."""

import random
import re
from collections import defaultdict
from dataclasses import replace
from typing import Any

from analysis.dataset import RowError, Sample
from analysis.templates import template

N_FALSE = 5  # as TOFU has
SUBJECT_KEYS = ("subject", "person")  # columns or `meta` fields that name what a question is about
WORD = re.compile(r"\w[\w-]*(?:['’](?!s\b)\w+)*")  # Ana-Lou, O'Hara; in "Rook's" only Rook


def corrupt(samples: list[Sample], tokenizer: Any, seed: int = 0) -> tuple[list[Sample], list[RowError]]:
    """The samples with a corrupted question each, and the rows for which there is none, with the reason.

    The subject of a question (see `subject_of`) is swapped for another sample's subject such that the prompt keeps its number of
    tokens. Subjects that are asked the very same question come first; a subject with this sample's answer among its own is never
    taken. A corrupted question that the data bring is kept if its prompt is as long as the clean one. The choice depends on the
    seed and the set of samples, not on their order.
    """
    subjects = {sample.id: subject_of(sample) for sample in samples}
    answers: dict[str, set[str]] = defaultdict(set)  # of a subject
    asked: dict[str, set[str]] = defaultdict(set)  # subjects by question without subject
    for sample in samples:
        if subject := subjects[sample.id]:
            answers[subject].add(sample.answer)
            asked[_swap(sample.question, subject, "")].add(subject)
    done, errors = [], []
    for sample in samples:
        found = _corrupted(sample, subjects[sample.id], answers, asked, tokenizer, seed)
        if isinstance(found, RowError):
            errors.append(found)
        done.append(replace(sample, corrupted_question=None if isinstance(found, RowError) else found))
    return done, errors


def subject_of(sample: Sample) -> str | None:
    """What a question is about: `meta`'s subject or person if the question names it, else its longest run of capitalised words.

    Most words win, then most letters, then the first; the question's first word is never counted, since it is always
    capitalised. None if there is no such run.
    """
    for key in SUBJECT_KEYS:
        named = sample.meta.get(key)
        if isinstance(named, str) and named and _swap(sample.question, named, "") != sample.question:
            return named
    _, _, rest = sample.question.partition(" ")
    runs: list[str] = []
    end = -1
    for word in WORD.finditer(rest):
        if word[0][0].isupper():
            joined = rest[end : word.start()] == " "
            runs = [*runs[:-1], f"{runs[-1]} {word[0]}"] if joined else [*runs, word[0]]
            end = word.end()
    return max(runs, key=lambda run: (len(run.split()), len(run)), default=None)


def perturb(samples: list[Sample], tokenizer: Any, seed: int = 0) -> tuple[list[Sample], list[RowError]]:
    """The samples with false answers, `meta`'s perturbed_answer, and the rows for which there are none, with the reason.

    False answers are other samples' answers to the same question about another subject (`templates.template`), of as many tokens, at
    most N_FALSE; an answer that a sample with this very question has is never taken. Those that the data bring are kept. The choice
    depends on the seed and the set of samples, not on their order.
    """
    templates = {sample.id: template(sample) for sample in samples}
    texts = {sample.answer for sample in samples}
    n_tokens = {text: len(tokenizer.encode(f" {text}", add_special_tokens=False)) for text in texts}
    answers: dict[tuple[str, int], set[str]] = defaultdict(set)  # by template and length
    true: dict[str, set[str]] = defaultdict(set)  # by question
    for sample in samples:
        answers[templates[sample.id], n_tokens[sample.answer]].add(sample.answer)
        true[sample.question].add(sample.answer)
    done, errors = [], []
    for sample in samples:
        others = sorted(answers[templates[sample.id], n_tokens[sample.answer]] - true[sample.question])
        random.Random(f"{seed} {sample.id}").shuffle(others)
        if sample.meta.get("perturbed_answer") is None and others:
            sample = replace(sample, meta=sample.meta | {"perturbed_answer": others[:N_FALSE]})
        elif sample.meta.get("perturbed_answer") is None:
            cause = f"no other answer to the same question about another subject has {n_tokens[sample.answer]} tokens"
            errors.append(sample.error("perturbed_answer", cause))
        done.append(sample)
    return done, errors


def _corrupted(
    sample: Sample, subject: str | None, answers: dict[str, set[str]], asked: dict[str, set[str]], tokenizer: Any, seed: int
) -> str | RowError:
    n_clean = _n_tokens(sample.prompt, tokenizer)
    if sample.corrupted_question is not None:
        n_given = _n_tokens(sample.corrupted_prompt, tokenizer)
        if n_given == n_clean:
            return sample.corrupted_question
        return _error(sample, f"the question given has a prompt of {n_given} tokens, the clean one {n_clean}")
    if subject is None:
        return _error(sample, "found no subject in the question: no `meta` field subject or person, no capitalised name")
    alike = asked[_swap(sample.question, subject, "")]
    candidates = sorted(other for other in answers if other != subject and sample.answer not in answers[other])
    random.Random(f"{seed} {sample.id}").shuffle(candidates)
    for candidate in sorted(candidates, key=lambda other: other not in alike):
        corrupted = replace(sample, corrupted_question=_swap(sample.question, subject, candidate))
        if _n_tokens(corrupted.corrupted_prompt, tokenizer) == n_clean:
            return corrupted.corrupted_question
    return _error(sample, f"none of {len(candidates)} other subjects with another answer has as many tokens as {subject!r}")


def _swap(question: str, subject: str, other: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(subject)}(?!\w)", lambda _: other, question)


def _n_tokens(prompt: str, tokenizer: Any) -> int:
    return len(tokenizer.encode(prompt))


def _error(sample: Sample, cause: str) -> RowError:
    return sample.error("corrupted_question", cause)
