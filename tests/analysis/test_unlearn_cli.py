"""The command `unlearn`: its options reach the run, and what cannot be is one line before the model is loaded."""

import json
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from analysis import atomic, conflict_map, store
from analysis.dataset import load_samples
from analysis.model import load_model
from analysis.runs import config_of
from analysis.unlearn_command import WhatIf, app
from analysis.what_if import WHAT_IFS, stages_of
from tests.analysis.test_conflict_map import made_map, node
from tests.tiny_models import tiny_model

LAYER = "transformer.h.0.mlp.c_fc.weight"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    root = tmp_path_factory.mktemp("unlearn")
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    for name, place in (("forget", "Lund"), ("retain", "Oslo")):
        rows = [{"question": f"Where does {p} live?", "answer": f"{place} {i}"} for i, p in enumerate(("Ana", "Bo", "Cy", "Di"))]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ids = [sample.id for sample in load_samples(root / "forget.jsonl")]
    known = dict.fromkeys(store.SCORE_COLUMNS, 0) | {"sample_id": ids, "rank_cud": [2.0, 4.0, 1.0, 3.0], "fold": 0}
    atomic.write_csv(root / "scores" / "scores.csv", pd.DataFrame(known))
    atomic.write_json(root / "scores" / "scores.json", {})
    save_file({LAYER: torch.arange(16 * 24).reshape(16, 24) % 2 == 0}, root / "mask.safetensors")
    return root


def run(folder, output, *options, method="NPO", model="model"):
    sets = ["--model", folder / model, "--forget", folder / "forget.jsonl", "--retain", folder / "retain.jsonl"]
    arguments = [*sets, "--method", method, "--output", output, "--n-epochs", 2, "--learning-rate", 0.01, *options]
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_options_reach_the_run(folder, tmp_path):
    options = ["--sampling", "cga", "--cga-refresh", 2, "--retain-loss", "KL", "--batch-size", 1, "--accumulate", 2,
               "--precision", "bf16", "--lora-rank", 2, "--retain-floor", 1e-9, "--evaluate-every", 1, "--checkpoint-every", 3]
    result = run(folder, tmp_path / "run", *options)
    assert result.exit_code == 0, result.output
    config = config_of(tmp_path / "run")
    assert config["method_args"]["retain_loss"] == "KL" and config["sampling"] == "CGA" and config["sampling_args"]["refresh"] == 2
    assert [config[k] for k in ("batch_size", "n_accumulation", "precision", "lora_rank", "evaluate_every")] == [1, 2, "bf16", 2, 1]
    assert set(load_file(tmp_path / "run" / "model" / "model.safetensors")) == set(load_file(folder / "model" / "model.safetensors"))


def test_a_curriculum_follows_the_ranks_of_the_scores(folder, tmp_path):
    for name, first in (("easy-first", 1), ("hard-first", 2)):  # rank 1 = hardest
        result = run(folder, tmp_path / name, "--sampling", name, "--scores", folder / "scores", "--batch-size", 4)
        assert result.exit_code == 0, result.output
        rows = pd.read_csv(tmp_path / name / "steps.csv", dtype=str).rows.tolist()
        assert rows[0].split() == [str(first)] * 4 and sorted(rows[1].split()) == ["0", "1", "2", "3"]


def test_a_mask_from_a_file_freezes_the_saved_model(folder, tmp_path):
    result = run(folder, tmp_path / "run", "--mask", folder / "mask.safetensors")
    assert result.exit_code == 0, result.output
    before, after = (load_file(f / "model.safetensors") for f in (folder / "model", tmp_path / "run" / "model"))
    assert {name for name in before if not torch.equal(before[name], after[name])} == {LAYER}
    same = (before[LAYER] == after[LAYER]).flatten().numpy()
    assert (same == (np.arange(16 * 24) % 2 == 1)).all()
    config = config_of(tmp_path / "run")
    assert len(config["mask"]) == 16 and config["what_if"] is None
    assert config["stages"] == [{"name": "mask", "n_epochs": 2, "n_parameters": 16 * 12, "with_retain": True}]


