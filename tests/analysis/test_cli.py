"""The command line's contract on a tiny model folder: files, columns, shapes, exit codes, nothing half-written."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from typer.testing import CliRunner

from analysis import anchor_runs, store
from analysis.__main__ import app, main
from analysis.graph import GraphIndex

PEOPLE = ["Ana", "Bo", "Cy", "Di", "Ed", "Fay", "Gil", "Hal"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer):
    """A model folder and two JSONL files, as a user would have them."""
    from tests.tiny_models import tiny_model

    root = tmp_path_factory.mktemp("cli")
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    for name, place in (("forget", "Lund"), ("retain", "Oslo")):
        rows = [{"question": f"Where does {p} live?", "answer": f"{place} {i}",  # the same words in another order: as many tokens
                 "corrupted_question": f"Where live does {p}?"} for i, p in enumerate(PEOPLE)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def run(*arguments, catch=True):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=catch)


def sets(folder):
    return "--model", folder / "model", "--forget", folder / "forget.jsonl", "--retain", folder / "retain.jsonl"


def test_circuits_writes_tensors_names_and_eap_ig_files(folder, tmp_path):
    out = tmp_path / "circuits"
    result = run("circuits", "--model", folder / "model", "--data", folder / "forget.jsonl", "--output", out,
                 "--method", "EAP", "--n-edges", 30, "--limit", 3)
    assert result.exit_code == 0, result.output
    record, tensors = json.loads((out / "circuits.json").read_text()), load_file(out / "circuits.safetensors")
    index = GraphIndex(**record["graph"])
    assert (record["sources"], record["destinations"]) == (index.forward_names, index.backward_names)
    assert tensors["scores"].shape == tensors["in_circuit"].shape == (3, index.real_edges.sum())
    assert tensors["scores"].dtype == np.float32
    assert tensors["in_circuit"].dtype == bool
    assert 0 < tensors["in_circuit"][0].sum() <= 30
    assert record["config"]["method"] == "EAP"
    assert len(record["fingerprint"]) == 16
    exported = json.loads((out / "eap-ig" / f"{record['sample_ids'][1]}.json").read_text())
    edge = exported["edges"]["input->a0.h1<k>"]
    place = [index.edge_name(*edge) for edge in np.argwhere(index.real_edges).tolist()].index("input->a0.h1<k>")
    assert edge == {"score": pytest.approx(tensors["scores"][1, place]), "in_graph": bool(tensors["in_circuit"][1, place])}
    assert exported["cfg"] == {"n_layers": 2, "n_heads": 4, "parallel_attn_mlp": False, "d_model": 16}


def test_patching_works_where_prompts_have_equal_length_and_is_refused_where_not(folder, tmp_path):
    def patched(data, out):
        return run("circuits", "--model", folder / "model", "--data", data, "--output", out, "--ablation", "patching", "--ig-steps", 2)

    assert patched(folder / "forget.jsonl", tmp_path / "a").exit_code == 0
    assert np.abs(load_file(tmp_path / "a" / "circuits.safetensors")["scores"]).max() > 0
    (tmp_path / "x.jsonl").write_text('{"question": "Who?", "answer": "Ana", "corrupted_question": "Who on earth?"}\n')
    refused = patched(tmp_path / "x.jsonl", tmp_path / "b")
    assert refused.exit_code == 2
    assert "row 1: patching needs prompts of equal length" in refused.stderr
    assert not (tmp_path / "b").exists()


@pytest.fixture(autouse=True, scope="module")
def workspace(tmp_path_factory):
    """Where anchor runs are kept, for all tests of this file: they take most of its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        yield store.workspace()


SMALL = ["--n-anchors", 1, "--n-pairs", 3, "--n-edges", 30, "--method", "EAP"]


