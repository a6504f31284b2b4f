"""Reading runs, and the numbers that are drawn from them, worked out by hand."""

import json
import math

import pandas as pd
import pytest

from analysis import evaluation, runs, store, studies
from analysis.dataset import Sample


def samples(*nll_after: float) -> pd.DataFrame:
    frame = pd.DataFrame({
        "sample_id": [f"s{i}" for i in range(len(nll_after))], "row": range(len(nll_after)), "nll_before": 0.1,
        "nll_after": nll_after, "probability_before": math.exp(-0.1),
    })
    never = pd.array([None] * len(frame), "Int64")
    return frame.assign(probability_after=[math.exp(-v) for v in nll_after], forgotten_epoch=never)


def write_run(folder, *nll_after: float, seconds: float | None = 20.0):
    folder.mkdir(parents=True)
    samples(*nll_after).to_csv(folder / "samples.csv", index=False)
    (folder / "config.yaml").write_text("method: NPO\nmethod_args: {beta: 0.1}\nlearning_rate: 1e-05\nn_epochs: 10\nseed: 3\n")
    summary = {"retain_probability": 0.9, "retain_probability_before": 1} | ({"seconds": seconds} if seconds else {})
    (folder / "manifest.json").write_text(json.dumps({"summary": summary}))
    (folder / "trajectories.csv").write_text("sample_id,split,epoch,nll\ns0,forget,0,0.0\ns0,forget,1,0.6931472\ns0,forget,1,9\n")
    return folder


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(store, "DATA", tmp_path / "data")
    return studies.embedded()


def test_a_run_is_read_with_its_numbers(study):
    run = runs.read_run(write_run(runs.runs_folder(study) / "npo", 0.0, 5.0))
    record = run.record
    assert (record.method, record.learning_rate, record.n_epochs, record.seed, record.seconds) == ("NPO", 1e-5, 10, 3, 20.0)
    assert (record.n_samples, record.n_forgotten, record.retain_before, record.shipped) == (2, 1, 1.0, False)
    assert record.forget_probability == pytest.approx((1 + math.exp(-5)) / 2)
    assert list(run.trajectories.probability) == pytest.approx([1.0, 0.5]) and run.steps.empty


def test_shipped_and_own_runs_are_listed_and_half_ones_are_not(study):
    write_run(study.results / "runs" / "npo", 1.0)
    write_run(runs.runs_folder(study) / "rmu", 1.0, seconds=None)
    write_run(runs.runs_folder(study) / "half.partial", 1.0)
    (runs.runs_folder(study) / "empty").mkdir()
    assert [(r.name, r.shipped, r.seconds) for r in runs.list_runs(study)] == [("npo", True, 20.0), ("rmu", False, None)]


def test_a_folder_that_is_no_run_says_what_was_expected(tmp_path):
    with pytest.raises(ValueError, match="expected a finished run with manifest.json"):
        runs.read_run(tmp_path)


def test_files_that_are_being_written_are_read_up_to_the_last_whole_line(tmp_path):
    partial = tmp_path / "run.partial"
    assert runs.read_steps(tmp_path / "run").empty
    partial.mkdir()
    (partial / "steps.csv").write_text("step,epoch,forget_loss,retain_loss,seconds\n1,1,0.5,0.25,0.1\n2,1,0.")
    assert runs.read_steps(tmp_path / "run").to_dict("records") == [
        {"step": 1, "epoch": 1, "forget_loss": 0.5, "retain_loss": 0.25, "seconds": 0.1}
    ]
    assert runs.read_trajectories(tmp_path / "run").empty


@pytest.mark.parametrize(("file", "content"), [
    ("samples.csv", "a,b\n1,2\n"), ("samples.csv", "sample_id,nll_after\ns0,1\n"), ("manifest.json", "[1]"),
    ("manifest.json", '{"summary": {"seconds": "soon"}}'), ("config.yaml", "just words"), ("config.yaml", "n_epochs: [1]"),
])
def test_an_odd_folder_is_left_out_of_the_list(study, file, content):
    write_run(runs.runs_folder(study) / "good", 1.0)
    odd = write_run(runs.runs_folder(study) / "odd", 1.0)
    (odd / file).write_text(content)
    assert [record.name for record in runs.list_runs(study)] == ["good"]
    with pytest.raises(ValueError, match="odd: expected a finished run"):
        runs.read_run(odd)


def test_odd_curves_are_no_curves(study):
    folder = write_run(runs.runs_folder(study) / "a", 1.0)
    (folder / "trajectories.csv").write_text("sample_id,split,epoch,nll\ns0,forget,0,much\n")
    (folder / "steps.csv").write_text("a,b\n1,2\n")
    run = runs.read_run(folder)
    assert run.trajectories.empty and run.steps.empty


def test_cohorts_are_the_quarters_of_all_scored_samples():
    given = [Sample(f"s{i}", f"Who {i}?", "Ana", "forget", i) for i in range(9)]
    scores = pd.DataFrame({"sample_id": [s.id for s in given[:8]], "rank_cud": range(8, 0, -1)})
    known = runs.describe(given, scores)
    assert known.cohort.tolist() == ["easy"] * 2 + ["middle"] * 4 + ["hard"] * 2 + ["unscored"]
    assert known.rank_cud["s0"] == 8


def test_outcome_by_cohort_by_hand():
    cohort = pd.Series({"s0": "hard", "s1": "hard", "s2": "easy"})
    table = runs.outcome_by_cohort(samples(0.0, 0.0, 5.0, 1.0), cohort).set_index("cohort")
    assert list(table.index) == ["hard", "easy", "unscored"] and list(table.n) == [2, 1, 1]
    assert list(table.loc["hard", ["probability", "probability_low", "probability_high", "share"]]) == [1.0, 1.0, 1.0, 0.0]
    assert table.share["easy"] == 1.0 and math.isnan(table.share_low["easy"])
    assert table.probability["unscored"] == pytest.approx(math.exp(-1))


def test_bootstrap_interval_covers_the_mean_and_shrinks_with_n():
    few, many = (runs.bootstrap_mean(pd.Series([0.0, 1.0] * n).to_numpy()) for n in (5, 500))
    assert few[0] == many[0] == 0.5
    assert few[1] < many[1] < 0.5 < many[2] < few[2]
    assert many[2] - many[1] == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(1000), rel=0.1)
    assert runs.bootstrap_mean(pd.Series([0.0, 1.0] * 5).to_numpy()) == few


def test_time_estimate_prefers_runs_of_the_same_method(study):
    own = runs.read_run(write_run(runs.runs_folder(study) / "a", 1.0)).record  # NPO: 2 s per epoch
    assert runs.estimate_seconds([own], "NPO", 5) == (10.0, 1)
    assert runs.estimate_seconds([own], "RMU", None) == (20.0, 1)
    assert runs.estimate_seconds([], "NPO", 5) is None


def test_samples_without_scores_are_unscored():
    known = runs.describe([Sample("s0", "Who?", "Ana", "forget", 0)], None)
    assert known.cohort["s0"] == "unscored" and math.isnan(known.rank_cud["s0"]) and known.question["s0"] == "Who?"


def test_pages_and_command_line_agree_on_what_forgotten_means():
    assert runs.FORGOTTEN_BELOW == evaluation.FORGOTTEN
