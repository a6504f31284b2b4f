"""The Forget set page: the model in numbers, the sets, and a study made from uploaded files."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from analysis import atomic, dataset, studies
from components import study_card
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
    assert [m.value for m in page.metric] == [r"\<b\>gpt2", "2", "4", "8", "1,000", "8,048"]
    assert study_card.memory(2**20) == (
        "Weights in memory: 4.0 MiB in float32, as Lethe computes, or 2.0 MiB in bf16. A run needs several times that: see Unlearn."
    )
    assert "not computed: needs the model's safetensors" in study_card.memory(0)


@pytest.mark.slow
def test_weights_that_cannot_be_read_are_said_so(with_model, open_page, monkeypatch):
    from components import cached

    def broken(folder):
        raise ValueError("model.safetensors: expected a safetensors file")

    monkeypatch.setattr(cached, "tensor_shapes", broken)
    page = open_page("forget_set")
    assert not page.exception and "number of parameters is not known" in words(page)
    assert "model.safetensors: expected a safetensors file" in [text.value for text in page.text]


@pytest.mark.slow
def test_an_upload_shows_its_columns_first_rows_and_errors_and_makes_a_study(made_up_study, open_page, monkeypatch):
    page = open_page("forget_set")
    page.file_uploader(key="own_forget").set_value(("mine.jsonl", ROWS, "application/jsonl"))
    page.file_uploader(key="own_retain").set_value(("kept.csv", b"question,answer,x\nQ?,A,1\n", "text/csv")).run()
    assert not page.exception and page.selectbox(key="own_forget_question").value == "prompt"
    assert page.selectbox(key="own_forget_answer").value == "reply"
    page.selectbox(key="own_forget_answer").set_value("prompt").run()
    assert "got 'prompt' for both" in words(page)
    page.selectbox(key="own_forget_answer").set_value("reply").run()
    assert page.selectbox(key="own_retain_answer").value == "answer"
    assert "1 rows can be used, 1 cannot: correct or remove these." in words(page)
    causes = [frame.value for frame in page.dataframe if "cause" in frame.value]
    assert causes[0].to_dict("records") == [{"row": 2, "column": "reply", "cause": "empty"}]
    page.text_input(key="own_title").set_value("Mine")
    page.text_input(key="own_model").set_value("gpt2")
    page.button(key="own_make").click().run()
    assert "mine.jsonl: row 2, column 'reply': empty" in words(page) and len(studies.known()) == 2
    page.file_uploader(key="own_forget").set_value(("mine.jsonl", ROWS.splitlines()[0], "application/jsonl")).run()
    monkeypatch.setattr("streamlit.switch_page", lambda *args, **kwargs: None)
    page.selectbox(key="own_forget_answer").set_value("reply")
    page.button(key="own_make").click().run()
    assert not page.exception
    kept = [json.loads(line) for line in studies.named("mine").forget.read_text().splitlines()]
    assert [(row["question"], row["answer"]) for row in kept] == [("Q1?", "A1")]


@pytest.mark.slow
@pytest.mark.parametrize(("content", "cause"), [(b"not json", "mine.jsonl: row 1: not JSON"), (b"[1]\n", "no rows with columns"),
                                                (b"\xff\xfe", "not UTF-8")])
def test_an_upload_that_cannot_be_read_is_said_so(made_up_study, open_page, content, cause):
    page = open_page("forget_set")
    page.file_uploader(key="own_forget").set_value(("mine.jsonl", content, "application/jsonl")).run()
    assert not page.exception and page.error[0].value == "The forget set cannot be read."
    assert cause in words(page)


def test_the_demo_takes_no_upload(made_up_study, open_page, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    page = open_page("forget_set")
    assert not page.exception and "uploading a study is switched off" in words(page) and not page.get("file_uploader")


def test_columns_are_those_of_all_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n[2]\n{"b": 1, "a": 2}\n')
    assert dataset.columns(tmp_path / "a.jsonl") == ["a", "b"]