def test_score_writes_the_table_of_the_contract(folder, tmp_path):
    out = tmp_path / "scores"
    result = run("score", *sets(folder), "--output", out, *SMALL)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "scores.csv")
    assert list(table) == ["sample_id", "row", "question", "answer", "n_answer_tokens", "base_nll", "token_frequency", "template",
                           "fold", "cud", "cud_role", "mrd", "mrd_stderr", "rank_cud", "rank_mrd"]
    assert table["cud_role"].value_counts().to_dict() == {"scored": 4, "anchor_easy": 2, "anchor_hard": 2}
    assert table["cud"].between(0, 1).all()
    assert (table["mrd_stderr"] > 0).all()
    assert set(table["template"]) == {"Where does _ live?"}
    for _, half in table.groupby("fold"):
        assert half.sort_values("cud", ascending=False)["rank_cud"].is_monotonic_increasing
    assert sorted(table["rank_cud"]) == sorted([*table["rank_cud"][table["fold"] == 0]] * 2)  # the halves' places are the same
    details = json.loads((out / "scores.json").read_text())
    assert {"fingerprint", "versions", "data", "config"} <= set(details)
    assert {k: set(v) for k, v in details["folds"].items()} == {
        str(half): set(table["sample_id"][table["fold"] == half]) for half in (0, 1)
    }
    for method in ("GradDiff", "NPO", "SimNPO", "RMU", "UNDIAL"):
        assert list(details["anchor_losses"][method]) == table["sample_id"].tolist()
        mean = np.exp(-np.array(list(details["anchor_losses"][method].values()))).mean()
        assert details["anchor_forget_probability"][method] == pytest.approx(mean, abs=1e-4)
    for half, sides in details["anchors"].items():
        for side, ids in sides.items():
            assert set(ids) <= set(details["folds"][half])
            assert set(table.set_index("sample_id").loc[ids, "cud_role"]) == {f"anchor_{side}"}


def test_other_settings_of_cud_cost_no_training(folder, tmp_path, workspace, monkeypatch):
    def scored(name, *options):
        result = run("score", *sets(folder), "--output", tmp_path / name, *SMALL, *options)
        return result, len(list((workspace / "objects" / "anchor-runs").glob("*/*/manifest.json")))

    assert scored("a")[1] == 10  # five methods, two halves
    monkeypatch.setattr(anchor_runs, "final_nll", None)  # to train would fail
    settings = ["--similarity", "cosine", "--no-weighted", "--label", "increase", "--anchor-method", "RMU", "--anchor-method", "NPO"]
    result, n_runs = scored("b", *settings)
    assert result.exit_code == 0, result.output
    assert n_runs == 10
    details = json.loads((tmp_path / "b" / "scores.json").read_text())
    assert details["config"]["cud"] == {
        "n_edges": 30, "n_anchors": 1, "similarity": "cosine", "weighted": False, "label": "increase", "methods": ["RMU", "NPO"],
    }
    assert list(details["anchor_losses"]) == ["RMU", "NPO"]
    first, second = (pd.read_csv(tmp_path / name / "scores.csv") for name in "ab")
    assert not np.allclose(first["cud"], second["cud"])
    with pytest.raises(TypeError):
        run("score", *sets(folder), "--output", tmp_path / "c", *SMALL, "--no-reuse", catch=False)


def test_options_of_cud_that_do_not_exist_are_refused(folder, tmp_path):
    for options, message in (
        (["--anchor-method", "Magic"], "method: expected one of GradAscent, GradDiff, NPO"), (["--n-anchors", 0], "n_anchors must be"),
        (["--similarity", "none"], "none"), (["--label", "none"], "none"),
    ):
        result = run("score", *sets(folder), "--output", tmp_path / "o", *SMALL, *options)
        assert result.exit_code == 2
        assert message in " ".join(result.output.split())
        assert not (tmp_path / "o").exists()


def test_a_failed_score_leaves_nothing(folder, tmp_path):
    out = tmp_path / "scores"
    result = run("score", *sets(folder), "--output", out, "--n-anchors", 1, "--preset", "embedded")
    assert result.exit_code == 2  # the embedded preset names a layer for RMU that a 2-layer model has not
    assert "RMU: layer must be 0 to 0" in result.stderr
    assert not list(tmp_path.iterdir())


