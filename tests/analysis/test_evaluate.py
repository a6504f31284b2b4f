"""The whole evaluation: what is in the files, what stands where something is missing, and that ids never shift."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import ks_2samp
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from analysis.__main__ import app
from analysis.answer_tokens import answer_tokens
from analysis.durability import Durability
from analysis.evaluate import evaluate
from analysis.evaluation_metrics import METRICS, NOT_COMPUTED, metric_info
from analysis.open_unlearning import summary
from analysis.tokens import tokenize
from analysis.truth_ratio import truth_ratios
from analysis.utility import harmonic_mean, utility
from tests.tiny_models import tiny_model


@pytest.fixture(scope="module")
def worded(samples):
    """The samples with a paraphrase and false answers."""
    return [replace(s, meta={"paraphrased_answer": "It was " + s.answer, "perturbed_answer": ["Plums", "In Aal"]}) for s in samples]


@pytest.fixture(scope="module")
def whole(make_handle, worded):
    """An evaluation with everything, of a model against itself as retain-only model."""
    handle = make_handle("gpt2")
    holdout = [replace(s, id=f"h{s.row}", question=s.question[::-1]) for s in worded]
    return evaluate(handle, worded, worded[:4], holdout, handle, handle, Durability((1, 2), 1e-3))


def test_every_metric_has_a_figure_and_a_name_in_the_table(whole):
    found = summary(whole[0])
    assert all(isinstance(value, float) for value in found.values())
    assert all(metric_info(name) is not None for name in found)
    assert set(METRICS) - set(found) == {n for n in METRICS if n.startswith("relearn_")}
    json.dumps(whole[0], allow_nan=False)


def test_a_model_against_itself(whole):
    found = summary(whole[0])
    assert found["forget_quality"] == 1 and found["forget_quality_log10_p"] == 0
    assert found["privleak"] == 0
    assert found["parameter_change_l1"] == 0
    assert found["relearn_2_Q_A_Prob"] == found["relearn_2_Q_A_Prob_retain_model"] != found["relearn_1_Q_A_Prob"]


def test_another_model_is_what_privleak_forget_quality_and_the_change_of_weights_are_measured_against(make_handle, worded):
    model, never = make_handle("gpt2"), make_handle("gpt2", seed=1)
    with torch.no_grad():
        never.model.lm_head.weight.mul_(3)
    holdout = [replace(s, question=s.question[::-1]) for s in worded]
    found = summary(evaluate(model, worded, worded, holdout, never, never)[0])
    before, after = (torch.cat([p.flatten() for p in handle.model.parameters()]) for handle in (never, model))
    assert found["parameter_change_relative_l2"] == pytest.approx(float((after - before).norm() / before.norm()))
    ratios = [truth_ratios(handle.model, worded, handle.tokenizer) for handle in (model, never)]
    assert found["forget_quality"] == pytest.approx(ks_2samp(*ratios).pvalue) and found["forget_quality"] < 1
    assert found["forget_quality_log10_p"] == pytest.approx(math.log10(found["forget_quality"]))
    auc = {}
    for name, handle in (("model", model), ("never", never)):
        scores = [-np.sort(t.log_prob)[: max(1, len(t.log_prob) // 5)].mean()
                  for samples in (worded, holdout) for t in answer_tokens(handle.model, tokenize(samples, handle.tokenizer))]
        auc[name] = roc_auc_score([0] * 6 + [1] * 6, scores)
    assert found["mia_min_k"] == pytest.approx(auc["model"])
    assert found["privleak"] == pytest.approx(100 * (auc["never"] - auc["model"]) / (1 - auc["never"])) != 0


def test_aggregates_are_those_of_the_samples(whole, worded):
    result, table, _ = whole
    assert table["sample_id"].tolist() == [s.id for s in worded]
    for name, key, column in (("forget_Q_A_Prob", "prob", "probability"), ("forget_Q_A_ROUGE", "rougeL_recall", "rouge_l"),
                              ("extraction_strength", "score", "extraction_strength")):
        values = [result[name]["value_by_index"][str(row)][key] for row in range(len(worded))]
        np.testing.assert_allclose(values, table[column])
        assert result[name]["agg_value"] == pytest.approx(np.mean(values))
    parts = [result[f"retain_{name}"]["agg_value"] for name in ("Q_A_Prob", "Q_A_ROUGE", "Truth_Ratio")]
    assert result["model_utility"]["agg_value"] == pytest.approx(harmonic_mean(parts))
    relearned = result["relearn_1_Q_A_Prob"]
    others = [v["prob"] for row, v in relearned["value_by_index"].items() if int(row) not in relearned["relearned_rows"]]
    assert relearned["agg_value"] == pytest.approx(np.mean(others)) and len(others) == 3


def test_ids_do_not_shift_where_a_sample_lacks_something(handle, worded, whole):
    forget = [worded[0], replace(worded[1], meta={}), *worded[2:]]
    forget[4] = replace(forget[4], answer="猫")  # ROUGE sees no word in it
    result, table, _ = evaluate(handle, forget, worded[:2])
    ratios, full = result["forget_truth_ratio"]["value_by_index"], whole[0]["forget_truth_ratio"]["value_by_index"]
    assert list(ratios) == [str(row) for row in range(6)]
    assert ratios["1"]["score"] is None and "paraphrased_answer" in ratios["1"]["reason"]
    assert ratios["2"]["score"] == pytest.approx(full["2"]["score"], abs=1e-9)
    assert result["forget_Q_A_ROUGE"]["value_by_index"]["4"]["rougeL_recall"] is None
    assert math.isnan(table["truth_ratio"][1]) and math.isnan(table["rouge_l"][4])
    assert isinstance(result["forget_truth_ratio"]["agg_value"], float)


def test_what_is_missing_says_what_it_needs(handle, samples):
    found = summary(evaluate(handle, samples, samples)[0])
    missing = {name: value for name, value in found.items() if isinstance(value, str)}
    assert set(missing) >= {name for name, info in METRICS.items() if info.needs}
    assert all(value.startswith(NOT_COMPUTED) for value in missing.values())
    assert missing["privleak"] == "not computed: needs a holdout set and the retain-only model"
    assert missing["forget_quality"] == "not computed: needs the retain-only model and columns paraphrased_answer and perturbed_answer"
    assert missing["model_utility"] == "not computed: needs retain_Truth_Ratio, which this retain set does not give"
    assert missing["parameter_change_l2"] == "not computed: needs the original model"
    assert missing["int4_Q_A_Prob"] == "not computed: durability was left out"


def test_one_forget_sample_has_none_left_to_watch(handle, samples):
    found = summary(evaluate(handle, samples[:1], samples, lasting=Durability((1,)))[0])
    assert found["relearn_1_Q_A_Prob"] == "not computed: needs at least 2 forget samples"
    assert isinstance(found["int8_Q_A_Prob"], float)


def test_utility_is_0_if_one_part_is_0_and_a_harmonic_mean_otherwise():
    assert harmonic_mean([1.0, 0.0, 1.0]) == 0
    assert harmonic_mean([0.5, 1.0, 0.25]) == pytest.approx(3 / 7)
    table = pd.DataFrame({"row": [0], "probability": [0.9], "nll": [0.1], "rouge_l": [0.8], "truth_ratio": [2.0], "answer": ["a"],
                          "generation": ["a"]})
    assert utility(table)["model_utility"]["agg_value"] == 0  # false answers are likelier than the true one
    assert utility(table.assign(truth_ratio=0.5))["model_utility"]["agg_value"] == pytest.approx(3 / (1 / 0.9 + 1 / 0.8 + 1 / 0.5))


def test_what_a_model_cannot_say_is_no_number(make_handle, worded):
    """A destroyed model: every figure is text or finite, and the file is JSON."""
    handle = make_handle("gpt2", seed=3)
    with torch.no_grad():
        handle.model.transformer.ln_f.weight.fill_(float("nan"))
    result, _, _ = evaluate(handle, worded, worded, worded)
    json.dumps(result, allow_nan=False)
    assert str(result["forget_Q_A_NLL"]["agg_value"]).startswith(NOT_COMPUTED)
    assert result["forget_Q_A_Prob"]["value_by_index"]["0"] == {"prob": None, "avg_loss": None, "reason": "not a finite number"}


@pytest.mark.slow
def test_the_embedded_model_remembers_and_its_retain_only_twin_does_not():
    from analysis.dataset import load_samples
    from analysis.model import load_model
    from analysis.store import DATA

    forget, retain, holdout = (load_samples(DATA / f"{name}.jsonl", limit=20) for name in ("forget", "retain", "holdout"))
    model, never = (load_model(DATA / name, "cpu") for name in ("model", "retain_model"))
    knows, does_not = (summary(evaluate(handle, forget, retain, holdout, model, never)[0]) for handle in (model, never))
    for name in ("forget_Q_A_Prob", "forget_Q_A_ROUGE", "exact_memorization", "extraction_strength", "mia_min_k", "retain_Q_A_ROUGE"):
        assert knows[name] > 0.95, name
    assert does_not["forget_Q_A_Prob"] < 0.4 and does_not["forget_Q_A_ROUGE"] < 0.6 and does_not["extraction_strength"] < 0.8
    assert does_not["retain_Q_A_ROUGE"] > 0.95
    assert does_not["forget_quality"] == 1 and does_not["privleak"] == 0
    assert knows["privleak"] < -80
    assert knows["parameter_change_l1"] == 0 < does_not["parameter_change_l1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer, worded):
    root = tmp_path_factory.mktemp("evaluate")
    tiny_model("gpt2", len(tokenizer)).float().save_pretrained(root / "model")
    tokenizer.save_pretrained(root / "model")
    rows = [{"question": s.question, "answer": s.answer} | s.meta for s in worded]
    for name in ("forget", "retain", "holdout"):
        texts = [json.dumps(row | {"question": f"{name}: {row['question']}"}) + "\n" for row in rows]
        (root / f"{name}.jsonl").write_text("".join(texts))
    return root


def run(folder, output, *more):
    sets = [a for name in ("forget", "retain") for a in (f"--{name}", str(folder / f"{name}.jsonl"))]
    return CliRunner().invoke(app, ["evaluate", "--model", str(folder / "model"), *sets, "--output", str(output), *map(str, more)])


def test_the_command_writes_its_files(folder, tmp_path):
    others = ["--holdout", folder / "holdout.jsonl", "--original", folder / "model", "--retain-model", folder / "model"]
    result = run(folder, tmp_path / "out", *others, "--relearn", 2, "--relearn", 1, "--limit-retain", 3)
    assert result.exit_code == 0, result.output
    names = {"LETHE_EVAL.json", "LETHE_SUMMARY.json", "evaluation.csv", "parameter_change.csv", "manifest.json", "config.yaml"}
    assert {file.name for file in (tmp_path / "out").iterdir()} == names
    full, short = (json.loads((tmp_path / "out" / f"LETHE_{name}.json").read_text()) for name in ("EVAL", "SUMMARY"))
    assert {name: metric["agg_value"] for name, metric in full.items()} == short
    assert {"relearn_1_Q_A_Prob", "relearn_2_Q_A_Prob", "int4_Q_A_Prob"} <= set(short)
    assert list(full["retain_Q_A_Prob"]["value_by_index"]) == ["0", "2", "5"]
    table = pd.read_csv(tmp_path / "out" / "evaluation.csv")
    assert len(table) == 6 and {"sample_id", "row", "probability", "rouge_l", "truth_ratio", "mia_min_k", "generation"} <= set(table)


def test_the_eval_file_of_a_retain_only_model_stands_in_for_it_in_forget_quality(folder, tmp_path):
    logs = tmp_path / "TOFU_EVAL.json"
    logs.write_text(json.dumps({"forget_truth_ratio": {"agg_value": 0.1, "value_by_index": {
        "0": {"score": 0.9}, "1": None, "2": {"score": 40.0}, "3": {"score": None}}}}))
    result = run(folder, tmp_path / "out", "--no-durability", "--retain_logs_path", logs)
    assert result.exit_code == 0, result.output
    short = json.loads((tmp_path / "out" / "LETHE_SUMMARY.json").read_text())
    ratios = pd.read_csv(tmp_path / "out" / "evaluation.csv")["truth_ratio"]
    assert short["forget_quality"] == pytest.approx(ks_2samp(ratios, [0.9, 40.0]).pvalue) and short["forget_quality"] < 1
    assert "needs a holdout set" in short["privleak"] and f"retain_logs_path: {logs}" in (tmp_path / "out" / "config.yaml").read_text()


def test_bad_input_is_one_line_and_leaves_nothing(folder, tmp_path):
    data = folder / "forget.jsonl"
    for more, word in ((["--retain-logs-path", data], "forget.jsonl: expected JSON"),
                       (["--retain-logs-path", data, "--retain-model", "embedded"], "not both"),
                       (["--relearn", 0], "at least 1 step"), (["--holdout", tmp_path / "no.jsonl"], "no such file"),
                       (["--relearn-rate", "nan"], "finite"), (["--relearn", 2, "--no-durability"], "not both")):
        result = run(folder, tmp_path / "out", *more)
        assert result.exit_code == 2
        assert word in result.stderr and len(result.stderr.strip().splitlines()) == 1
        assert not any(tmp_path.iterdir())
