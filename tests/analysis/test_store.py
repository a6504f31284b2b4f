"""What is on disk appears whole or not at all, and nothing leaves its folder."""

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, store
from analysis.circuit import Circuit
from analysis.graph import GraphIndex


def test_an_output_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "out"
    with pytest.raises(RuntimeError), atomic.output_folder(target, "a") as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    for text in ("first", "second"):
        with atomic.output_folder(target, "a") as folder:
            (folder / "a").write_text(text)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    assert (target / "a").read_text() == "second"
    with pytest.raises(RuntimeError), atomic.output_folder(target, "a") as folder:
        raise RuntimeError
    assert (target / "a").read_text() == "second"


def test_a_folder_that_is_no_earlier_result_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("five years")
    with pytest.raises(ValueError, match="holds no scores.json"), atomic.output_folder(tmp_path, "scores.json"):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    file = tmp_path / "x.json"
    atomic.write_json(file, {"a": 1})
    monkeypatch.setattr(atomic.os, "fsync", lambda _: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="the disk is full"):
        atomic.write_json(file, {"a": 2})
    assert file.read_text() == '{\n "a": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "a\0b", "C:x", "ａ", "x" * 65, "A b"])
def test_names_that_could_leave_the_workspace_are_refused(name):
    with pytest.raises(ValueError, match="expected a name"):
        store.check_slug(name)


def test_circuits_survive_the_round_trip(tmp_path):
    index = GraphIndex(2, 3, 3, 12)
    rng = np.random.default_rng(0)
    circuits = [
        Circuit(f"s{i}", "f" * 16, index, (rng.normal(size=index.real_edges.shape) * index.real_edges).astype(np.float32),
                (rng.random(index.real_edges.shape) > 0.5) & index.real_edges) for i in range(3)
    ]
    store.write_circuits(tmp_path, circuits, {"method": "EAP"})
    read, config = store.read_circuits(tmp_path)
    assert config == {"method": "EAP"}
    for circuit in circuits:
        again = read[circuit.sample_id]
        assert again.index == index
        assert np.array_equal(again.scores, circuit.scores)
        assert np.array_equal(again.in_circuit, circuit.in_circuit)
    assert store.read_circuits(tmp_path / "nothing") is None


def test_cells_that_a_spreadsheet_would_run_are_neutralised(tmp_path):
    atomic.write_csv(tmp_path / "a.csv", pd.DataFrame({"answer": ["=1+1", "@x", "-2", "\t=1", "fine"], "n": [-1, 2, 3, 5, 4]}))
    assert (tmp_path / "a.csv").read_text().splitlines()[1:] == ["'=1+1,-1", "'@x,2", "'-2,3", "'\t=1,5", "fine,4"]


def test_texts_of_scores_survive_the_round_trip(tmp_path):
    texts = ["None", "NA", "-5 C", "\t=1", "'quoted", "=1+1", "", "plain"]
    columns = dict.fromkeys(store.SCORE_COLUMNS, 0.5) | {"question": texts, "answer": texts[::-1], "cud_role": "scored", "fold": 0}
    frame = pd.DataFrame(columns | {"sample_id": list("abcdefgh")})
    atomic.write_csv(tmp_path / "scores.csv", frame)
    atomic.write_json(tmp_path / "scores.json", {})
    read, _ = store.read_scores(tmp_path)
    assert read["question"].tolist() == texts
    assert read["answer"].tolist() == texts[::-1]
    assert read["cud"].tolist() == [0.5] * len(texts)
    atomic.write_csv(tmp_path / "scores.csv", frame.drop(columns="fold"))
    assert store.read_scores(tmp_path) is None  # of an earlier version


WHOLE = dict.fromkeys(store.SCORE_COLUMNS, "0") | {"sample_id": "x", "fold": "0"}


@pytest.mark.parametrize(("row", "record", "said"), [
    ({}, "{}", "No columns"), (WHOLE | {"cud": "high"}, "{}", "high"), (WHOLE | {"mrd": "9" * 400}, "{}", "mrd: a number without end"),
    ({name: WHOLE[name] for name in WHOLE if name != "rank_mrd"}, "{}", "rank_mrd are missing"), (WHOLE, "{", "JSON"),
    (WHOLE, None, "scores.json"), (WHOLE | {"sample_id": ""}, "{}", "a row per sample"),
], ids=["empty", "text", "endless", "column", "record", "no record", "no id"])
def test_scores_that_cannot_be_read_are_named(tmp_path, row, record, said):
    (tmp_path / "scores.csv").write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    if record is not None:
        (tmp_path / "scores.json").write_text(record)
    with pytest.raises(ValueError, match=f"{tmp_path}: expected scores.csv and scores.json.*{said}"):
        store.read_scores(tmp_path)


def test_a_row_of_scores_that_was_cut_is_named(tmp_path):
    (tmp_path / "scores.csv").write_text(f"{','.join(WHOLE)}\n{','.join(WHOLE.values())}\ny,1\n")
    (tmp_path / "scores.json").write_text("{}")
    with pytest.raises(ValueError, match="a row has no rank"):
        store.read_scores(tmp_path)