def test_the_masks_of_a_conflict_map_are_given_by_their_folder(folder, tmp_path):
    for stage in ("forget", "conflict"):
        file = tmp_path / stage / "masks.safetensors"
        file.parent.mkdir()
        save_file({f"{stage}/{LAYER}": torch.ones(16, 24, dtype=torch.bool)}, file)
        result = run(folder, tmp_path / "run", "--mask", file, model="no-such-model")
        assert result.exit_code == 2 and f"got the two of a conflict map: give its folder, --mask {file.parent}" in result.stderr


@pytest.fixture(scope="module")
def conflicts(folder):
    """A folder of a conflict map of the model, and one of another model's."""
    labels = {"a0.h2": "forget", "m1": "forget", "a1.h1": "conflict"}
    names = load_model(str(folder / "model"), "cpu").index.forward_names[1:]
    nodes = {name: node(labels.get(name, "retain"), kind="MLP" if name[0] == "m" else "head", layer=int(name[1])) for name in names}
    fingerprint = load_model(str(folder / "model"), "cpu").fingerprint
    for name, of in (("conflicts", fingerprint), ("others", "0" * 16)):
        atomic.write_json(folder / name / "conflicts.json", conflict_map.to_json(made_map(nodes, provenance={"fingerprint": of})))
    return folder / "conflicts"


def test_a_conflict_map_trains_its_two_stages(folder, conflicts, tmp_path):
    """MLP 1 and heads of either layer, by their place in GPT-2's matrices; all else keeps its bits."""
    result = run(folder, tmp_path / "run", "--mask", conflicts, "--n-epochs", 4)
    assert result.exit_code == 0, result.output
    assert "stage forget, epoch 1, step 1 of" in result.stderr and "stage conflict, epoch 2, step 2 of" in result.stderr
    before, after = (load_file(f / "model.safetensors") for f in (folder / "model", tmp_path / "run" / "model"))
    moved = {name: before[name] != after[name] for name in before if not torch.equal(before[name], after[name])}
    of_heads = {f"transformer.h.{layer}.attn.{name}" for layer in (0, 1) for name in ("c_attn.weight", "c_attn.bias", "c_proj.weight")}
    assert set(moved) == of_heads | {name for name in before if ".1.mlp." in name}
    for layer, head in ((0, 2), (1, 1)):
        output = moved[f"transformer.h.{layer}.attn.c_proj.weight"]
        assert output[4 * head : 4 * head + 4].all() and output.sum() == 4 * 16
    config = config_of(tmp_path / "run")
    assert config["what_if"] == "clue" and [(s["name"], s["n_epochs"]) for s in config["stages"]] == [("forget", 1), ("conflict", 3)]
    assert pd.read_csv(tmp_path / "run" / "steps.csv").stage.tolist() == ["forget"] + ["conflict"] * 3


