"""The comparison of masks: equal numbers of updates, an unmasked arm that is the plain run, shares and intervals worked out by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, conflict_map, durability
from analysis.conflict_map import ConflictMap, MapNode
from analysis.dataset import load_samples
from analysis.evaluation import answer_nll
from analysis.evaluation_metrics import after_relearning
from analysis.mask_comparison import ARMS, N_RELEARNING, compare, impossible, summary
from analysis.measure import measure
from analysis.methods import NPO
from analysis.model import load_model
from analysis.tokens import tokenize
from analysis.unlearning import UnlearningConfig, final_nll, unlearn
from analysis.what_if import stages_of
from tests.analysis.test_cli import folder, run, sets  # noqa: F401

CONFIG = UnlearningConfig(NPO(), learning_rate=2e-3, n_epochs=3, batch_size=4)
HEAD, MLP = 3 * (16 * 4 + 4) + 4 * 16, 2 * 16 * 24 + 24 + 16  # parameters, of width 16 with four heads and 24 neurons
SCORES = {"m1": 3.0, "a1.h0": 2.0, "m0": 1.0}


def made_map(fingerprint: str, forget=("a0.h1", "a1.h2"), conflict=("m1",)) -> ConflictMap:
    """Of the tiny model: two layers of four heads."""
    places = dict.fromkeys(forget, "forget") | dict.fromkeys(conflict, "conflict")
    nodes = {}
    for layer in (0, 1):
        for name in [f"a{layer}.h{head}" for head in range(4)] + [f"m{layer}"]:
            label, kind = places.get(name, "retain"), "MLP" if name[0] == "m" else "head"
            size = MLP if kind == "MLP" else HEAD
            nodes[name] = MapNode(label, label, True, layer, kind, size, SCORES.get(name, 0.0), 0.5, ("forget",), "made up")
    empty = conflict_map.MapCircuit("forget", "forget.jsonl", 8, 1, 1, 1.0, 1.0, True, conflict_map.LogicalCircuit(()))
    retain = replace(empty, set="retain", file="retain.jsonl")
    return ConflictMap(
        "optimal", len(conflict), len(conflict), 0.1, nodes, (empty, retain), {}, 1, {}, {}, {"fingerprint": fingerprint}
    )


@pytest.fixture(scope="module")
def samples_of(folder):  # noqa: F811
    return load_samples(folder / "forget.jsonl"), load_samples(folder / "retain.jsonl")


@pytest.fixture(scope="module")
def loaded(folder):  # noqa: F811
    return load_model(folder / "model", "cpu")


@pytest.fixture(scope="module")
def found(loaded):
    return made_map(loaded.fingerprint)


@pytest.fixture(scope="module")
def table(folder, samples_of, found):  # noqa: F811
    return compare(str(folder / "model"), *samples_of, [CONFIG], found, list(ARMS), 1, loading=("cpu",))


def batches(handle, samples_of):
    return [tokenize(samples, handle.tokenizer) for samples in samples_of]


@pytest.mark.slow
def test_every_arm_makes_as_many_updates(table):
    assert table["arm"].tolist() == list(ARMS) and set(table["n_updates"]) == {6}
    assert table["forget_probability"].nunique() == len(ARMS)  # the arms are not the same run under other names


def test_shares_are_of_all_the_model_has(table, loaded):
    n_all = sum(p.numel() for p in loaded.model.parameters())
    n_touched = table.set_index("arm")["n_touched"]
    clue = 2 * HEAD + MLP
    assert n_touched.to_dict() == {
        "unmasked": n_all, "clue": clue, "forget-only": 2 * HEAD, "conflict-only": MLP, "conflict-as-everything": 8 * HEAD + 2 * MLP,
        "random": clue, "important": MLP + HEAD + MLP, "gradient": clue,
    }
    assert np.allclose(table["share_touched"], table["n_touched"] / n_all)


def test_the_unmasked_arm_is_the_plain_run_relearnt_as_evaluate_does(table, loaded, samples_of):
    forget, retain = batches(loaded, samples_of)
    plain = final_nll(loaded, forget, retain, CONFIG)
    row = table.set_index("arm").loc["unmasked"]
    assert row["forget_probability"] == pytest.approx(np.exp(-plain.forget_nll).mean(), rel=1e-5)
    assert row["n_forgotten"] == (np.exp(-plain.forget_nll) < 0.3).sum()
    *_, (_, model) = unlearn(loaded, forget, retain, retain, CONFIG)
    after = replace(loaded, model=model)
    seen = measure(after, samples_of[0], texts=False)
    lasting = durability.Durability((N_RELEARNING,))
    measured = durability.durability(after, seen, None, None, lasting, lambda phase: None)
    assert row["relearned_probability"] == pytest.approx(measured[after_relearning(N_RELEARNING)]["agg_value"], rel=1e-5)


def test_an_arm_is_the_run_with_its_stages_and_a_seed_draws_its_own_random_nodes(folder, loaded, samples_of, found):  # noqa: F811
    made = compare(str(folder / "model"), *samples_of, [CONFIG], found, ["random"], 2, loading=("cpu",))
    forget, retain = batches(loaded, samples_of)
    left = {}
    for drawn in (0, 1):
        stages = stages_of(loaded, found, "random", CONFIG.n_epochs, seed=drawn)
        *_, (_, model) = unlearn(loaded, forget, retain, retain, replace(CONFIG, seed=1), stages=stages)
        left[drawn] = np.exp(-answer_nll(model, forget)).mean()
    assert made["seed"].tolist() == [0, 1] and made["forget_probability"][1] == pytest.approx(left[1], rel=1e-5)
    assert abs(left[0] - left[1]) > 1e-3 * left[1]


def test_without_learning_no_arm_differs_and_without_relearning_nothing_comes_back(folder, samples_of, found, loaded):  # noqa: F811
    still = replace(CONFIG, learning_rate=1e-12, n_epochs=2)
    made = compare(str(folder / "model"), *samples_of, [still], found, ["unmasked", "clue", "random"], 1, 0.0, loading=("cpu",))
    forget = batches(loaded, samples_of)[0]
    others = np.delete(np.exp(-answer_nll(loaded.model, forget)), durability.relearned_rows(len(forget)))
    assert np.allclose(made["relearned_probability"], others.mean(), rtol=1e-5)
    outcomes = [f"{name}_minus_{arm}" for name in ("forget", "retain", "relearned") for arm in ("unmasked", "random")]
    assert summary(made)[outcomes].abs().max(axis=None) < 1e-6


def test_differences_to_both_controls_are_paired_and_their_intervals_students():
    forget = {"unmasked": (0.10, 0.20, 0.30), "clue": (0.31, 0.42, 0.53), "random": (0.30, 0.40, 0.50)}
    rows = [("NPO", arm, seed, value) for arm, values in forget.items() for seed, value in enumerate(values)]
    made = pd.DataFrame(rows, columns=["method", "arm", "seed", "forget_probability"]).assign(
        retain_probability=0.9, relearned_probability=0.5, share_touched=[0.1, 0.2, 0.3] * 3, n_forgotten=4
    )
    row = summary(made).set_index("arm").loc["clue"]
    half = 4.302653 * 0.01 / math.sqrt(3)  # Student's t of 2 degrees of freedom; the pairs differ by 0.01, 0.02, 0.03
    minus = ["forget_minus_random", "forget_minus_random_low", "forget_minus_random_high"]
    assert row[minus].tolist() == pytest.approx([0.02, 0.02 - half, 0.02 + half], rel=1e-6)
    minus = ["forget_minus_unmasked", "forget_minus_unmasked_low", "forget_minus_unmasked_high"]
    assert row[minus].tolist() == pytest.approx([0.22, 0.22 - half, 0.22 + half], rel=1e-6)
    shuffled = summary(made.iloc[[5, 0, 8, 4, 2, 6, 3, 1, 7]]).set_index("arm").loc["clue"]
    assert shuffled[minus].tolist() == pytest.approx(row[minus].tolist(), rel=1e-6)  # paired by seed, not by place
    assert row["share_touched"] == pytest.approx(0.2) and row["n_seeds"] == 3
    assert summary(made[made["arm"] != "random"])["forget_minus_random"].isna().all()


def test_arms_that_a_map_cannot_give_are_named_and_another_models_map_is_refused(loaded):
    assert impossible(loaded, made_map(loaded.fingerprint)) == {}
    assert impossible(loaded, made_map(loaded.fingerprint, conflict=())) == {
        "conflict-only": "the map has 2 forget and 0 conflict nodes"
    }
    with pytest.raises(ValueError, match="0 forget and 0 conflict nodes, so that there is no mask"):
        impossible(loaded, made_map(loaded.fingerprint, (), ()))
    with pytest.raises(ValueError, match="make it of this model first"):
        impossible(loaded, made_map("f" * 16))


def test_one_epoch_is_refused_before_the_first_run(samples_of, found):
    with pytest.raises(ValueError, match="two stages need at least 2 epochs"):
        compare("no such model", *samples_of, [replace(CONFIG, n_epochs=1)], found, list(ARMS), 1)


@pytest.mark.slow
def test_the_command_writes_runs_summary_and_what_was_left_out_and_processes_agree_with_none(folder, tmp_path, loaded):  # noqa: F811
    atomic.write_json(tmp_path / "map" / "conflicts.json", conflict_map.to_json(made_map(loaded.fingerprint, forget=())))
    given = (*sets(folder), "--conflicts", tmp_path / "map", "--n-seeds", 1, "--n-epochs", 2, "--device", "cpu")
    for name, workers in (("a", 1), ("b", 2)):
        made = run("compare-masks", *given, "--workers", workers, "--output", tmp_path / name)
        assert made.exit_code == 0, made.output
        assert "left out: forget-only: the map has 0 forget and 1 conflict nodes" in made.stderr
    one, two = (pd.read_csv(tmp_path / name / "masks.csv") for name in "ab")
    assert two["arm"].tolist() == one["arm"].tolist() == [arm for arm in ARMS if arm != "forget-only"]
    assert np.allclose(one["forget_probability"], two["forget_probability"], rtol=1e-4)
    assert pd.read_csv(tmp_path / "a" / "summary.csv")["n_seeds"].tolist() == [1] * 7
    record = json.loads((tmp_path / "a" / "masks.json").read_text())
    assert record["configs"][0]["method"] == "NPO" and list(record["left_out"]) == ["forget-only"]
    assert record["conflicts"] == {"status": "optimal", "n_conflicts": 1, "forget": [], "conflict": ["m1"]}
    lacking = run("compare-masks", *given[:6], "--conflicts", tmp_path, "--output", tmp_path / "c")
    assert lacking.exit_code == 2 and "found none" in lacking.stderr and not (tmp_path / "c").exists()
