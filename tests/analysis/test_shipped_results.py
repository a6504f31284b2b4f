"""The results in data/results are what the commands give: a part of them is computed again and compared."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import conflict_map, curricula, mask_comparison, observed, runs, store, validity
from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import select
from analysis.cross_fitting import CudConfig, cross_fitted, folds
from analysis.dataset import load_samples, samples_hash
from analysis.demo_command import METHODS, N_SEEDS
from analysis.evaluation import answer_nll
from analysis.model import fingerprint, load_model
from analysis.mrd import mrd
from analysis.presets import preset
from analysis.record import describe
from analysis.tokens import tokenize

RESULTS = store.DATA / "results"
ROWS = [0, 57, 130]


@pytest.fixture(scope="module")
def embedded():
    return load_model(store.DATA / "model", "cpu")


@pytest.fixture(scope="module")
def forget():
    return load_samples(store.DATA / "forget.jsonl")


@pytest.fixture(scope="module")
def shipped():
    return store.read_scores(RESULTS / "scores")


def test_results_belong_to_the_shipped_model_and_data(embedded, forget, shipped):
    table, details = shipped
    circuits, _ = store.read_circuits(RESULTS / "circuits")
    assert table["sample_id"].tolist() == [s.id for s in forget] == list(circuits)
    assert details["fingerprint"] == embedded.fingerprint == next(iter(circuits.values())).fingerprint
    assert details["data"]["forget"]["hash"] == samples_hash(forget)


def test_edge_scores_and_circuits_are_recomputed_and_the_weights_stay_as_they_were(embedded, forget):
    circuits, config = store.read_circuits(RESULTS / "circuits")
    chosen = [forget[row] for row in ROWS]
    attribution = AttributionConfig(config["method"], config["ablation"], config["ig_steps"])
    scores = edge_scores(embedded, tokenize(chosen, embedded.tokenizer), attribution)
    for sample, row in zip(chosen, scores, strict=True):
        kept = circuits[sample.id]
        assert np.abs(row - kept.scores).max() < 1e-3 * np.abs(kept.scores).max()
        assert np.array_equal(select(kept.scores, kept.index, config["n_edges"]), kept.in_circuit)
    assert fingerprint(embedded.model) == embedded.fingerprint


def test_base_nll_and_mrd_are_recomputed(embedded, forget, shipped):
    table, details = shipped
    batch = tokenize([forget[row] for row in ROWS], embedded.tokenizer)
    assert answer_nll(embedded.model, batch) == pytest.approx(table["base_nll"].to_numpy()[ROWS], rel=1e-2)
    used = details["mrd"]
    found = mrd(embedded.model, batch, sigma=used["sigma"], n_pairs=used["n_pairs"], seed=details["config"]["seed"])
    assert found.value == pytest.approx(table["mrd"].to_numpy()[ROWS], rel=0.05)
    assert found.stderr == pytest.approx(table["mrd_stderr"].to_numpy()[ROWS], rel=0.05)


def test_halves_anchors_and_cud_follow_from_the_recorded_losses(shipped):
    table, details = shipped
    circuits, config = store.read_circuits(RESULTS / "circuits")
    cud = CudConfig(**details["config"]["cud"] | {"methods": ()})
    assert cud.n_edges == config["n_edges"]
    fold = folds(len(table), details["config"]["seed"])
    assert fold.tolist() == table["fold"].tolist()
    losses = pd.DataFrame(details["anchor_losses"]).loc[table["sample_id"]]
    index, scores = next(iter(circuits.values())).index, np.stack([c.scores for c in circuits.values()])
    fitted = cross_fitted(scores, index, fold, losses, table["base_nll"].to_numpy(), cud)
    assert fitted.cud == pytest.approx(table["cud"].to_numpy(), abs=1e-3)
    ids = table["sample_id"]
    for half, sides in enumerate(fitted.anchors):
        for side, rows in zip(("easy", "hard"), sides, strict=True):
            assert details["anchors"][str(half)][side] == ids[rows].tolist()
            assert set(ids[rows]) <= set(details["folds"][str(half)])
            assert set(table["cud_role"][rows]) == {f"anchor_{side}"}


@pytest.mark.parametrize("name", METHODS)
def test_every_run_forgets_and_keeps_but_the_control_that_destroys(name, embedded, shipped):
    for seed in range(N_SEEDS):
        folder = RESULTS / "runs" / f"{name.lower()}-seed{seed}"
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["fingerprint"] == embedded.fingerprint
        config = describe(replace(preset("embedded", name), seed=seed)) | {"mask": None}
        assert yaml.safe_load((folder / "config.yaml").read_text()) == manifest["config"] == config
        samples = pd.read_csv(folder / "samples.csv", dtype={"sample_id": str})
        assert samples["nll_before"].to_numpy() == pytest.approx(shipped[0]["base_nll"].to_numpy(), rel=1e-2)
        summary = manifest["summary"]
        assert summary["forget_probability"] == pytest.approx(samples["probability_after"].mean(), abs=1e-4)
        assert summary["forget_probability"] < 0.3
        assert (summary["retain_probability"] > 0.9) != (name == "GradAscent")
        measured = json.loads((folder / "evaluation" / "LETHE_SUMMARY.json").read_text())
        assert measured["forget_Q_A_Prob"] == pytest.approx(summary["forget_probability"], abs=2e-4)


def test_validity_belongs_to_the_shipped_scores_and_runs():
    found = [run for run in (runs.read_run(folder) for folder in sorted((RESULTS / "runs").iterdir())) if observed.counts(run)]
    assert len(found) == N_SEEDS * (len(METHODS) - 1)
    digest = validity.inputs_digest(RESULTS / "scores", RESULTS / "circuits", found, [RESULTS / "alone"])
    table = validity.read_table(RESULTS / "validity.csv", digest)
    assert table is not None and {"main", "method", "seed", "control", "protocol"} <= set(table["analysis"])


def check_summed_up(name, module, arms):
    """The shipped comparison has these arms, as many runs and updates of each, and a summary that follows from its runs."""
    table = pd.read_csv(RESULTS / name / f"{name}.csv")
    assert table.groupby(["method", "arm"]).size().nunique() == 1 and set(table["arm"]) == set(arms)
    assert table.groupby("method")["n_updates"].nunique().eq(1).all()
    again = module.summary(table)
    kept = pd.read_csv(RESULTS / name / "summary.csv")
    assert again[["method", "arm"]].equals(kept[["method", "arm"]])
    numbers = again.columns.drop(["method", "arm"])
    assert np.allclose(again[numbers], kept[numbers], atol=1e-6)


def test_the_comparison_of_curricula_is_summed_up_as_shipped():
    check_summed_up("curricula", curricula, curricula.ARMS)


def test_the_comparison_of_masks_is_summed_up_as_shipped_and_used_the_shipped_map(embedded):
    record = json.loads((RESULTS / "masks" / "masks.json").read_text())
    check_summed_up("masks", mask_comparison, set(mask_comparison.ARMS) - set(record["left_out"]))
    used = conflict_map.read(RESULTS / "conflicts")
    assert used.fingerprint == record["fingerprint"] == embedded.fingerprint
    assert all(record["conflicts"][name] == list(used.assigned(name)) for name in ("forget", "conflict"))


def test_the_whole_of_data_stays_small():
    assert sum(file.stat().st_size for file in store.DATA.rglob("*") if file.is_file()) < 16 * 2**20
