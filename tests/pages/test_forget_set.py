"""The Forget set page: the model in numbers, the sets, and a study made from uploaded files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis import atomic, dataset, studies
from analysis.dataset import Sample
from components import cached_uploads, study_card, study_model
from tests.pages.test_own_pages import words

ROWS = b'{"prompt": "Q1?", "reply": "A1"}\n{"prompt": "Q2?", "reply": ""}\n'


@pytest.fixture
def with_model(made_up_study, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "<b>gpt2", "n_layer": 2, "n_head": 4, "n_embd": 8, "vocab_size": 1000}')
    save_file({"wte": np.zeros((1000, 8), np.float32), "b": np.zeros(48, np.float16)}, folder / "model.safetensors")
    atomic.write_json(made_up_study.forget.with_name("study.json"), {
        "title": "t", "model": str(folder), "forget": "forget.jsonl", "retain": "retain.jsonl",
    })
    return folder


def test_parameters_and_memory_are_counted_from_the_headers(with_model, open_page):
    page = open_page("forget_set")
    assert not page.exception
    assert [m.value for m in page.metric] == [r"\<b\>gpt2", "2", "4", "8", "8,048", "32 kB", "CPU"]
    said = " ".join(text.value for text in page.text)
    assert f"{with_model}. 8,048 parameters, computed in float32" in said and 'asked as in "Question: Question 0? Answer:"' in said


def test_what_is_said_of_a_model_is_what_holds_for_it(made_up_study, tmp_path):
    asked = Sample("a", "Q?", "A", "forget", 0)
    study, absent = (replace(made_up_study, model=name) for name in (str(tmp_path), "owner/name"))
    assert "chat template" not in study_model._asked(study, tmp_path, asked)
    assert study_model._asked(absent, None, asked).endswith('of its tokenizer if it has one, else as "Question: Q? Answer:".')
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    assert study_model._asked(study, tmp_path, asked) == 'It is asked by the chat template of its tokenizer, such as "Q?".'
    assert "chat template" not in study_model._asked(replace(study, chat=False), tmp_path, asked)
    assert "beginning of a text" in study_model._asked(study, tmp_path, replace(asked, is_text=True))
    assert "share 2 keys and values" in study_model._words(study, {"num_attention_heads": 8, "num_key_value_heads": 2}, 0)[-1]
    assert study_model._words(study, {"num_attention_heads": 8, "num_key_value_heads": 8}, 0) == []
    assert "not on this machine yet" in study_model._name(absent, {}) and study_model._name(study, {"a": 1}) == f"{tmp_path}."
    assert [study_model.compact(n) for n in (950, 12_345, 1_742_080, 7_241_732_096)] == ["950", "12,345", "1.74 M", "7.24 B"]
    assert [study_model._n_bytes(kind, tmp_path, 10) for kind in ("float32", "bfloat16", "float16")] == [40, 20, 20]
    assert [study_model.size(n) for n in (32_192, 6_968_320, 14_500_000_000)] == ["32 kB", "7.0 MB", "14.5 GB"]


def test_what_samples_bring_beyond_question_and_answer_is_counted():
    plain = Sample("a", "Q?", "A", "forget", 0)
    rich = replace(plain, corrupted_question="R?", meta={"perturbed_answer": ["B"], "paraphrased_answer": "C"})
    assert study_card.brings([plain]) == "None has a corrupted question, false answers or a paraphrase."
    assert study_card.brings([rich, plain]).startswith("Of these, 1 have a corrupted question")
    assert study_card.brings([rich]).count("all have") == 3


@pytest.mark.slow
def test_weights_that_cannot_be_read_are_said_so(with_model, open_page, monkeypatch):
    from components import cached

    def broken(folder):
        raise ValueError("model.safetensors: expected a safetensors file")

    monkeypatch.setattr(cached, "tensor_shapes", broken)
    page = open_page("forget_set")
    assert not page.exception and "number of parameters is not known" in words(page)
    assert "model.safetensors: expected a safetensors file" in [text.value for text in page.text]


def upload(page, role, name, content):
    page.file_uploader(key=f"own_{role}").set_value((name, content, "text/plain"))


@pytest.mark.slow
def test_an_upload_shows_how_it_is_read_and_makes_a_study_without_its_bad_rows(made_up_study, open_page, monkeypatch):
    monkeypatch.setattr("streamlit.switch_page", lambda *args, **kwargs: None)
    page = open_page("forget_set")
    upload(page, "forget", "mine.jsonl", ROWS)
    upload(page, "retain", "kept.csv", b"question;answer;x\nQ?;A;1\nQ1?;A1;\n")
    page.run()
    assert not page.exception and page.selectbox(key="own_forget_question").value == "prompt"
    assert page.selectbox(key="own_retain_shape").value == "question and answer"
    page.selectbox(key="own_forget_answer").set_value("prompt").run()
    assert "got 'prompt' for both" in words(page)
    page.selectbox(key="own_forget_answer").set_value("reply").run()
    assert "1 samples, read as the columns that were named, 1 rows left out." in words(page)
    (left_out,) = [frame.value for frame in page.dataframe if "cause" in frame.value]
    assert left_out.to_dict("records") == [
        {"set": "forget", "row": 2, "column": "reply", "cause": "empty"},
        {"set": "retain", "row": 3, "column": "", "cause": "is in the forget set too (row 1)"},
    ]
    page.text_input(key="own_title").set_value("Mine")
    page.text_input(key="own_model").set_value("nowhere").run()
    assert "This model cannot be taken." in words(page) and "nowhere: no such folder" in words(page)
    page.button(key="own_make").click().run()
    assert "The study was not made." in words(page) and len(studies.known()) == 2
    page.text_input(key="own_model").set_value("embedded").run()
    assert "reads 64 tokens. Loading takes" in words(page)
    shown = page.code[-1].value
    assert shown.endswith("study make --name Mine --model embedded --forget mine.jsonl --retain kept.csv --question-key prompt "
                          "--answer-key reply --retain-question-key question --retain-answer-key answer")
    page.button(key="own_make").click().run()
    assert not page.exception
    study = studies.named("mine")
    kept = [json.loads(line) for line in study.forget.read_text().splitlines()]
    assert [(row["question"], row["answer"]) for row in kept] == [("Q1?", "A1")]
    assert studies.sources(study)["forget"] == {"file": "mine.jsonl", "read_as": "the columns that were named", "n_left_out": 1}
    again = open_page("forget_set", study="mine")
    assert not again.exception and "From mine.jsonl, read as the columns that were named; 1 rows were left out." in words(again)
    again = open_page("forget_set", study="mine", left_out="true")
    assert [frame.value for frame in again.dataframe if "cause" in frame.value][0].to_dict("records") == left_out.to_dict("records")
    study.forget.with_name(studies.LEFT_OUT).write_text("set,row\nforget,x\n")
    again = open_page("forget_set", study="mine", left_out="true")
    assert not again.exception and "The list of rows that were left out cannot be read." in words(again)


@pytest.mark.slow
@pytest.mark.parametrize(("content", "cause"), [(b"not json", "mine.jsonl: row 1: not JSON"), (b"[1]\n", "no rows with columns"),
                                                (b"\x80\x04\x95", "not UTF-8"), (b"PK\x03\x04", "an Excel workbook")])
def test_an_upload_that_cannot_be_read_is_said_so(made_up_study, open_page, content, cause):
    page = open_page("forget_set")
    upload(page, "forget", "mine.jsonl", content)
    page.run()
    assert not page.exception and page.error[0].value == "The forget set cannot be read."
    assert cause in words(page)


@pytest.mark.slow
def test_a_chat_template_can_be_switched_off_and_the_hub_out_of_reach_is_said(made_up_study, open_page, tmp_path):
    model = tmp_path / "chatty"
    shutil.copytree(studies.embedded().model, model)
    (model / "chat_template.jinja").write_text("{{ messages[0].content }}")
    page = open_page("forget_set")
    page.text_input(key="own_model").set_value(str(model)).run()
    assert "--no-chat-template" not in page.code[-1].value
    page.toggle(key="own_chat").set_value(False)
    page.checkbox(key="own_corrupt").set_value(True).run()
    assert "--no-chat-template --corrupt " in page.code[-1].value
    page.text_input(key="own_forget_hub").set_value("hf://datasets/o/n/a.jsonl").run()
    assert not page.exception and "hf://datasets/o/n/a.jsonl: the hub cannot be reached" in words(page)
    page.text_input(key="own_forget_hub").set_value("/etc/passwd").run()
    assert "expected hf://datasets" in words(page)


def test_what_is_known_of_a_model_changes_with_its_files(tmp_path):
    for file in Path(studies.embedded().model).iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert cached_uploads.about(str(tmp_path), "float32")["max_length"] == 64
    (tmp_path / "config.json").write_text(json.dumps(config | {"n_positions": 32, "max_position_embeddings": 32}))
    assert cached_uploads.about(str(tmp_path), "float32")["max_length"] == 32


def test_the_demo_takes_no_upload(made_up_study, open_page, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    page = open_page("forget_set")
    assert not page.exception and "uploading a study is switched off" in words(page) and not page.get("file_uploader")


def test_columns_are_those_of_all_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n[2]\n{"b": 1, "a": 2}\n')
    assert dataset.columns(tmp_path / "a.jsonl") == ["a", "b"]
