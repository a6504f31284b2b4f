"""open-unlearning's EVAL and SUMMARY files become an evaluation to compare with: null is said, other sets are refused."""

import json
import math

import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import eval_import, outcomes, studies
from analysis.__main__ import app
from analysis.report_runs import _rebuilt

SUMMARY = {"forget_quality": 0.01, "model_utility": None, "forget_Q_A_Prob": 0.3, "ra_Q_A_Prob": 0.4}


def tofu() -> dict:
    """As open-unlearning's TOFU evaluator writes it: sample 1 was dropped, null where it could not compute, p as it is."""
    return {
        "forget_Q_A_Prob": {"agg_value": 0.3, "value_by_index": {
            "0": {"prob": 0.5, "avg_loss": 0.7}, "2": {"prob": 0.1, "avg_loss": 2.3}}},
        "forget_Q_A_ROUGE": {"agg_value": 0.5, "value_by_index": {
            "0": {"rouge1_recall": 1.0, "rougeL_f1": 0.9, "rougeL_recall": 0.8, "input": "Question 0?", "ground_truth": "Answer 0",
                  "generation": "=SUM(A1)"}, "1": None}},
        "forget_quality": {"agg_value": 0.01}, "model_utility": {"agg_value": None},
        "mia_min_k": {"forget": {"value_by_index": {"0": {"score": 1.0}}}, "auc": 0.4, "agg_value": 0.4},
        "privleak": {"agg_value": float("nan")},
    }


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "space"))
    rows = "".join(f'{{"question": "Question {row}?", "answer": "Answer {row}"}}\n' for row in range(3)).encode()
    return studies.create("made", "Made", "nowhere", rows, rows, (".jsonl", ".jsonl"))


def written(content) -> bytes:
    return json.dumps(content).encode()


def test_figures_nulls_and_dropped_samples(study):
    files = {"TOFU_EVAL.json": written(tofu()), "TOFU_SUMMARY.json": b"\xef\xbb\xbf" + written(SUMMARY)}
    said = eval_import.bring_in(study, "theirs", files)
    assert said == "5 of 7 metrics have a figure; 2 of 3 samples by themselves"
    place = eval_import.imported(study)["theirs"] / "evaluation"
    found = outcomes.read_evaluation(place)
    assert found.summary == {
        "forget_Q_A_Prob": 0.3, "forget_Q_A_ROUGE": 0.5, "forget_quality": 0.01, "model_utility": eval_import.NULL, "mia_min_k": 0.4,
        "privleak": eval_import.NULL, "ra_Q_A_Prob": 0.4, "forget_quality_log10_p": math.log10(0.01)}
    table = pd.read_csv(place / "evaluation.csv")
    assert table["row"].tolist() == [0, 2] and table["probability"].tolist() == [0.5, 0.1]
    assert found.generations.iloc[0] == "=SUM(A1)" and table["generation"][0] == "'=SUM(A1)"
    manifest = json.loads((place / "manifest.json").read_text())
    assert set(manifest["files"]) == {"TOFU_EVAL.json", "TOFU_SUMMARY.json"} and manifest["n_samples"] == 2


def test_what_the_report_writes_of_a_run_can_be_brought_in_again(study, tmp_path):
    """Our own EVAL file, put together for the report, has the form that is read here."""
    summary = {"forget_Q_A_Prob": 0.25, "privleak": "not computed: needs a holdout set"}
    table = pd.DataFrame({"row": [0, 1, 2], "sample_id": list("abc"), "probability": [0.5, 0.2, 0.05], "nll": [0.7, 1.6, 3.0]})
    table.to_csv(tmp_path / "evaluation.csv", index=False)
    eval_import.bring_in(study, "ours", {"LETHE_EVAL.json": written(_rebuilt(summary, tmp_path / "evaluation.csv"))})
    place = eval_import.imported(study)["ours"] / "evaluation"
    assert outcomes.read_evaluation(place).summary == summary
    assert pd.read_csv(place / "evaluation.csv")["probability"].tolist() == [0.5, 0.2, 0.05]


def changed(metric, **value):
    content = tofu()
    content[metric] = content.get(metric, {}) | value
    return written(content)


@pytest.mark.parametrize(("content", "said"), [
    (b"{", "expected JSON"), (b"[1]", "an object of 1 to 500 metrics"), (b"{}", "an object of 1 to 500 metrics"),
    (b" " * (eval_import.LARGEST + 1), "at most 20 MB"),
    (b"\xff\xfe{", "UTF-8"), (b"[" * 100_000, "f.json"), (b'{"a": ' + b"9" * 5000 + b"}", "f.json"),
    (written({"forget_quality": "high"}), "forget_quality: expected a number or null, got 'high'"),
    (written({"forget_quality": True}), "expected a number or null, got 'True'"),
    (written({"forget_quality": {"value": 1}}), "an object with agg_value"),
    (written({"a\nb": 1}), "printable characters"), (written({"a": 10**400}), "expected a number"),
    (changed("forget_Q_A_Prob", value_by_index={"3": {"prob": 1.0}}), "sample '3' is no row of this study's forget set"),
    (changed("forget_Q_A_Prob", value_by_index={"-1": {"prob": 1.0}}), "sample '-1' is no row"),
    (changed("forget_Q_A_Prob", value_by_index={"²": {"prob": 1.0}}), "is no row"),
    (changed("forget_Q_A_Prob", value_by_index=[1]), "value_by_index to be an object"),
    (changed("forget_Q_A_ROUGE", value_by_index={"0": {"ground_truth": "Geese"}}), "sample 0 is of another forget set: 'Geese'"),
])
def test_what_cannot_be_compared_is_refused_by_name_and_leaves_nothing(content, said, study):
    with pytest.raises(ValueError, match="f.json: ") as error:
        eval_import.bring_in(study, "x", {"f.json": content})
    assert said in str(error.value) and not eval_import.folder(study).exists()


def test_files_of_two_evaluations_are_not_mixed(study):
    with pytest.raises(ValueError, match="b.json: forget_Q_A_Prob: 0.9 here, 0.3 in another file"):
        eval_import.bring_in(study, "x", {"a.json": written(tofu()), "b.json": written(SUMMARY | {"forget_Q_A_Prob": 0.9})})


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", "..", "x" * 65, "a\0b", "C:\\x", "․․"])
def test_a_name_is_a_slug(name, study):
    with pytest.raises(ValueError, match="expected a name"):
        eval_import.bring_in(study, name, {"a.json": written(SUMMARY)})


def test_the_command_says_what_it_read(study, tmp_path):
    (tmp_path / "S.json").write_bytes(written(SUMMARY))
    result = CliRunner().invoke(app, ["import-eval", "--study", "made", "--name", "s", "--file", str(tmp_path / "S.json")])
    assert result.exit_code == 0 and "3 of 4 metrics have a figure; kept in" in result.output, result.output
    bad = CliRunner().invoke(app, ["import-eval", "--study", "made", "--name", "s", "--file", str(tmp_path / "none.json")])
    assert bad.exit_code == 2 and bad.stderr.startswith("error: ") and len(bad.stderr.splitlines()) == 1
