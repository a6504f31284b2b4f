"""Tokenisation: what is labelled, and what is padding."""

import copy
import dataclasses

import pytest

from analysis.tokens import IGNORED, N_ROWS, tokenize, with_answers


def test_labels_are_the_answer_alone(samples, tokenizer):
    batch = tokenize(samples, tokenizer)
    for row, sample in enumerate(samples):
        answer = batch.input_ids[row][batch.labels[row] != IGNORED].tolist()
        assert tokenizer.decode(answer) == " " + sample.answer
        text = batch.input_ids[row][batch.attention_mask[row].bool()].tolist()
        assert tokenizer.decode(text) == f"{sample.prompt} {sample.answer}<end>"
        assert text[-1] == tokenizer.eos_token_id
    assert batch.n_answer_tokens.tolist() == [(row != IGNORED).sum().item() for row in batch.labels]


def test_selecting_rows_drops_the_padding_that_they_do_not_need(samples, tokenizer):
    batch = tokenize(samples, tokenizer)
    lengths = batch.attention_mask.sum(1)
    shortest = int(lengths.argmin())
    assert batch.select([shortest]).input_ids.shape == (1, int(lengths.min()))


def test_a_sample_longer_than_the_model_reads_is_named(samples, tokenizer):
    long = dataclasses.replace(samples[0], question="why " * 200, row=6)
    with pytest.raises(ValueError, match="forget: row 7: .* tokens, but the model reads at most 128"):
        tokenize([samples[1], long], tokenizer, max_length=128)
    with pytest.raises(ValueError, match="at least one"):
        tokenize([], tokenizer)


@pytest.mark.parametrize("eos", ["<end>", None])
def test_other_answers_stand_where_the_own_ones_did(samples, tokenizer, eos):
    tokenizer = copy.deepcopy(tokenizer)
    tokenizer.eos_token = eos
    answers = [f"Nobody knows {row * 'at all '}now" for row in range(len(samples))]
    changed = with_answers(tokenize(samples, tokenizer), answers, tokenizer)
    wanted = tokenize([dataclasses.replace(s, answer=a) for s, a in zip(samples, answers, strict=True)], tokenizer)
    for name in ("input_ids", "attention_mask", "labels"):
        assert getattr(changed, name).tolist() == getattr(wanted, name).tolist()


def test_an_answer_too_long_for_the_model_is_refused(batch, tokenizer):
    with pytest.raises(ValueError, match="has .* tokens, but the model reads at most 64"):
        with_answers(batch, ["no " * 60] * len(batch), tokenizer, max_length=64)


def test_a_text_may_be_just_as_long_as_the_model_reads(samples, batch, tokenizer):
    answers = [f"No{' no' * row}" for row in range(len(batch))]
    longest = with_answers(batch, answers, tokenizer).input_ids.shape[1]
    assert with_answers(batch, answers, tokenizer, max_length=longest).input_ids.shape[1] == longest
    assert len(tokenize(samples, tokenizer, max_length=batch.input_ids.shape[1])) == len(samples)
    for refused in (lambda: with_answers(batch, answers, tokenizer, max_length=longest - 1),
                    lambda: tokenize(samples, tokenizer, max_length=batch.input_ids.shape[1] - 1)):
        with pytest.raises(ValueError, match="but the model reads at most"):
            refused()


def test_a_token_without_an_embedding_is_named_and_padding_needs_none(samples, tokenizer):
    """A tokenizer may bring tokens that were added after the model was trained."""
    own = copy.deepcopy(tokenizer)
    setattr(own, N_ROWS, len(own))
    own.add_special_tokens({"pad_token": "<new>"})
    batch = tokenize(samples, own)
    assert int(batch.input_ids.max()) < len(tokenizer) and (batch.attention_mask == 0).any()
    said = dataclasses.replace(samples[0], answer="as <new> as ever", row=6)
    with pytest.raises(ValueError, match="forget: row 7: the model has no embedding for '<new>'; remove it from the text"):
        tokenize([said], own)
