"""The attribution options of the `circuits` command reach the scores."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.analysis.test_cli import folder, run  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("folder")


def circuits(folder, out, *options):  # noqa: F811
    return run("circuits", "--model", folder / "model", "--data", folder / "forget.jsonl", "--output", out, "--limit", 1,
               "--ig-steps", 2, *options)


def test_method_metric_and_quadrature_are_recorded_and_change_the_scores(folder, tmp_path):  # noqa: F811
    options = {"a": (), "b": ("--method", "EAP-IG-activations"), "c": ("--metric", "released"), "d": ("--quadrature", "left"),
               "e": ("--method", "exact")}
    scores = {}
    for name, given in options.items():
        assert circuits(folder, tmp_path / name, *given).exit_code == 0
        scores[name] = load_file(tmp_path / name / "circuits.safetensors")["scores"]
    assert len({s.tobytes() for s in scores.values()}) == 5
    record = json.loads((tmp_path / "c" / "circuits.json").read_text())
    assert (record["config"]["metric"], record["config"]["quadrature"]) == ("released", "midpoint")
    assert record["completeness_error"] > 0
    assert json.loads((tmp_path / "b" / "circuits.json").read_text())["completeness_error"] is None
    assert np.isfinite(scores["e"]).all()


@pytest.mark.parametrize("mass", ["1.5", "0", "nan"])
def test_a_share_that_cannot_be_is_refused_before_attribution(folder, tmp_path, mass):  # noqa: F811
    result = circuits(folder, tmp_path / "out", "--select", "cumulative_mass", "--mass", mass)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: mass: the share of |score|")


def test_endless_memory_is_one_line(folder, tmp_path):  # noqa: F811
    result = circuits(folder, tmp_path / "out", "--memory-gb", "inf")
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "memory-gb" in result.output and not (tmp_path / "out").exists()


def test_memory_that_is_too_small_is_one_line(folder, tmp_path):  # noqa: F811
    result = circuits(folder, tmp_path / "out", "--memory-gb", "0.00001")
    assert result.exit_code == 2
    assert "memory_budget: one run of a sample" in result.output and "give more memory" in result.output
