"""The results in data/results are what the commands give: a part of them is computed again and compared."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from analysis import difficulty, store
from analysis.anchors import anchor_circuit, consensus
from analysis.attribution import AttributionConfig, edge_scores
from analysis.circuit import select
from analysis.dataset import load_samples, samples_hash
from analysis.evaluation import answer_nll
from analysis.model import fingerprint, load_model
from analysis.record import describe
from analysis.tokens import tokenize
from analysis.unlearning import preset

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
    config = details["config"]
    value, stderr = difficulty.mrd(embedded, batch, sigma=config["sigma"], n_pairs=config["n_pairs"], seed=config["seed"])
    assert value == pytest.approx(table["mrd"].to_numpy()[ROWS], rel=0.05)
    assert stderr == pytest.approx(table["mrd_stderr"].to_numpy()[ROWS], rel=0.05)


def test_anchors_and_cud_follow_from_the_recorded_losses(shipped):
    table, details = shipped
    circuits, config = store.read_circuits(RESULTS / "circuits")
    losses = pd.DataFrame(details["anchor_losses"]).loc[details["anchor_pool"]]
    easy, hard = consensus(losses, details["config"]["n_anchors"])
    roles = table.set_index("sample_id")["cud_role"]
    assert set(roles.index[roles == "anchor_easy"]) == set(easy)
    assert set(roles.index[roles == "anchor_hard"]) == set(hard)
    index = circuits[easy[0]].index
    ends = [anchor_circuit([circuits[name].scores for name in names], index, config["n_edges"]) for names in (easy, hard)]
    cud = difficulty.cud(np.stack([c.in_circuit for c in circuits.values()]), *ends)
    assert cud == pytest.approx(table["cud"].to_numpy(), abs=1e-3)


@pytest.mark.parametrize("name", ["GradDiff", "NPO", "SimNPO", "RMU"])
def test_every_preset_forgets_and_keeps(name, embedded, forget, shipped):
    folder = RESULTS / "runs" / name.lower()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["fingerprint"] == embedded.fingerprint
    assert yaml.safe_load((folder / "config.yaml").read_text()) == manifest["config"] == describe(preset("embedded", name))
    assert manifest["summary"]["forget_probability"] < 0.3
    assert manifest["summary"]["retain_probability"] > 0.9
    samples = pd.read_csv(folder / "samples.csv", dtype={"sample_id": str})
    assert samples["nll_before"].to_numpy() == pytest.approx(shipped[0]["base_nll"].to_numpy(), rel=1e-2)
    assert manifest["summary"]["forget_probability"] == pytest.approx(samples["probability_after"].mean(), abs=1e-4)


def test_the_whole_of_data_stays_small():
    assert sum(file.stat().st_size for file in store.DATA.rglob("*") if file.is_file()) < 16 * 2**20
