"""Where the results of a study are and how they are read: scores and circuits. Every result is written whole (see `atomic`).

A study's own results live in the workspace (`LETHE_WORKSPACE`, else `workspace/` in the project), below its folder:
`scores/` (scores.csv, scores.json), `circuits/` (circuits.safetensors, circuits.json, eap-ig/), `runs/<run>/` (see `runs`).
"""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import atomic, exchange, plain_files
from analysis.circuit import Circuit
from analysis.graph import GraphIndex, index_of
from analysis.place import PROJECT, SLUG, check_slug, workspace  # noqa: F401 most know them by this file

DATA = PROJECT / "data"
# what pages cannot do without
SCORE_COLUMNS = ("sample_id", "row", "question", "answer", "cud", "mrd", "mrd_stderr", "rank_cud", "rank_mrd")


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
            if not is_text and frame[column].dtype.kind not in "fiu":
                raise ValueError(f"{column}: a number without end")
        if missing := [column for column in SCORE_COLUMNS if column not in frame]:
            raise ValueError(f"the columns {', '.join(missing)} are missing")
        if frame[["row", "rank_cud"]].isna().any(axis=None):
            raise ValueError("a row has no rank or no place in the file, as one that was cut")
        ids = frame["sample_id"]
        if ids.empty or ids.duplicated().any() or (ids == "").any():
            raise ValueError("expected a row per sample, each with a sample_id of its own")
        return frame, plain_files.json_object(folder / "scores.json")
    except (OSError, ValueError, OverflowError) as error:
        files = "scores.csv and scores.json, as the command `score` writes them"
        raise ValueError(f"{folder}: expected {files}: {plain_files.one_line(error)}") from error


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
    """One file per circuit in another tool's format, named by the sample's id; prompts in the order of the circuits.

    Raises ValueError if an id is no file's name."""
    for circuit, prompt in zip(circuits, prompts, strict=True):
        if not re.fullmatch(r"[\w-][\w .-]{0,99}", circuit.sample_id):
            raise ValueError(f"expected a sample's id that can name a file, got {circuit.sample_id[:80]!r}")
        atomic.write_bytes(folder / f"{circuit.sample_id}{exchange.suffix(form)}", exchange.exported(circuit, form, prompt))


def read_circuits(folder: Path) -> tuple[dict[str, Circuit], dict[str, Any]] | None:
    """Circuits by sample id, and the config they were computed with; None if they have not been computed.

    Raises ValueError if they cannot be read."""
    from safetensors import SafetensorError

    if not (folder / "circuits.json").is_file():
        return None
    try:
        return _circuits(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, SafetensorError) as error:
        files = "circuits.json and circuits.safetensors, as the command `circuits` writes them"
        raise ValueError(f"{folder}: expected {files}: {plain_files.one_line(error)}") from error


def _circuits(folder: Path) -> tuple[dict[str, Circuit], dict[str, Any]]:
    from safetensors.numpy import load_file

    record = plain_files.json_object(folder / "circuits.json")
    index, tensors = index_of(record.get("graph")), load_file(folder / "circuits.safetensors")
    ids, fingerprint, config = (record[name] for name in ("sample_ids", "fingerprint", "config"))
    scores, kept = tensors["scores"], tensors["in_circuit"]
    _check_circuits(ids, scores, kept, index)
    if not isinstance(fingerprint, str) or not isinstance(config, dict):
        raise ValueError("expected fingerprint to be text and config an object")
    rows = zip(ids, _spread(scores, index), _spread(kept, index), strict=True)
    return {name: Circuit(name, fingerprint, index, row, edges) for name, row, edges in rows}, config


def _check_circuits(ids: Any, scores: np.ndarray, kept: np.ndarray, index: GraphIndex) -> None:
    """Raises ValueError unless there is a row per sample and a column per edge, of finite scores and of flags."""
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) and name for name in ids) or len(set(ids)) < len(ids):
        raise ValueError("expected sample_ids to be a list of different names")
    for name, tensor, kind in (("scores", scores, "float32"), ("in_circuit", kept, "bool")):
        if tensor.shape != (shape := (len(ids), index.n_edges)) or tensor.dtype != kind:
            raise ValueError(f"expected {name} to be {kind} of {shape}, samples and edges, got {tensor.dtype} of {tensor.shape}")
    if not np.isfinite(scores).all():
        raise ValueError("expected finite scores")


def _spread(edges: np.ndarray, index: GraphIndex) -> np.ndarray:
    """[sample, edge] -> [sample, source, destination], 0 where there can be no edge."""
    full = np.zeros((len(edges), *index.real_edges.shape), dtype=edges.dtype)
    full[:, index.real_edges] = edges
    return full