def test_the_runs_seed_draws_the_random_nodes(folder, conflicts, tmp_path):
    """Which parameters moved shows which nodes they were: the MLP of the other layer, than with seed 0."""
    handle, found = load_model(str(folder / "model"), "cpu"), conflict_map.read(conflicts)
    before = load_file(folder / "model" / "model.safetensors")
    result = run(folder, tmp_path / "run", "--mask", conflicts, "--what-if", "random", "--seed", 5)
    assert result.exit_code == 0, result.output
    after = load_file(tmp_path / "run" / "model" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    drawn = {seed: {name for stage in stages_of(handle, found, "random", 2, seed=seed) for name in stage.mask} for seed in (0, 5)}
    assert moved == drawn[5] != drawn[0]


@pytest.mark.parametrize(("what_if", "stages"), [
    ("forget-only", ["forget"]), ("conflict-only", ["conflict"]), ("conflict-as-everything", ["forget", "everything"]),
    ("random", ["random forget", "random conflict"]), ("important", ["important"]), ("gradient", ["gradient"]),
])
def test_every_what_if_of_a_conflict_map_runs(what_if, stages, folder, conflicts, tmp_path):
    result = run(folder, tmp_path / "run", "--mask", conflicts, "--what-if", what_if)
    assert result.exit_code == 0, result.output
    config = config_of(tmp_path / "run")
    assert config["what_if"] == what_if and [stage["name"] for stage in config["stages"]] == stages


def test_a_conflict_map_of_another_model_is_refused(folder, conflicts, tmp_path):
    result = run(folder, tmp_path / "run", "--mask", folder / "others")
    assert result.exit_code == 2 and f"the conflict map is of weights with fingerprint {'0' * 16}, got a model with" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "message"), [
    (["--cga-refresh", 2], "--cga-refresh: expected with --sampling cga only"),
    (["--sampling", "easy-first"], "expected --scores with --sampling easy-first or hard-first"),
    (["--scores", "x"], "expected --scores with --sampling easy-first or hard-first, and only there"),
    (["--sampling", "hard-first", "--scores", "nowhere"], "expected a folder with scores.csv"),
    (["--sampling", "cga", "--cga-refresh", 0], "refresh must be at least 1 epoch"),
    (["--mask", "nowhere", "--lora-rank", 2], "expected --mask or --lora-rank, not both"),
    (["--mask", "nowhere"], "nowhere: expected a safetensors file of bool tensors"),
    (["--mask", "."], ".: expected a folder with conflicts.json, found none"),
    (["--mask", "nowhere", "--what-if", "clue"], "expected with the folder of a conflict map as --mask only, got --mask nowhere"),
    (["--what-if", "random"], "--what-if: expected with the folder of a conflict map as --mask only, got --mask None"),
    (["--retain-floor", 2], "retain_floor must be a probability"),
    (["--batch-size", 0], "batch_size must be positive"),
    (["--accumulate", -1], "n_accumulation must be positive"),
])
def test_what_cannot_be_is_one_line_before_the_model_is_loaded(folder, tmp_path, options, message):
    result = run(folder, tmp_path / "run", *options, model="no-such-model")
    assert result.exit_code == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_retain_loss_is_refused_by_a_method_without_one(folder, tmp_path):
    result = run(folder, tmp_path / "run", "--retain-loss", "KL", method="RMU", model="no-such-model")
    assert result.exit_code == 2 and "--retain-loss: RMU has no language-model loss on the retain set" in result.stderr


def test_resume_without_a_checkpoint_and_a_new_run_over_one_are_said(folder, tmp_path):
    result = run(folder, tmp_path / "run", "--resume")
    assert result.exit_code == 0 and "no checkpoint in" in result.stderr and "starts anew" in result.stderr
    atomic.write_bytes(tmp_path / "other.partial" / "checkpoint" / "state.safetensors", b"left by a killed run")
    result = run(folder, tmp_path / "other")
    assert result.exit_code == 0 and "--resume would have gone on with it" in result.stderr
    assert not (tmp_path / "other.partial").exists()


def test_a_run_that_fell_below_its_floor_says_at_which_step(folder, tmp_path):
    """GradAscent destroys everything, so any floor just below the start is crossed at once."""
    run(folder, tmp_path / "free")
    floor = json.loads((tmp_path / "free" / "manifest.json").read_text())["summary"]["retain_probability_before"] * 0.99
    result = run(folder, tmp_path / "run", "--retain-floor", floor, "--learning-rate", 0.05, method="GradAscent")
    assert result.exit_code == 0 and "stopped at step 1, with the weights of step 0" in result.output


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_seed_that_torch_cannot_take_is_refused_by_its_name(folder, tmp_path, seed):
    result = run(folder, tmp_path / "run", "--seed", seed)
    assert result.exit_code == 2 and "--seed" in result.output and list(tmp_path.iterdir()) == []


def test_a_path_that_cannot_be_written_is_named_without_the_system_s_number(folder, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = run(folder, tmp_path / "file" / "run")
    assert result.exit_code == 2 and str(tmp_path / "file") in result.stderr and "Errno" not in result.stderr
    assert (tmp_path / "file").read_text() == "mine"


def test_the_command_offers_the_what_ifs_that_there_are():
    assert get_args(WhatIf) == WHAT_IFS
