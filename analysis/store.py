"""Where the results of a study are and how they are read: scores and circuits. Every result is written whole (see `atomic`).

A study's own results live in the workspace (`LETHE_WORKSPACE`, else `workspace/` in the project), below its folder:
`scores/` (scores.csv, scores.json), `circuits/` (circuits.safetensors, circuits.json, eap-ig/), `runs/<run>/` (see `runs`).
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import atomic, exchange
from analysis.circuit import Circuit
from analysis.graph import GraphIndex
from analysis.place import PROJECT, check_slug, workspace  # noqa: F401 most know them by this file

DATA = PROJECT / "data"


def read_scores(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]] | None:
    """scores.csv and scores.json of a folder, None if there are none, or only those of an earlier version, without cross-fitting.

    Raises ValueError if they cannot be read."""
    if not (folder / "scores.csv").is_file():
        return None
    try:
        frame = pd.read_csv(folder / "scores.csv", dtype=str, keep_default_na=False)  # "NA" and "None" are answers too
        if "fold" not in frame:
            return None
        for column in frame:
            is_text = column in ("sample_id", "question", "answer", "template", "cud_role")
            frame[column] = frame[column].map(atomic.plain_cell) if is_text else pd.to_numeric(frame[column])
        return frame, json.loads((folder / "scores.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: expected scores.csv and scores.json, as the command `score` writes them: {error}") from error


def write_circuits(folder: Path, circuits: list[Circuit], config: dict[str, Any], record: dict[str, Any] | None = None) -> None:
    """circuits.safetensors and circuits.json; `record` adds provenance to the latter.

    The tensors scores and in_circuit have a row per sample, in the order of circuits.json's sample_ids, and a column per edge that
    can be (`GraphIndex.real_edges`): source by source, for each its destinations, both in circuits.json's order.
    """
    from safetensors.numpy import save

    index = circuits[0].index
    real = index.real_edges
    tensors = {"scores": np.stack([c.scores[real] for c in circuits]), "in_circuit": np.stack([c.in_circuit[real] for c in circuits])}
    atomic.write_bytes(folder / "circuits.safetensors", save(tensors))
    atomic.write_json(folder / "circuits.json", {
        "sample_ids": [c.sample_id for c in circuits],
        "sources": index.forward_names,
        "destinations": index.backward_names,
        "graph": asdict(index),
        "config": config,
        "fingerprint": circuits[0].fingerprint,
    } | (record or {}))


def write_exports(folder: Path, circuits: list[Circuit], form: exchange.Format, prompts: list[str]) -> None:
    """One file per circuit in another tool's format, named by the sample's id; prompts in the order of the circuits."""
    for circuit, prompt in zip(circuits, prompts, strict=True):
        atomic.write_bytes(folder / f"{circuit.sample_id}{exchange.suffix(form)}", exchange.exported(circuit, form, prompt))


def read_circuits(folder: Path) -> tuple[dict[str, Circuit], dict[str, Any]] | None:
    """Circuits by sample id, and the config they were computed with; None if they have not been computed."""
    from safetensors.numpy import load_file

    if not (folder / "circuits.json").is_file():
        return None
    record = json.loads((folder / "circuits.json").read_text())
    tensors = load_file(folder / "circuits.safetensors")
    index = GraphIndex(**record["graph"])
    rows = zip(record["sample_ids"], _spread(tensors["scores"], index), _spread(tensors["in_circuit"], index), strict=True)
    circuits = {name: Circuit(name, record["fingerprint"], index, scores, kept) for name, scores, kept in rows}
    return circuits, record["config"]


def _spread(edges: np.ndarray, index: GraphIndex) -> np.ndarray:
    """[sample, edge] -> [sample, source, destination], 0 where there can be no edge."""
    full = np.zeros((len(edges), *index.real_edges.shape), dtype=edges.dtype)
    full[:, index.real_edges] = edges
    return full
