"""Greedy continuations against a loop without padding or cache; ROUGE-L against the package on raw text."""

import copy
from dataclasses import replace

import pytest
import torch
from rouge_score import rouge_scorer

from analysis.generation import greedy, rouge_l_recall
from analysis.tokens import IGNORED, tokenize
from tests.tiny_models import KINDS


def one_by_one(handle, batch, tokenizer, n_new):
    texts = []
    for tokens, labels in zip(batch.input_ids, batch.labels, strict=True):
        start = tokens = tokens[: int((labels != IGNORED).int().argmax())]
        with torch.no_grad():
            while len(tokens) < len(start) + n_new:
                chosen = handle.model(tokens[None]).logits[0, -1].argmax()
                if chosen == tokenizer.eos_token_id:
                    break
                tokens = torch.cat([tokens, chosen[None]])
        texts.append(tokenizer.decode(tokens[len(start) :], skip_special_tokens=True).strip())
    return texts


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_batches_with_padding_say_what_each_prompt_alone_does(kind, make_handle, samples, tokenizer):
    handle = make_handle(kind)
    batch = tokenize(samples, tokenizer)
    assert greedy(handle.model, batch, tokenizer, 12, n_rows=4) == one_by_one(handle, batch, tokenizer, 12)


def test_end_of_text_ends_one_sample_and_not_the_others(handle, samples, tokenizer):
    """The end-of-text token is made the argmax after one prompt only."""
    batch = tokenize(samples, tokenizer)
    plain = one_by_one(handle, batch, tokenizer, 8)
    start = int((batch.labels[0] != IGNORED).int().argmax())
    with torch.no_grad():
        said = handle.model(batch.input_ids[0, :start][None]).logits[0, -1].argmax()
    swapped = copy.deepcopy(tokenizer)
    swapped.eos_token = tokenizer.convert_ids_to_tokens(int(said))  # what it says first there ends a text from now on
    texts = greedy(handle.model, batch, swapped, 8)
    assert texts[0] == "" != plain[0]
    assert texts == one_by_one(handle, batch, swapped, 8)
    assert any(texts)


def test_a_tokenizer_without_end_of_text_and_a_penalty_in_the_models_settings(handle, samples, tokenizer):
    model, plain = copy.deepcopy(handle.model), copy.deepcopy(tokenizer)
    plain.eos_token = plain.pad_token = None
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.eos_token_id = None
    handle = replace(handle, model=model)
    batch = tokenize(samples, plain)
    assert greedy(model, batch, plain, 6) == one_by_one(handle, batch, plain, 6)


def test_no_more_is_said_than_the_model_can_read(handle, samples, tokenizer):
    long = replace(samples[0], question="why " * 12)
    batch = tokenize([long, samples[1]], tokenizer)
    model = copy.deepcopy(handle.model)
    model.config.max_position_embeddings = int((batch.labels[0] != IGNORED).int().argmax()) + 3
    handle = replace(handle, model=model)
    assert greedy(model, batch, tokenizer, 50) == one_by_one(handle, batch, tokenizer, 3)


def test_rouge_l_recall_by_hand_and_by_the_package():
    answers = ["The red cat sat", "Geese, and goats", "one two three four", "猫", "Running dogs"]
    texts = ["the cat sat down", "", "one two three four five", "猫", "he runs with a dog"]
    assert rouge_l_recall(answers[:4], texts[:4]) == [3 / 4, 0, 1, None]
    oracle = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    assert rouge_l_recall(answers[4:], texts[4:]) == [oracle.score(answers[4], texts[4])["rougeL"].recall] == [1]
