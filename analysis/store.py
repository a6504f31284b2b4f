"""What is on disk: studies, their scores and circuits, and unlearning runs. Every result is written through this file.

A *study* is a model with its forget and retain set. The embedded one lives in `data/`; a user's own live in the workspace
(`LETHE_WORKSPACE`, else `workspace/` in the project). Layout of a study's results:
`scores/` (scores.csv, scores.json), `circuits/` (circuits.safetensors, circuits.json, eap-ig/), `runs/<run>/` (see `runs`).
"""

import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import atomic, exchange, read_only
from analysis.circuit import Circuit
from analysis.graph import GraphIndex

PROJECT = Path(__file__).resolve().parent.parent
DATA = PROJECT / "data"
SLUG = re.compile(r"[a-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Study:
    """A model, a forget set and a retain set. `model` is a folder or a hub id; `results` is read, `runs` is also written."""

    slug: str
    title: str
    model: str
    forget: Path
    retain: Path
    results: Path


def workspace() -> Path:
    return Path(os.environ.get("LETHE_WORKSPACE", PROJECT / "workspace")).resolve()


def check_slug(name: str) -> str:
    """Raises ValueError unless `name` may be used as a folder name below the workspace."""
    if not SLUG.fullmatch(name) or name.strip(".") == "":
        raise ValueError(f"expected a name of 1-64 characters a-z, 0-9, '.', '_' or '-', got {name[:80]!r}")
    return name


def embedded_study() -> Study:
    return Study(
        "embedded", "Embedded world", str(DATA / "model"), DATA / "forget.jsonl", DATA / "retain.jsonl", DATA / "results"
    )


def studies() -> list[Study]:
    """The embedded study, then the workspace's own, by name. A folder that is not a whole study is left out."""
    found = [embedded_study()]
    for file in sorted((workspace() / "studies").glob("*/study.json")):
        with suppress(ValueError):
            found.append(_read_study(file))
    return found


def study(slug: str) -> Study:
    """Raises ValueError if there is no such study."""
    if slug == "embedded":
        return embedded_study()
    file = workspace() / "studies" / check_slug(slug) / "study.json"
    if not file.is_file():
        raise ValueError(f"there is no study {slug!r} in {workspace()}; load a model and a forget set first")
    return _read_study(file)


def create_study(slug: str, title: str, model: str, forget: bytes, retain: bytes, suffixes: tuple[str, str]) -> Study:
    """Keep a user's sets in the workspace, beside the name of the model they belong to. Raises ValueError in read-only mode."""
    read_only.refuse("loading a study")
    folder = workspace() / "studies" / _own_slug(slug)
    with atomic.output_folder(folder, "study.json") as temporary:
        (temporary / f"forget{suffixes[0]}").write_bytes(forget)
        (temporary / f"retain{suffixes[1]}").write_bytes(retain)
        record = {"title": title, "model": model, "forget": f"forget{suffixes[0]}", "retain": f"retain{suffixes[1]}"}
        atomic.write_json(temporary / "study.json", record)
    return study(slug)


def _own_slug(name: str) -> str:
    if check_slug(name) == "embedded":
        raise ValueError("'embedded' is the name of the study that comes with Lethe; choose another")
    return name


def _read_study(file: Path) -> Study:
    """Raises ValueError unless the folder has a name of its own and the file says all that a study needs."""
    folder, keys = file.parent, ("title", "model", "forget", "retain")
    _own_slug(folder.name)
    try:
        record = json.loads(file.read_text())
        title, model, forget, retain = (record[key] for key in keys)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{folder.name}/study.json: expected an object with {', '.join(keys)}") from error
    if not all(isinstance(value, str) for value in (title, model, forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected text for {', '.join(keys)}")
    if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in (forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected forget and retain sets inside the study's folder")
    return Study(folder.name, title, model, folder / forget, folder / retain, folder / "results")


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
