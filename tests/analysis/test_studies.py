"""Studies: what is kept of one, older ones, damaged ones, and names that cannot be."""

import json

import pytest

from analysis import atomic, model_source, studies


@pytest.fixture(autouse=True)
def in_workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))


def test_a_study_of_ones_own_is_kept_and_found():
    made = studies.create("mine", "Mine", "gpt2", b"{}", b"{}", (".jsonl", ".csv"))
    assert studies.named("mine") == made
    assert [s.slug for s in studies.known()] == ["embedded", "mine"]
    assert made.retain.name == "retain.csv" and (made.dtype, made.chat) == ("float32", True)
    with pytest.raises(ValueError, match="no study 'other'"):
        studies.named("other")
    with pytest.raises(ValueError, match="'embedded' is the name of the study that comes with Lethe"):
        studies.create("embedded", "Mine", "gpt2", b"", b"")


def test_how_the_model_is_computed_and_where_the_sets_come_from_are_kept_too():
    more = {"dtype": "bfloat16", "chat": False, "sources": {"forget": {"file": "a.csv", "read_as": "TOFU", "n_left_out": 2}}}
    made = studies.create("mine", "Mine", "embedded", b"{}", b"{}", more=more, left_out=b"set,row\n")
    assert made.model_arguments == ["--model", str(model_source.EMBEDDED), "--dtype", "bfloat16", "--no-chat-template"]
    assert studies.embedded().model_arguments == ["--model", studies.embedded().model]
    assert studies.sources(made) == more["sources"] and made.forget.with_name(studies.LEFT_OUT).read_bytes() == b"set,row\n"
    assert studies.sources(studies.create("bare", "Bare", "gpt2", b"{}", b"{}")) == {}


@pytest.mark.parametrize("record", [
    "", "[]", '{"title": "t"}', '{"title": "t", "model": "m", "forget": "../forget.jsonl", "retain": "retain.jsonl"}',
    '{"title": 1, "model": "m", "forget": "forget.jsonl", "retain": "retain.jsonl"}',
    '{"title": "t", "model": "m", "forget": "forget.jsonl", "retain": "retain.jsonl", "dtype": "int8"}',
    '{"title": "t", "model": "m", "forget": "forget.jsonl", "retain": "retain.jsonl", "chat": "no"}',
])
def test_a_damaged_study_is_left_out_and_said_so(record):
    made = studies.create("mine", "Mine", "gpt2", b"{}", b"{}")
    made.forget.with_name("study.json").write_text(record)
    assert [s.slug for s in studies.known()] == ["embedded"]
    with pytest.raises(ValueError, match="mine/study.json: expected"):
        studies.named("mine")
    assert studies.sources(made) == {}


def test_sources_that_are_no_objects_are_left_out():
    made = studies.create("mine", "Mine", "gpt2", b"{}", b"{}")
    file = made.forget.with_name("study.json")
    for sources in (["x"], {"forget": 3}, "text"):
        atomic.write_json(file, json.loads(file.read_text()) | {"sources": sources})
        assert studies.sources(made) == {}
