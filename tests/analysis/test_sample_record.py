"""A sample's record against a folder made by hand, in which every value is known."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, runs, sample_record
from analysis.circuit import Circuit
from analysis.conflict_map import ConflictMap, MapNode
from analysis.dataset import load_samples
from analysis.graph import GraphIndex
from analysis.sample_record import Place, Tables, collect, place

INDEX = GraphIndex(2, 2, 2, 8)


@pytest.fixture
def samples(tmp_path):
    rows = ['{"question": "Q0?", "answer": "A0", "meta": {"n_private": 4, "exposure": 2, "ending_shared_with": 7, "secret": 1}}',
            '{"question": "Q1?", "answer": "A1"}', '{"question": "Q2?", "answer": "A2"}']
    (tmp_path / "forget.jsonl").write_text("\n".join(rows))
    return load_samples(tmp_path / "forget.jsonl")


def scores(samples) -> pd.DataFrame:
    return pd.DataFrame({
        "sample_id": [s.id for s in samples], "template": ["T0", "T1", "T1"], "fold": [0, 1, 0], "cud": [0.5, 0.9, 0.7],
        "cud_role": ["scored", "anchor_hard", "scored"], "mrd": [0.3, 0.1, 0.1], "mrd_stderr": [0.01, 0.02, 0.03],
        "base_nll": [0.2, 0.2, 0.2], "n_answer_tokens": [3, 4, 5], "rank_cud": [3.0, 1.0, 2.0], "rank_mrd": [3.0, 1.5, 1.5],
    })


def write_run(folder, samples, method: str, seed: int) -> runs.Run:
    """The sample of row i goes from 1 to exp(-i) in two epochs, on a straight line of losses."""
    frame = pd.DataFrame({"sample_id": [s.id for s in samples], "nll_after": [0.0, 1.0, 2.0], "probability_before": 1.0})
    frame["probability_after"] = np.exp(-frame["nll_after"])
    frame["forgotten_epoch"] = pd.array([None, None, 2], "Int64")
    atomic.write_csv(folder / "samples.csv", frame)
    lines = [f"{s.id},forget,{epoch},{epoch * row / 2}" for epoch in (2, 0, 1) for row, s in enumerate(samples)]
    atomic.write_bytes(folder / "trajectories.csv", ("sample_id,split,epoch,nll\n" + "\n".join(lines) + "\n").encode())
    atomic.write_bytes(folder / "config.yaml", f"method: {method}\nseed: {seed}\n".encode())
    atomic.write_json(folder / "manifest.json", {})
    return runs.read_run(folder)


def circuit(sample_id: str, edges: list[tuple[str, str]]) -> Circuit:
    kept = np.zeros((INDEX.n_forward, INDEX.n_backward), dtype=bool)
    for source, target in edges:
        kept[INDEX.forward_names.index(source), INDEX.backward_names.index(target)] = True
    return Circuit(sample_id, "f" * 16, INDEX, kept.astype(np.float32), kept)


def conflicts(labels: dict[str, str]) -> ConflictMap:
    nodes = {name: MapNode(label, "conflict", True, int(name[1]), "head" if "h" in name else "MLP", 1, 0.0, 0.0, (), "because")
             for name, label in labels.items()}
    return ConflictMap("optimal", 1, 1, 0.1, nodes, (), {}, 10, {}, {}, {"fingerprint": "f"})


def test_every_table_is_joined_by_the_sample(samples, tmp_path):
    found = (write_run(tmp_path / "npo-1", samples, "NPO", 1), write_run(tmp_path / "rmu-0", samples, "RMU", 0))
    ids = [s.id for s in samples]
    tables = Tables(
        scores=scores(samples), circuits={ids[2]: circuit(ids[2], [("input", "m0"), ("m0", "a1.h1<q>"), ("a1.h1", "logits")])},
        depths=pd.DataFrame({"sample_id": ids, "late_share": [0.1, 0.2, 0.3], "n_edges": [9, 9, 3]}),
        observed=pd.Series([1.0, 2.5, 2.5], index=ids), counted=("npo-1",), runs=found,
        says={tmp_path / "npo-1": pd.Series({ids[2]: "nothing"})}, relearnt={tmp_path / "npo-1": pd.Series({1: 0.3, 2: 0.6})},
        after={tmp_path / "npo-1": {ids[2]: circuit(ids[2], [("input", "m0"), ("m0", "logits")])}},
        alone=pd.DataFrame({"sample_id": [ids[2], ids[0]], "method": "NPO", "updates": [5, 7], "forgotten": [True, False]}),
        conflicts=conflicts({"m0": "conflict", "a0.h0": "conflict", "a1.h1": "retain", "m1": "conflict"}),
    )
    record = collect(samples[2], tables)
    assert (record.question, record.answer, record.row, record.template, record.n_answer_tokens) == ("Q2?", "A2", 2, "T1", 5)
    assert (record.rank_cud, record.rank_mrd, record.mrd_stderr, record.fold, record.cud_role) == (2, 1.5, 0.03, 0, "scored")
    assert record.scores == {"cud": Place(0.7, 3, 0.5), "mrd": Place(0.1, 3, 0.25), "base_nll": Place(0.2, 3, 0.5)}
    assert record.depths == {"late_share": Place(0.3, 3, 1.0), "n_edges": Place(3.0, 3, 0.0)}
    assert (record.observed_rank, record.n_observed, record.n_runs_observed) == (2.5, 3, 1)
    assert (record.conflict_nodes, record.n_nodes) == (("m0",), 2)
    assert record.alone.values.tolist() == [["NPO", 5, True]]
    first, second = (row for _, row in record.runs.iterrows())
    assert (first["run"], first["method"], first["seed"], first["gone_at"], first["says"]) == ("npo-1", "NPO", 1, 2, "nothing")
    assert first["before"] == 1 and first["after"] == pytest.approx(math.exp(-2))
    assert first["over_epochs"] == pytest.approx([1, math.exp(-1), math.exp(-2)])
    assert (first["relearnt"], first["in_common"]) == (0.6, 1 / 4)  # of four edges one is in both
    assert pd.isna(second[["says", "relearnt", "in_common"]]).all()  # that run was not evaluated


def test_what_came_back_by_relearning_is_read_by_row(tmp_path):
    assert sample_record.read_relearnt(tmp_path) is None
    rows = {str(row): {"prob": row / 10} for row in range(3)} | {"3": {"prob": None, "reason": "no answer"}}
    found = {"relearn_5_Q_A_Prob": {}, "relearn_20_Q_A_Prob": {"agg_value": 0.1, "value_by_index": rows, "relearned_rows": [2]},
             "relearn_40_Q_A_Prob_retain_model": {}}
    atomic.write_json(tmp_path / "evaluation" / "LETHE_EVAL.json", found)
    assert sample_record.read_relearnt(tmp_path).to_dict() == {0: 0.0, 1: 0.1}
    atomic.write_json(tmp_path / "evaluation" / "LETHE_EVAL.json", {"relearn_5_Q_A_Prob": {"value_by_index": {"0": 1}}})
    with pytest.raises(ValueError, match="expected rows of relearning"):
        sample_record.read_relearnt(tmp_path)


def test_causes_are_those_that_the_data_say(samples):
    assert collect(samples[0], Tables()).causes == {"n_private": 4, "exposure": 2, "ending_shared_with": 7}
    assert collect(samples[1], Tables()).causes == {}


def test_a_study_without_results_gives_a_record_of_what_is_missing(samples):
    record = collect(samples[1], Tables())
    assert record.question == "Q1?" and record.scores == {} and record.depths == {} and record.runs.empty
    for name in ("template", "rank_cud", "mrd_stderr", "observed_rank", "alone", "conflict_nodes", "n_nodes"):
        assert getattr(record, name) is None


def test_a_sample_that_a_table_lacks_is_missing_there_alone(samples, tmp_path):
    run, ids = write_run(tmp_path / "npo-1", samples[:2] + samples[2:], "NPO", 1), [s.id for s in samples]
    tables = Tables(scores=scores(samples)[:2], runs=(run,), observed=pd.Series({ids[0]: 1.0}), conflicts=conflicts({"m0": "conflict"}))
    record = collect(samples[2], tables)
    assert record.scores == {} and record.observed_rank is None and record.conflict_nodes is None and len(record.runs) == 1


@pytest.mark.parametrize(("values", "value", "below"), [([1, 2, 3, 4, 5], 2, 0.25), ([1, 1, 1], 1, 0.5), ([3, None, 1], 3, 1.0)])
def test_the_place_is_the_share_of_the_others_that_are_smaller(values, value, below):
    assert place(pd.Series(values, dtype=float), float(value)).below == pytest.approx(below)


def test_a_lone_sample_has_no_place():
    assert math.isnan(sample_record.place(pd.Series([1.0]), 1.0).below)
