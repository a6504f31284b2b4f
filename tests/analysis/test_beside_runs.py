"""What stands beside a run: read whole, empty, or refused with a reason."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from analysis import atomic, outcomes
from analysis.curricula import ARMS
from analysis.presets import preset
from analysis.record import describe
from analysis.runs import RunRecord

RUN = RunRecord("a", Path("a"), True, "NPO", None, None, 0, 10, 1, 0.99, 0.1, 0.99, 0.9, None)


@pytest.fixture(name="folder")
def evaluation(tmp_path):
    atomic.write_json(tmp_path / "LETHE_SUMMARY.json", {"mia_loss": 0.5, "privleak": "not computed: needs a holdout set"})
    table = pd.DataFrame({"sample_id": ["x", "y", "z"], "generation": ["=1+1", "NA", ""]})
    atomic.write_csv(tmp_path / "evaluation.csv", table)
    rows = pd.DataFrame({"layer": ["0", "0", "all"], "component": ["all", "mlp", "all"], "relative_l2": [0.5, 0.7, 0.6]})
    atomic.write_csv(tmp_path / "parameter_change.csv", rows)
    return tmp_path


def test_generations_come_back_as_the_model_said_them(folder):
    found = outcomes.read_evaluation(folder)
    assert found.generations.to_dict() == {"x": "=1+1", "y": "NA", "z": ""} and found.summary["mia_loss"] == 0.5


def test_change_by_layer_leaves_out_components_and_the_whole(folder):
    assert outcomes.read_evaluation(folder).moved.to_dict() == {"0": 0.5}


def test_no_evaluation_is_none_and_missing_tables_are_empty(folder, tmp_path):
    assert outcomes.read_evaluation(tmp_path / "gone") is None
    for name in ("evaluation.csv", "parameter_change.csv"):
        (folder / name).unlink()
    found = outcomes.read_evaluation(folder)
    assert found.generations.empty and found.moved.empty


@pytest.mark.parametrize(("name", "content"), [
    ("LETHE_SUMMARY.json", "{"), ("LETHE_SUMMARY.json", "[]"), ("evaluation.csv", ""), ("evaluation.csv", 'a,b\n"'),
    ("parameter_change.csv", "layer,component,relative_l2\n0,all,wide\n"),
])
def test_a_broken_file_is_refused(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ValueError, match="expected an evaluation as `evaluate` writes it"):
        outcomes.read_evaluation(folder)


@pytest.mark.parametrize(("config", "said"), [
    ("sampling: CGA\nsampling_args: {refresh: 1}\n", "cga"), ("sampling: CGATwoLevel\n", "cga-released"),
    ("sampling: Curriculum\nsampling_args: {order: easy_first}\n", "easy-first"),
    ("method: NPO\n", "uniform"), ("sampling: null\n", "uniform"),
    ("- a\n", "not known"), (":\n-", "not known"),
])
def test_a_run_without_the_word_sampled_uniformly(tmp_path, config, said):
    (tmp_path / "config.yaml").write_text(config)
    assert outcomes.sampling(replace(RUN, folder=tmp_path)) == said


def test_the_best_run_keeps_the_rest_and_is_no_control():
    emptied = replace(RUN, forget_probability=0.0)
    worse, control, unmeasured = (
        replace(emptied, **but) for but in ({"retain_probability": 0.79}, {"method": "GradAscent"}, {"retain_probability": None})
    )
    assert outcomes.best([worse, RUN, control, unmeasured]) is RUN and outcomes.best([worse, control]) is None


def test_a_comparison_of_samplings_is_none_whole_or_refused(tmp_path):
    assert outcomes.read_curricula(tmp_path) is None
    (tmp_path / "curricula.csv").write_text("method,arm\nNPO,cga\n")
    with pytest.raises(ValueError, match="seed is missing"):
        outcomes.read_curricula(tmp_path)


def test_samplings_are_named_as_the_command_line_names_them(tmp_path):
    for name, kind in ARMS.items():
        described = describe(replace(preset("default", "NPO"), sampling=kind))
        atomic.write_bytes(tmp_path / "config.yaml", yaml.safe_dump(described).encode())
        assert outcomes.sampling(replace(RUN, folder=tmp_path)) == name
