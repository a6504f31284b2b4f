"""A made-up study all of whose texts try to be more than text: in questions, answers, titles, model and run names, file names."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import atomic, runs, store, studies
from analysis.circuit import Circuit, select
from analysis.dataset import load_samples
from analysis.graph import GraphIndex
from tests.pages.conflict_fixture import made_map, write_map

PAYLOADS = (
    "</script><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "javascript:alert(1)", "'\"`${alert(1)}`\"'",
    "![x](http://evil.example/x.png)", "[x](javascript:alert(1))", ":material/home: :red[x] $x$ <b>x</b>",
    "\u202egnorw\u2066 \u0001 %s {{x}}",
    "w" * 10_000, "=HYPERLINK(1)", "<a href='javascript:alert(1)'>x</a>", "*/ --> </style><style>body{display:none}</style>",
)
N_SAMPLES = 24
INDEX = GraphIndex(4, 2, 2, 8)
TITLE = f"{PAYLOADS[0]} {PAYLOADS[1]} {PAYLOADS[6]}"
MODEL = f"nowhere/{PAYLOADS[0]}{PAYLOADS[4]}"
METHOD = f"{PAYLOADS[0]} {PAYLOADS[5]}"
RUN = "npo-seed0"


def question(row: int) -> str:
    return f"Q{row} {PAYLOADS[row % len(PAYLOADS)]} ?"


def answer(row: int) -> str:
    return f"A{row} {PAYLOADS[(row + 1) % len(PAYLOADS)]}"


def jsonl() -> bytes:
    return "".join(json.dumps({"question": question(row), "answer": answer(row)}) + "\n" for row in range(N_SAMPLES)).encode()


def write() -> studies.Study:
    """The study `hostile` in the workspace, with scores, circuits, a run its evaluation and a conflict map; and `bare`, without."""
    rows = jsonl()
    studies.create("bare", "Bare", "nowhere", rows, rows, (".jsonl", ".jsonl"))
    study = studies.create("hostile", TITLE, MODEL, rows, rows, (".jsonl", ".jsonl"))
    ids = [sample.id for sample in load_samples(study.forget)]
    _write_scores(study, ids)
    circuits = [circuit(name, row) for row, name in enumerate(ids)]
    store.write_circuits(study.results / "circuits", circuits, {"n_edges": 30, "ablation": "zero", "model": MODEL})
    _write_run(runs.runs_folder(study) / RUN, ids)
    found = made_map()
    nodes = {name: replace(node, reason=f"{node.reason} {PAYLOADS[0]} {PAYLOADS[4]}") for name, node in found.nodes.items()}
    write_map(study.results / "conflicts", replace(found, nodes=nodes, provenance={"fingerprint": TITLE, "seed": 0}))
    return study


def _write_scores(study: studies.Study, ids: list[str]) -> None:
    ranks = np.arange(N_SAMPLES, 0, -1)
    frame = pd.DataFrame({
        "sample_id": ids, "row": range(N_SAMPLES), "question": [question(row) for row in range(N_SAMPLES)],
        "answer": [answer(row) for row in range(N_SAMPLES)], "n_answer_tokens": 3, "base_nll": 0.5, "token_frequency": 1.5,
        "template": [f"Question _ {PAYLOADS[row % 2]}" for row in range(N_SAMPLES)], "fold": np.arange(N_SAMPLES) % 2,
        "cud": 1 - ranks / N_SAMPLES, "cud_role": "scored", "mrd": ranks / N_SAMPLES, "mrd_stderr": 0.01,
        "rank_cud": ranks, "rank_mrd": ranks,
    })
    atomic.write_csv(study.results / "scores" / "scores.csv", frame)
    atomic.write_json(study.results / "scores" / "scores.json", {"seed": 0, "model": MODEL})


def circuit(name: str, row: int) -> Circuit:
    rng = np.random.default_rng(row)
    scores = (rng.normal(size=INDEX.real_edges.shape) * INDEX.real_edges).astype(np.float32)
    return Circuit(name, "f" * 64, INDEX, scores, select(scores, INDEX, 30))


def _write_run(folder: Path, ids: list[str]) -> None:
    nll = np.arange(len(ids)) / 6
    samples = pd.DataFrame({"sample_id": ids, "row": range(len(ids)), "nll_before": 0.0, "nll_after": nll})
    samples = samples.assign(probability_before=1.0, probability_after=np.exp(-nll))
    samples["forgotten_epoch"] = pd.array([2 if v > 1.3 else None for v in nll], "Int64")
    atomic.write_csv(folder / "samples.csv", samples)
    lines = [f"{name},forget,{epoch},{epoch * v / 2}" for epoch in (0, 1, 2) for name, v in zip(ids, nll, strict=True)]
    atomic.write_bytes(folder / "trajectories.csv", ("\n".join(["sample_id,split,epoch,nll", *lines]) + "\n").encode())
    config = {"method": METHOD, "method_args": {"gamma": TITLE}, "learning_rate": 0.0001, "n_epochs": 2, "seed": 0}
    atomic.write_json(folder / "config.yaml", config)  # JSON is YAML
    summary = {"retain_probability": 0.9, "retain_probability_before": 0.95, "seconds": 30.0}
    atomic.write_json(folder / "manifest.json", {"summary": summary, "model": MODEL})
    figures = {"forget_Q_A_Prob": 0.25, "model_utility": f"not computed: {PAYLOADS[0]}", PAYLOADS[1]: 0.5}
    atomic.write_json(folder / "evaluation" / "LETHE_SUMMARY.json", figures)
    says = pd.DataFrame({"sample_id": ids, "generation": [answer(row + 2) for row in range(len(ids))]})
    atomic.write_csv(folder / "evaluation" / "evaluation.csv", says)
    moved = pd.DataFrame({"layer": ["0", "all"], "component": ["all", "mlp"], "relative_l2": [0.2, 0.4]})
    atomic.write_csv(folder / "evaluation" / "parameter_change.csv", moved)
