"""What `score` records of MRD, and the command `sensitivity` on a tiny model folder."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import atomic, scoring, sensitivity
from analysis.__main__ import app
from analysis.attribution import AttributionConfig
from analysis.cross_fitting import CudConfig
from analysis.scoring import ScoringConfig, score


@pytest.mark.parametrize("given", [{}, {"sigma": 3e-3, "n_pairs": 4, "estimator": "monte_carlo", "mrd_scope": "sequence"}])
def test_scores_record_what_mrd_was_measured_with(handle, samples, monkeypatch, tmp_path, given):
    losses = pd.DataFrame({"NPO": range(len(samples))}, dtype=float)
    monkeypatch.setattr(scoring, "anchor_losses", lambda *_: losses)
    cud = CudConfig(n_edges=10, n_anchors=1, methods=("NPO",))
    config = ScoringConfig(AttributionConfig("EAP"), cud, "default", max_pairs=10, **given)
    details = score(handle, samples, samples, config).details
    atomic.write_json(tmp_path / "scores.json", details)
    used = json.loads((tmp_path / "scores.json").read_text())["mrd"]
    if given:
        assert used | {"settled": None} == {"estimator": "monte_carlo", "sigma": 3e-3, "n_pairs": 4, "settled": None, "sweep": None}
        assert details["config"]["mrd_scope"] == "sequence"
    else:
        assert used["n_pairs"] in (5, 10) and isinstance(used["settled"], bool)
        assert [row["sigma"] for row in used["sweep"] if row["chosen"]] == [used["sigma"]]


@pytest.mark.slow
def test_the_command_writes_the_table_and_whose_it_is(handle, samples, tokenizer, tmp_path, monkeypatch):
    handle.model.float().save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    rows = [json.dumps({"question": sample.question, "answer": sample.answer}) for sample in samples]
    (tmp_path / "forget.jsonl").write_text("\n".join(rows) + "\n")
    made = sensitivity.sensitivity
    few = {"sigmas": (1e-4, 1e-3, 1e-2), "counts": (3,), "n_reference": 5, "n_probes": 2}
    monkeypatch.setattr(sensitivity, "sensitivity", lambda *a, **k: made(*a, **k, **few))
    common = ["sensitivity", "--model", str(tmp_path / "model"), "--forget", str(tmp_path / "forget.jsonl"), "--limit", "3"]
    result = CliRunner().invoke(app, [*common, "--output", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    table, record = pd.read_csv(tmp_path / "out" / "sensitivity.csv"), json.loads((tmp_path / "out" / "sensitivity.json").read_text())
    assert list(table) == sensitivity.COLUMNS and set(table["n_samples"]) == {3}
    assert record["data"]["forget"]["n"] == 3 and len(record["fingerprint"]) == 16
    refused = CliRunner().invoke(app, [*common, "--output", str(tmp_path / "other"), "--seed", "-1"])
    assert refused.exit_code == 2 and "--seed" in refused.stderr and not (tmp_path / "other").exists()
