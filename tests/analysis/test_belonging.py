"""Results of another model or other samples are told apart from those of the present ones, and from those of which nothing is known."""

import os
from dataclasses import replace

import pytest

from analysis import belonging, studies
from analysis.dataset import read_samples, samples_hash
from analysis.plain_files import json_object


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "ws"))
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json", "README.md"):
        (folder / name).write_text(name)
    return folder


def about(samples):
    return {"n": len(samples), "hash": samples_hash(samples)}


def test_each_set_that_changed_is_named_and_the_first_samples_of_it_are_enough(samples):
    changed = [*samples[:-1], replace(samples[-1], answer="another")]
    sets = {"forget": samples, "retain": samples, "data": samples}
    record = {"data": {"forget": about(samples), "retain": about(samples)}}
    assert belonging.changed(record, sets, None) is None
    assert belonging.changed(record, sets | {"forget": changed}, None) == "the forget set has changed"
    assert belonging.changed(record, sets | {"retain": samples[::-1]}, None) == "the retain set has changed"
    limited = {"data": {"data": about(samples[:3])}}
    assert belonging.changed(limited, sets | {"data": changed}, None) is None
    assert belonging.changed(limited, sets | {"data": changed[::-1]}, None) == "the forget set has changed"


@pytest.mark.parametrize("record", [{}, {"data": None}, {"data": {"forget": 3}}, {"data": {"forget": {"hash": 7}}},
                                    {"model_digest": 1}])
def test_what_a_record_does_not_say_is_not_held_against_it(samples, record):
    assert belonging.changed(record, {"forget": samples}, "digest") is None


@pytest.mark.parametrize(("name", "other"), [("config.json", True), ("model.safetensors", True), ("tokenizer.json", True),
                                            ("chat_template.jinja", True), ("README.md", False)])
def test_a_model_whose_files_changed_is_another(model, samples, name, other):
    before = belonging.model_digest(str(model))
    assert before == belonging.model_digest(str(model))
    (model / name).write_text(name.upper())  # no longer than before
    os.utime(model / name, (4e9, 4e9))
    after = belonging.model_digest(str(model))
    assert (before != after) is other
    said = belonging.changed({"model_digest": before}, {}, after)
    assert said == ("the model's files have changed" if other else None)


def test_the_same_files_elsewhere_are_the_same_model_and_a_fixed_revision_is_its_name(model, tmp_path):
    moved = tmp_path / "moved"
    before = belonging.model_digest(str(model))
    model.rename(moved)
    assert belonging.model_digest(str(moved)) == before
    assert belonging.model_digest(str(model)) is None
    commit = f"owner/name@{'0' * 40}"
    assert belonging.model_digest(commit) == commit and belonging.model_digest("owner/name") is None


def test_another_dtype_or_form_of_the_prompt_is_another_model(model):
    record = {"dtype": "float32", "prompt_form": "plain"}
    assert belonging.loading(str(model), "float32", True) == record  # it has no template
    assert belonging.changed(record, {}, None, record) is None
    assert belonging.changed(record, {}, None, belonging.loading(str(model), "bfloat16", True)) == "the type of the weights has changed"
    (model / "chat_template.jinja").write_text("{{ messages }}")
    said = "the form of the prompts has changed"
    assert belonging.changed(record, {}, None, belonging.loading(str(model), "float32", True)) == said
    assert belonging.changed({"prompt_form": "chat template"}, {}, None, belonging.loading("owner/name", "auto", False)) == said
    assert belonging.loading("owner/name", "auto", True) == {}
    assert belonging.changed({}, {}, None, record) is None


def test_the_shipped_results_belong_to_the_shipped_model_and_sets(model):
    study = studies.embedded()
    forget, retain = (read_samples(path)[0] for path in (study.forget, study.retain))
    sets = {"forget": forget, "retain": retain, "data": forget}
    for kind in ("scores", "circuits"):
        record = json_object(study.results / kind / f"{kind}.json")
        assert record["data"] and belonging.changed(record, sets, belonging.model_digest(study.model)) is None
