"""The comparison of curricula: equal numbers of updates, a control that is the plain run, intervals worked out by hand."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, store
from analysis.arms import mean_interval
from analysis.curricula import ARMS, compare, summary
from analysis.dataset import load_samples
from analysis.evaluation import answer_nll
from analysis.methods import NPO
from analysis.model import load_model
from analysis.tokens import tokenize
from analysis.unlearning import UnlearningConfig, final_nll, unlearn
from tests.analysis.test_cli import folder, run, sets  # noqa: F401

HARDNESS = np.arange(8.0)


@pytest.fixture(scope="module")
def samples_of(folder):  # noqa: F811
    return load_samples(folder / "forget.jsonl"), load_samples(folder / "retain.jsonl")


@pytest.fixture(scope="module")
def table(folder, samples_of):  # noqa: F811
    config = UnlearningConfig(NPO(), learning_rate=1e-2, n_epochs=2, batch_size=4)
    return compare(str(folder / "model"), *samples_of, [config], HARDNESS, 2, ("cpu",))


@pytest.mark.slow
def test_every_arm_and_seed_makes_as_many_updates(table):
    assert table["arm"].tolist() == [arm for arm in ARMS for _ in range(2)] and table["seed"].tolist() == [0, 1] * 5
    assert set(table["n_updates"]) == {4}
    assert table["forget_probability"].nunique() > 5  # the arms are not the same run under other names


def test_the_uniform_arm_is_the_plain_run_and_the_hard_quarter_is_its_hardest_two(table, folder, samples_of):  # noqa: F811
    handle = load_model(folder / "model", "cpu")
    forget, retain = (tokenize(samples, handle.tokenizer) for samples in samples_of)
    plain = final_nll(handle, forget, retain, UnlearningConfig(NPO(), learning_rate=1e-2, n_epochs=2, batch_size=4, seed=1))
    left = np.exp(-plain.forget_nll)
    row = table[(table["arm"] == "uniform") & (table["seed"] == 1)].iloc[0]
    assert row["forget_probability"] == pytest.approx(left.mean(), rel=1e-5)
    assert row["forget_hard_probability"] == pytest.approx(left[[6, 7]].mean(), rel=1e-5)
    assert row["n_forgotten"] == (left < 0.3).sum()


def test_the_easy_first_arm_begins_with_the_low_end_of_hardness(table, folder, samples_of):  # noqa: F811
    handle = load_model(folder / "model", "cpu")
    forget, retain = (tokenize(samples, handle.tokenizer) for samples in samples_of)
    config = UnlearningConfig(NPO(), learning_rate=1e-2, n_epochs=2, batch_size=4, sampling=ARMS["easy-first"])
    records = list(unlearn(handle, forget, retain, retain.select([0]), config, difficulty=HARDNESS))
    assert set(records[1][0].rows) == {0, 1}  # the easiest quarter
    row = table[(table["arm"] == "easy-first") & (table["seed"] == 0)].iloc[0]
    assert row["forget_probability"] == pytest.approx(np.exp(-answer_nll(records[-1][1], forget)).mean(), rel=1e-5)


@pytest.mark.slow
def test_without_learning_no_arm_differs(folder, samples_of):  # noqa: F811
    config = UnlearningConfig(NPO(), learning_rate=1e-12, n_epochs=2, batch_size=8)
    still = summary(compare(str(folder / "model"), *samples_of, [config], HARDNESS, 2, ("cpu",)))
    assert still[["forget_minus_uniform", "retain_minus_uniform", "forget_hard_minus_uniform"]].abs().max(axis=None) < 1e-6


def test_intervals_are_students_over_seeds_and_differences_are_paired():
    rows = [("uniform", 0, 0.10), ("uniform", 1, 0.20), ("uniform", 2, 0.30), ("cga", 0, 0.11), ("cga", 1, 0.22), ("cga", 2, 0.33)]
    made = pd.DataFrame(rows, columns=["arm", "seed", "forget_probability"]).assign(
        method="NPO", forget_hard_probability=0.5, retain_probability=0.9
    )
    found = summary(made).set_index("arm")
    assert found.loc["uniform", "forget_mean"] == pytest.approx(0.2) and found.loc["uniform", "forget_minus_uniform"] == 0
    half = 4.302653 * 0.1 / math.sqrt(3)  # Student's t of 2 degrees of freedom
    assert found.loc["uniform", ["forget_low", "forget_high"]].tolist() == pytest.approx([0.2 - half, 0.2 + half], rel=1e-6)
    half = 4.302653 * 0.01 / math.sqrt(3)  # the pairs differ by 0.01, 0.02, 0.03
    paired = ["forget_minus_uniform", "forget_minus_low", "forget_minus_high"]
    assert found.loc["cga", paired].tolist() == pytest.approx([0.02, 0.02 - half, 0.02 + half], rel=1e-6)
    assert np.isnan(mean_interval(pd.Series([0.5]))[1:]).all()


@pytest.mark.slow
def test_the_command_writes_runs_and_summary_and_processes_agree_with_none(folder, tmp_path):  # noqa: F811
    ids = [sample.id for sample in load_samples(folder / "forget.jsonl")]
    scores = pd.DataFrame(dict.fromkeys(store.SCORE_COLUMNS, 0) | {"sample_id": ids, "fold": 0, "rank_cud": np.arange(1.0, 9)})
    atomic.write_csv(tmp_path / "scores" / "scores.csv", scores)
    atomic.write_json(tmp_path / "scores" / "scores.json", {})
    given = (*sets(folder), "--scores", tmp_path / "scores", "--n-seeds", 1, "--n-epochs", 2, "--device", "cpu")
    for name, workers in (("a", 1), ("b", 2)):
        made = run("compare-curricula", *given, "--workers", workers, "--output", tmp_path / name)
        assert made.exit_code == 0, made.output
    one, two = (pd.read_csv(tmp_path / name / "curricula.csv") for name in "ab")
    assert two["arm"].tolist() == one["arm"].tolist() == list(ARMS)
    assert np.allclose(one["forget_probability"], two["forget_probability"], rtol=1e-4)
    assert pd.read_csv(tmp_path / "a" / "summary.csv")["n_seeds"].tolist() == [1] * 5
    assert json.loads((tmp_path / "a" / "curricula.json").read_text())["configs"][0]["method"] == "NPO"
    lacking = run("compare-curricula", *given[:6], "--scores", tmp_path, "--output", tmp_path / "c")
    assert lacking.exit_code == 2 and "found none" in lacking.stderr and not (tmp_path / "c").exists()
    unknown = run("compare-curricula", *given, "--method", "Magic", "--output", tmp_path / "c")
    assert unknown.exit_code == 2 and "expected one of" in unknown.stderr
