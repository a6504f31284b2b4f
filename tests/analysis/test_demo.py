"""The shipped files are what the manifest says, and a build is repeatable and all or nothing."""

import hashlib
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import atomic, demo, demo_command, store
from analysis.dataset import load_samples
from analysis.demo import Recipe, answer_probabilities, build
from analysis.world import WorldSize
from tests.made_circuits import made_circuit

DATA = Path(__file__).parents[2] / "data"
TINY = Recipe(WorldSize(3, 24, 3), n_layer=2, n_head=2, n_embd=16, n_epochs=1, batch_size=32)


@pytest.fixture(scope="module")
def manifest() -> dict:
    return json.loads((DATA / "manifest.json").read_text())


def test_manifest_hashes_hold_and_cover_every_built_file(manifest):
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == digest, name
    built = [path for folder in ("model", "retain_model") for path in (DATA / folder).iterdir()]
    assert {str(path.relative_to(DATA)) for path in built} <= set(manifest["files"])
    text = json.dumps(manifest["files"], sort_keys=True)
    assert manifest["fingerprint"] == hashlib.sha256(text.encode()).hexdigest()


def test_manifest_states_the_recipe_of_the_code(manifest):
    assert manifest["recipe"] == json.loads(json.dumps(demo.asdict(demo.DEFAULT)))


def test_stated_memorisation_reaches_its_aim(manifest):
    trained = manifest["memorisation"]["model"]["trained"]["all"]
    assert trained["mean_answer_probability"] > 0.97 and trained["share_above_0.9"] >= 0.95
    assert manifest["memorisation"]["retain_model"]["trained"]["all"]["mean_answer_probability"] > 0.97


@pytest.mark.parametrize("name", ["model", "retain_model"])
def test_shipped_model_knows_what_it_was_trained_on_and_nothing_else(name):
    mean = {}
    for split in ("forget", "retain", "holdout"):
        probabilities = answer_probabilities(DATA / name, load_samples(DATA / f"{split}.jsonl")[::13])
        mean[split] = sum(probabilities) / len(probabilities)
    assert mean["retain"] > 0.97 and mean["holdout"] < 0.4
    assert mean["forget"] > 0.97 if name == "model" else mean["forget"] < 0.4


def test_shipped_weights_are_float16():
    from safetensors import safe_open

    with safe_open(DATA / "model" / "model.safetensors", framework="pt") as weights:
        assert {str(weights.get_tensor(key).dtype) for key in weights.keys()} == {"torch.float16"}  # noqa: SIM118


@pytest.mark.slow
def test_build_is_repeatable_in_one_process_or_two_and_replaces_only_its_own_files(tmp_path):
    first, second, lines = tmp_path / "first", tmp_path / "second", []
    second.mkdir()
    (second / "other.txt").write_text("kept")
    (second / "model").mkdir()
    (second / "model" / "stale.bin").write_text("gone")
    build(first, seed=3, recipe=TINY, parallel=False, report=lines.append)
    build(second, seed=3, recipe=TINY, parallel=True)
    manifests = [json.loads((folder / "manifest.json").read_text()) for folder in (first, second)]
    assert manifests[0] == manifests[1] and str(tmp_path) not in json.dumps(manifests[0])
    assert (second / "other.txt").read_text() == "kept" and not (second / "model" / "stale.bin").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
    assert "fictitious" in (first / "model" / "README.md").read_text() and lines[-1] == f"written to {first}"


def test_failed_build_leaves_the_earlier_one_untouched(tmp_path):
    output = tmp_path / "data"
    output.mkdir()
    (output / "manifest.json").write_text("earlier")
    with pytest.raises(ValueError, match="tokens, but the model reads at most 8"):
        build(output, recipe=replace(TINY, n_positions=8), parallel=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["data", "manifest.json"]
    assert (output / "manifest.json").read_text() == "earlier"


def test_a_part_that_fails_ends_results_with_its_exit_code(tmp_path, monkeypatch):
    calls = []

    def fail(command, **_):
        calls.append(command)
        return subprocess.CompletedProcess(command, 2)

    monkeypatch.setattr(demo_command.subprocess, "run", fail)
    result = CliRunner().invoke(demo_command.app, ["results", "circuits", "validity", "--data", str(tmp_path)], standalone_mode=False)
    assert result.return_value == 2 and result.exception is None
    assert len(calls) == 1 and "circuits" in calls[0]  # the next part did not start


def test_the_map_is_kept_without_its_masks_and_then_compared_by_two_methods(tmp_path, monkeypatch):
    calls = []

    def succeed(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--output") + 1])
        folder.mkdir(parents=True)
        for name in ("conflicts.json", "masks.safetensors"):
            (folder / name).touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(demo_command.subprocess, "run", succeed)
    result = CliRunner().invoke(demo_command.app, ["results", "masks", "conflicts", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert [command[3] for command in calls] == ["conflicts", "compare-masks"]
    kept = tmp_path / "results" / "conflicts"
    assert [path.name for path in kept.iterdir()] == ["conflicts.json"]
    comparison = calls[1]
    assert comparison[comparison.index("--conflicts") + 1] == str(kept)
    assert [comparison[i + 1] for i, word in enumerate(comparison) if word == "--method"] == ["NPO", "GradDiff"]


def test_circuits_after_are_those_of_both_ends_and_leave_no_weights(tmp_path, monkeypatch):
    calls, asked = [], []

    def succeed(command, **_):
        calls.append(command)
        folder = Path(command[command.index("--output") + 1])
        (folder / ("eap-ig" if "circuits" in command else "model")).mkdir(parents=True)
        if "circuits" in command:
            asked.append(Path(command[command.index("--data") + 1]).read_text().split())
            (folder / "circuits.json").touch()
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(demo_command.subprocess, "run", succeed)
    monkeypatch.setattr(demo_command, "N_ENDS", 2)
    monkeypatch.setattr(demo_command, "_kept", lambda data, model, folder: {"k": made_circuit({"input->m0": 1.0, "m0->logits": 1.0})})
    (tmp_path / "forget.jsonl").write_text("".join(f"row{row}\n" for row in range(6)))
    known = {"sample_id": list("abcdef"), "row": range(6), "fold": 0, "rank_cud": [3, 1, 6, 2, 5, 4]}
    frame = pd.DataFrame(dict.fromkeys(store.SCORE_COLUMNS, 0) | known)
    atomic.write_csv(tmp_path / "results" / "scores" / "scores.csv", frame)
    atomic.write_json(tmp_path / "results" / "scores" / "scores.json", {})
    result = CliRunner().invoke(demo_command.app, ["results", "after", "--data", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert [command[3] for command in calls] == ["unlearn", "circuits"] * 2 and asked == [["row1", "row3", "row4", "row2"]] * 2
    folder = tmp_path / "results" / "runs"
    kept = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert kept == {f"{name}-seed0/circuits/{file}" for name in ("npo", "graddiff") for file in ("circuits.json", "kept.csv")}
    assert not list(folder.rglob("eap-ig")) and not list(folder.rglob("model"))