def test_unlearn_writes_a_loadable_model_and_its_records(folder, tmp_path):
    from transformers import AutoModelForCausalLM

    out = tmp_path / "run"
    result = run("unlearn", *sets(folder), "--method", "NPO", "--output", out, "--n-epochs", 2, "--learning-rate", 0.01)
    assert result.exit_code == 0, result.output
    samples = pd.read_csv(out / "samples.csv")
    assert {"sample_id", "nll_before", "nll_after", "probability_before", "probability_after", "forgotten_epoch"} <= set(samples)
    assert samples["probability_after"].to_numpy() == pytest.approx(np.exp(-samples["nll_after"]))
    assert pd.read_csv(out / "steps.csv")["step"].tolist() == [1, 2]
    trajectories = pd.read_csv(out / "trajectories.csv")
    assert set(trajectories["split"]) == {"forget", "retain"}
    assert sorted(set(trajectories["epoch"])) == [0, 1, 2]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["config"]["method_args"] == {"beta": 0.1, "gamma": 1.0, "alpha": 1.0, "retain_loss": "NLL"}
    assert not out.with_name("run.partial").exists()
    model = AutoModelForCausalLM.from_pretrained(out / "model", dtype=torch.float32)
    last = trajectories[(trajectories["epoch"] == 2) & (trajectories["split"] == "forget")]["nll"]
    assert loaded_nll(model, folder) == pytest.approx(last.to_numpy(), rel=1e-4)
    again = run("unlearn", *sets(folder), "--method", "NPO", "--output", out)
    assert again.exit_code == 2
    assert "exists already" in again.output


def loaded_nll(model, folder):
    from transformers import AutoTokenizer

    from analysis.dataset import load_samples
    from analysis.evaluation import answer_nll
    from analysis.tokens import tokenize

    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    return answer_nll(model.eval(), tokenize(load_samples(folder / "forget.jsonl"), tokenizer))


@pytest.mark.parametrize(("content", "message"), [
    ('{"question": "q", "answer": "a"}\n{"question": "q2"}\n', "row 2, column 'answer': missing"),
    ('{"question": "q", "answer": "a"}\n{"question": "q2", "answer": "  "}\n', "row 2, column 'answer': empty"),
    ('{"question": "q", "answer": "a"}\nnot json\n', "row 2: not JSON"),
    ('{"question": "q", "answer": 7}\n', "row 1, column 'answer': expected text, got the value 7; write it in quotes"),
    ("", "no rows"),
])
def test_bad_data_is_one_line_naming_file_row_and_cause(folder, tmp_path, content, message):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(content)
    result = run("circuits", "--model", folder / "model", "--data", bad, "--output", tmp_path / "out")
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert "bad.jsonl" in lines[0]
    assert message in lines[0]
    assert not list(tmp_path.glob("*out*"))


def test_bad_models_and_options_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    missing = run("circuits", "--model", tmp_path / "empty", "--data", folder / "forget.jsonl", "--output", tmp_path / "o")
    assert missing.exit_code == 2
    assert "config.json" in missing.stderr
    wrong = run("circuits", "--model", folder / "model", "--data", folder / "forget.jsonl", "--output", tmp_path / "o", "--method", "X")
    assert wrong.exit_code == 2
    broken = tmp_path / "broken"
    shutil.copytree(folder / "model", broken)
    weights = (broken / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    truncated = run("circuits", "--model", broken, "--data", folder / "forget.jsonl", "--output", tmp_path / "o")
    assert truncated.exit_code == 2
    assert len(truncated.stderr.strip().splitlines()) == 1
    files = ["--data", folder / "forget.jsonl", "--output", tmp_path / "o"]
    device = run("circuits", "--model", folder / "model", *files, "--device", "tpu")
    assert device.exit_code == 2
    assert "expected one of cpu" in device.stderr
    few = run("score", *sets(folder), "--output", tmp_path / "o")
    assert few.exit_code == 2
    assert "each half of the forget set: expected at least 48 samples, got 8" in few.stderr
    assert not (tmp_path / "o").exists()


def test_an_over_long_sample_leaves_no_half_run(folder, tmp_path):
    (tmp_path / "long.jsonl").write_text(json.dumps({"question": "why " * 200, "answer": "x"}) + "\n")
    result = run("unlearn", "--model", folder / "model", "--forget", tmp_path / "long.jsonl", "--retain", folder / "retain.jsonl",
                 "--method", "NPO", "--output", tmp_path / "run")
    assert result.exit_code == 2
    assert "long: row 1" in result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["long.jsonl"]


@pytest.mark.parametrize("arguments", ["circuits --method X", "unlearn --model m --forget f --retain r --output o"])
def test_a_usage_error_is_one_line(arguments, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["analysis", *arguments.split()])
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the tests keep their own
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("error: ") and len(said.strip().splitlines()) == 1


def test_a_validity_table_that_cannot_be_written_is_refused_before_it_is_computed(tmp_path):
    result = run("validity", "--scores", tmp_path, "--circuits", tmp_path, "--run", tmp_path, "--output", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}: expected a file ending in .csv\n"
