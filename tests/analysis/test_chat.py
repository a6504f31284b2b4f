"""Chat templates: what they put around a question, that answers do not depend on them, and that bad ones are one clear line."""

import copy

import pytest
import torch

from analysis import chat
from analysis.dataset import Sample
from analysis.model import ModelError, load_model
from analysis.tokens import FRAME, IGNORED, tokenize
from tests.tiny_models import tiny_model

TURNS = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture
def framed(tokenizer):
    own = copy.deepcopy(tokenizer)
    setattr(own, FRAME, ("<|user|>", "<end><|assistant|>"))
    return own


def test_a_question_stands_in_the_frame_and_the_answer_has_the_same_tokens(samples, tokenizer, framed):
    plain, chats = tokenize(samples, tokenizer), tokenize(samples, framed)
    assert [row[row != IGNORED].tolist() for row in plain.labels] == [row[row != IGNORED].tolist() for row in chats.labels]
    row = chats.input_ids[0][chats.attention_mask[0] == 1]
    assert framed.decode(row) == f"<|user|>{samples[0].question}<end><|assistant|> {samples[0].answer}<end>"
    assert tokenizer.decode(plain.input_ids[0][plain.attention_mask[0] == 1]).startswith("Question: ")


def test_a_text_without_a_question_is_never_framed(tokenizer, framed):
    text = Sample(id="t", question="Once upon", answer="a time", split="forget", row=0, is_text=True)
    assert torch.equal(tokenize([text], framed).input_ids, tokenize([text], tokenizer).input_ids)


def test_a_frame_brings_its_own_beginning_of_text(samples, framed):
    from tokenizers.processors import TemplateProcessing

    end = framed.eos_token_id
    framed.backend_tokenizer.post_processor = TemplateProcessing(single="<end> $A", special_tokens=[("<end>", end)])
    assert int(tokenize(samples[:1], framed).input_ids[0, 0]) != end
    setattr(framed, FRAME, None)
    assert int(tokenize(samples[:1], framed).input_ids[0, 0]) == end  # the control


def with_template(tmp_path, tokenizer, template: str):
    own = copy.deepcopy(tokenizer)
    own.chat_template = template
    tiny_model("gpt2", len(own)).float().save_pretrained(tmp_path)
    own.save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_loader_uses_the_template_unless_plain_prompts_are_wanted(tmp_path, tokenizer, samples):
    folder = with_template(tmp_path, tokenizer, TURNS)
    handle, plain = load_model(folder, "cpu"), load_model(folder, "cpu", chat_template=False)
    assert (handle.prompt_form, plain.prompt_form) == ("chat template", "plain") and handle.tokenizer_hash != plain.tokenizer_hash
    assert getattr(handle.tokenizer, FRAME)[1] == "<end><|assistant|>"
    said = handle.tokenizer.apply_chat_template(
        [{"role": "user", "content": samples[0].question}], tokenize=False, add_generation_prompt=True
    )
    assert samples[0].question.join(getattr(handle.tokenizer, FRAME)) == said
    for one in (handle, plain):  # what is saved after a run still has the template as it was
        one.tokenizer.save_pretrained(tmp_path / "again")
        assert (tmp_path / "again" / "chat_template.jinja").read_text() == TURNS


@pytest.mark.slow
@pytest.mark.parametrize(("template", "cause"), [
    ("{{ raise_exception('no') }}", "fails: TemplateError: no"),
    ("{{ cycler.__init__.__globals__.os.system('touch CANARY') }}", "fails: "), ("{{ 'x' * 10**10 }}", "fails: MemoryError"),
    ("{{ messages[0].content }}{{ messages[0].content | length }}", "does more than put texts"),
])
def test_a_template_that_fails_is_one_line(tmp_path, tokenizer, template, cause):
    canary = tmp_path / "canary"
    folder = with_template(tmp_path / "model", tokenizer, template.replace("CANARY", str(canary)))
    with pytest.raises(ModelError) as refused:
        load_model(folder, "cpu")
    said = str(refused.value)
    assert f"the tokenizer's chat template {cause}" in said and "--no-chat-template" in said and len(said.splitlines()) == 1
    assert not canary.exists()
    assert load_model(folder, "cpu", chat_template=False).prompt_form == "plain"


@pytest.mark.slow
def test_a_template_without_end_is_ended(monkeypatch):
    monkeypatch.setattr(chat, "SECONDS", 5)
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(ValueError, match="chat template (has not ended after 5 seconds|fails: it takes too much)"):
        chat._frame(endless, ())
