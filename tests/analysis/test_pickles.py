"""A pickle under any name that is read is an error of one line, and never runs; models: see `test_model_files`."""

import contextlib
import pickle
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from analysis import conflict_map, exchange, index, jobs, outcomes, runs, store, studies, unlearn_command
from analysis.checkpoint import read as read_checkpoint
from analysis.dataset import read_samples
from analysis.graph import GraphIndex

RESULTS = store.DATA / "results"
INDEX = GraphIndex(2, 1, 1, 8)


class Canary:
    """Unpickled, it writes a file."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def plain(file: Path, canary: Canary) -> None:
    file.write_bytes(pickle.dumps(canary))


def zipped(file: Path, canary: Canary) -> None:
    torch.save({"a": torch.zeros(2), "b": canary}, file)


def in_a_type(file: Path, canary: Canary) -> None:
    """A Parquet file with a column of a type that old versions of Arrow unpickle."""
    pickled = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(canary)}
    fields = [pa.field("question", pa.string(), metadata=pickled), pa.field("answer", pa.string(), metadata=pickled)]
    pq.write_table(pa.table([["Who?"], ["Ana"]], schema=pa.schema(fields)), file)


def shipped(folder: Path, name: str) -> Path:
    """A copy of an embedded result, to be damaged."""
    return Path(shutil.copytree(RESULTS / name, folder / "copy"))


READERS = {  # the file that is a pickle, and how it is read; both below a folder
    **{f"rows{suffix}": (lambda folder, suffix=suffix: folder / f"rows{suffix}", read_samples)
       for suffix in (".jsonl", ".json", ".csv", ".tsv", ".parquet")},
    "scores.csv": (lambda folder: shipped(folder, "scores") / "scores.csv", lambda file: store.read_scores(file.parent)),
    "scores.json": (lambda folder: shipped(folder, "scores") / "scores.json", lambda file: store.read_scores(file.parent)),
    "circuits": (lambda folder: shipped(folder, "circuits") / "circuits.safetensors", lambda file: store.read_circuits(file.parent)),
    "circuits.json": (lambda folder: shipped(folder, "circuits") / "circuits.json", lambda file: store.read_circuits(file.parent)),
    "samples.csv": (lambda folder: shipped(folder, "runs/npo-seed0") / "samples.csv", lambda file: runs.read_run(file.parent)),
    "manifest.json": (lambda folder: shipped(folder, "runs/npo-seed0") / "manifest.json", lambda file: runs.read_run(file.parent)),
    "evaluation": (lambda folder: shipped(folder, "runs/npo-seed0/evaluation") / "evaluation.csv",
                   lambda file: outcomes.read_evaluation(file.parent)),
    "map": (lambda folder: folder / conflict_map.FILE, lambda file: conflict_map.read(file.parent)),
    "masks": (lambda folder: folder / "masks.safetensors", lambda file: unlearn_command._masks(file, None)),
    "checkpoint": (lambda folder: folder / "checkpoint.safetensors", lambda file: read_checkpoint(file, {})),
    "EAP-IG": (lambda folder: folder / "s0.json", lambda file: exchange.read_folder(file.parent, "f" * 64, INDEX)),
    "study.json": (lambda folder: folder / "studies" / "mine" / "study.json", lambda file: studies.named("mine")),
    "jobs.sqlite": (lambda folder: folder / "jobs.sqlite", lambda file: jobs.look().jobs),
    "index.sqlite": (lambda folder: folder / "index.sqlite", lambda file: index.entries(file.parent)),
}


@pytest.mark.parametrize("disguise", [plain, zipped])
@pytest.mark.parametrize("name", READERS)
def test_a_pickle_in_disguise_is_refused_and_never_runs(tmp_path, monkeypatch, name, disguise):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    place, read = READERS[name]
    file, canary = place(tmp_path), tmp_path / "canary"
    file.parent.mkdir(parents=True, exist_ok=True)
    disguise(file, Canary(canary))
    try:
        assert not read(file)  # what is made anew is empty, and what is no result is none
    except ValueError as error:
        assert "\n" not in str(error).strip()
    assert not canary.exists()


def test_a_type_that_is_a_pickle_does_not_run(tmp_path):
    in_a_type(tmp_path / "rows.parquet", Canary(tmp_path / "canary"))
    with contextlib.suppress(ValueError):
        read_samples(tmp_path / "rows.parquet")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("disguise", [plain, zipped])
def test_the_canary_sings(tmp_path, disguise):
    """The control: opened as what it is, it runs."""
    disguise(tmp_path / "file", Canary(tmp_path / "canary"))
    with contextlib.suppress(Exception):
        pickle.loads((tmp_path / "file").read_bytes()) if disguise is plain else torch.load(tmp_path / "file", weights_only=False)
    assert (tmp_path / "canary").exists()
