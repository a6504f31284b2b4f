"""A planted predictor is found and its shuffled control is not; what templates or baselines explain is taken away."""

import shutil

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import atomic, runs, store, validity
from analysis.__main__ import app
from analysis.predictors import BASELINES, TEMPLATE
from analysis.statistics import resamples
from analysis.validity import COLUMNS, Target, best_baseline, disagreement, main_part, measure, readable
from tests.planted_study import planted_study


def target(hardness, template=None, baselines=None, n_draws=200):
    template = np.zeros(len(hardness), dtype=int) if template is None else template
    return Target(hardness, template, baselines or {}, resamples(len(hardness), n_draws))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Folders, and what they hold."""
    results = planted_study(tmp_path_factory.mktemp("planted"))
    scores, circuits = store.read_scores(results / "scores")[0], store.read_circuits(results / "circuits")[0]
    return results, scores, circuits, [runs.read_run(folder) for folder in sorted((results / "runs").iterdir())]


def test_a_planted_predictor_is_found_and_its_shuffled_control_is_not():
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=120)
    good, held = hardness + rng.normal(size=120), target(hardness)
    found, control = measure("x", good, held, with_p=True), measure("x", rng.permutation(good), held, with_p=True)
    assert found["low"] > 0.4 and found["auroc_low"] > 0.7 and found["p"] <= 0.001
    assert control["low"] < 0 < control["high"] and control["auroc_low"] < 0.5 < control["auroc_high"] and control["p"] > 0.05
    assert measure("x", -good, held)["spearman"] == pytest.approx(-found["spearman"])


def test_what_only_templates_differ_in_is_gone_within_them():
    rng = np.random.default_rng(1)
    template = rng.integers(0, 6, 200)
    hardness, x = template + rng.normal(size=(2, 200))
    row = measure("x", x, target(hardness, template), with_p=True)
    assert row["low"] > 0.5
    assert row["within_low"] < 0 < row["within_high"] and row["within_p"] > 0.05
    inside = measure("x", hardness + template * -3.0, target(hardness, template), with_p=True)  # control: true only within
    assert inside["spearman"] < 0 and inside["within_template"] == pytest.approx(1) and inside["within_p"] <= 0.001


def test_what_the_baselines_say_together_is_taken_away_and_the_rest_stays():
    rng = np.random.default_rng(2)
    a, b, own = rng.normal(size=(3, 200))
    held = target(a + b + own, baselines={"a": a, "b": b})
    copy, more = measure("x", a + b + 0.5 * rng.normal(size=200), held), measure("x", own + a, held)
    assert copy["low"] > 0.5 and copy["given_low"] < 0.1 and abs(copy["given_baselines"]) < 0.15
    assert more["given_low"] > 0.7
    assert np.isnan(measure("x", a + 0.0, held)["given_baselines"])
    assert measure("a", a, held)["given_baselines"] > 0.5  # given b, not itself


def test_the_best_baseline_may_point_either_way():
    rng = np.random.default_rng(3)
    hardness, noise = rng.normal(size=(2, 150))
    held = target(hardness, baselines={"weak": noise, "turned": -hardness + 0.3 * noise})
    row = measure("x", hardness + 0.3 * noise, held)
    assert row["minus_best_baseline"] == pytest.approx(row["spearman"] + measure("turned", held.baselines["turned"], held)["spearman"])
    assert row["minus_low"] < 0 < row["minus_high"]
    assert measure("x", noise + 0.1 * hardness, held)["minus_high"] < 0
    assert "minus_best_baseline" not in measure("weak", noise, held)


def test_samples_without_a_value_do_not_count():
    hardness = np.random.default_rng(4).normal(size=30)
    x = np.where(np.arange(30) < 10, np.nan, hardness)
    row = measure("x", x, target(hardness, baselines={"a": np.arange(30.0)}), with_p=True)
    assert (row["n"], row["spearman"]) == (20, pytest.approx(1))


@pytest.mark.filterwarnings("error")
def test_what_is_the_same_for_all_samples_predicts_nothing_and_takes_nothing_away():
    rng = np.random.default_rng(5)
    hardness, same = rng.normal(size=60), np.ones(60)
    x, weak = hardness + rng.normal(size=(2, 60))
    with_it, without = target(hardness, baselines={"same": same, "weak": weak}), target(hardness, baselines={"weak": weak})
    assert measure("x", x, with_it) == pytest.approx(measure("x", x, without))
    row = measure("same", same, with_it, with_p=True)
    undefined = ("spearman", "low", "high", "within_template", "given_baselines", "p", "within_p")
    assert np.isnan([row[name] for name in undefined]).all() and row["auroc"] == 0.5
    shown = readable(pd.DataFrame([row | {"minus_best_baseline": np.nan, "minus_low": np.nan, "minus_high": np.nan}])).iloc[0]
    assert shown["Spearman"] == "does not vary" and shown["within template"] == shown["p"] == ""
    every = measure("x", x, target(same, baselines={"weak": weak}), with_p=True)  # an outcome that is the same for all
    assert np.isnan([every[name] for name in (*undefined, "auroc", "minus_best_baseline")]).all()


@pytest.mark.filterwarnings("error")
def test_a_predictor_without_any_value_has_no_figures():
    row = measure("x", np.full(20, np.nan), target(np.arange(20.0), baselines={"a": np.arange(20.0)}), with_p=True)
    assert row["n"] == 0 and np.isnan([v for k, v in row.items() if k not in ("predictor", "n")]).all()


def test_the_main_part_finds_the_circuits_and_not_the_noise(planted):
    table = main_part(*planted[1:])
    assert list(table) == COLUMNS
    rows = table.set_index("predictor")
    assert rows.loc["CUD", ["low", "within_low", "given_low", "minus_low"]].min() > 0.2
    assert rows.loc["Mean depth of |score|", "low"] > 0.6
    assert rows.loc[["CUD", "Mean depth of |score|"], ["p", "within_p"]].max(axis=None) < 0.01
    noise = ["MRD", *(name for name in BASELINES if name != TEMPLATE)]
    assert (rows.loc[noise, ["p", "within_p"]] > 0.01).all(axis=None)
    assert np.isnan(rows.loc[TEMPLATE, ["p", "within_template", "within_p", "minus_best_baseline"]].astype(float)).all()
    for column in ("p", "within_p"):  # the smallest of p's, 1 in 10,000, times the number of tests
        assert rows[column].notna().sum() == 10 and rows[column].min() == pytest.approx(10 * 1e-4)
    assert (rows["n"] == 80).all()


def test_answers_of_one_length_leave_the_other_baselines(planted):
    _, scores, circuits, found = planted
    table = main_part(scores.assign(n_answer_tokens=5), circuits, found)
    rows = table.set_index("predictor")
    assert np.isnan(rows.loc["Answer length", ["spearman", "p", "given_baselines"]].astype(float)).all()
    rest = rows.loc[[name for name in BASELINES if name != "Answer length"], "spearman"].abs()
    best = best_baseline(table)
    assert best["predictor"] == rest.idxmax()
    expected = rows.loc["CUD", "spearman"] - rest.max()
    assert rows.loc["CUD", "minus_best_baseline"] == pytest.approx(expected)
    assert best_baseline(table[table["predictor"] == "Answer length"]) is None


def test_whatever_a_table_was_made_from_is_in_its_digest(planted, tmp_path):
    results, _, _, found = planted
    shutil.copytree(results, tmp_path / "a")
    folder = tmp_path / "a"

    def digest() -> str:
        read = [runs.read_run(run) for run in sorted((folder / "runs").iterdir())]
        return validity.inputs_digest(folder / "scores", folder / "circuits", read)

    seen = [validity.inputs_digest(results / "scores", results / "circuits", found), digest()]
    assert seen[0] == seen[1]
    for file, old, new in (
        ("scores/scores.csv", "id000", "id00x"), ("circuits/circuits.json", "zero", "mean"),
        ("runs/npo/samples.csv", "id000", "id00x"), ("runs/rmu/config.yaml", "RMU", "SimNPO"),
    ):
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(old, new, 1))
        seen.append(digest())
    assert len(set(seen)) == 5


def test_a_digest_that_looks_like_a_number_is_read_as_text(tmp_path):
    digest = "0012345678901e99"
    atomic.write_csv(tmp_path / "v.csv", pd.DataFrame(0.5, index=[0], columns=COLUMNS).assign(inputs=digest))
    assert validity.read_table(tmp_path / "v.csv", digest) is not None
    assert validity.read_table(tmp_path / "v.csv", "0012345678901e98") is None


def test_only_samples_with_scores_and_outcomes_count(planted):
    _, scores, circuits, found = planted
    assert set(main_part(scores.iloc[:60], circuits, found)["n"]) == {60}
    with pytest.raises(ValueError, match="5 are in both"):
        main_part(scores.iloc[:5], circuits, found)


@pytest.mark.slow
def test_the_command_writes_every_analysis_and_says_the_main_part(planted, tmp_path, monkeypatch):
    for name, value in {"N_SPLITS": 2, "N_CONTROLS": 2, "SIZES": (), "N_ANCHORS": ()}.items():
        monkeypatch.setattr(f"analysis.stability.{name}", value)
    results, _, _, found = planted
    folders = ["--scores", str(results / "scores"), "--circuits", str(results / "circuits")]
    folders += [word for run in found for word in ("--run", str(run.record.folder))]
    taken = pd.DataFrame({"sample_id": planted[1]["sample_id"], "method": "NPO", "updates": 9, "crossing": 8.5, "forgotten": True})
    atomic.write_csv(tmp_path / "alone" / "alone.csv", taken)
    folders += ["--alone", str(tmp_path / "alone")]
    file = tmp_path / "validity.csv"
    result = CliRunner().invoke(app, ["validity", *folders, "--output", str(file)])
    assert result.exit_code == 0, result.output
    assert "Mean depth of |score|" in result.output
    digest = validity.inputs_digest(results / "scores", results / "circuits", found[::-1], [tmp_path / "alone"])  # in any order
    table = validity.read_table(file, digest)
    assert set(table["analysis"]) == {"main", "method", "similarity", "label", "anchors", "size", "seed", "control", "protocol"}
    assert "unlearned alone: one does not vary" in result.output
    assert validity.read_table(file, validity.inputs_digest(results / "scores", results / "circuits", found)) is None
    assert validity.read_table(file, validity.inputs_digest(results / "scores", results / "circuits", found[:1])) is None
    assert validity.read_table(tmp_path / "none.csv", digest) is None
    pd.testing.assert_frame_equal(table[table["analysis"] == "main"], main_part(*planted[1:]), check_dtype=False)


def test_bad_input_is_one_line_and_leaves_nothing(planted, tmp_path):
    results, _, _, found = planted
    arguments = ["validity", "--circuits", str(results / "circuits"), "--run", str(found[0].record.folder)]
    result = CliRunner().invoke(app, [*arguments, "--scores", str(tmp_path), "--output", str(tmp_path / "v.csv")])
    assert result.exit_code == 2
    assert result.output.startswith("error: expected scores.csv in")
    assert not list(tmp_path.iterdir())


def test_disagreement_is_sorted_by_the_size_of_the_gap():
    frame = pd.DataFrame({"sample_id": list("abc"), "question": "?", "rank_cud": [1, 2, 3], "rank_mrd": [2, 2, 1]})
    assert disagreement(frame)["sample_id"].tolist() == ["c", "a", "b"]
