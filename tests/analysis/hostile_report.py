"""A study of eight memories whose every text tries to be markup, with scores, circuits, a conflict map and two runs."""

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
from tests.pages.runs_fixture import write_evaluation, write_run

PAYLOADS = [
    "</script><img src=x onerror=alert(1)>", '"><svg onload=alert(1)>', "javascript:alert(1)", "`${alert(1)}` 'single' \"double\"",
    "right \u202eto left\u202c \u05d0\u05d1", "W" * 10_000,
    "</title></style></pre><h1>big</h1>", "{{ 7 * 7 }} {% raw %} &lt;b&gt; &amp;",
]
TITLE = "</title><script>alert('title')</script>"
MODEL = "mo'del\"; touch pwned; <img src=x onerror=alert(2)> #\nnew line"
METHOD, METRIC, LABEL = "<b onclick=alert(3)>NPO</b>", "<img src=y onerror=alert(4)>", "<i>greedy</i>"
INDEX = GraphIndex(4, 2, 2, 8)


def hostile_study() -> studies.Study:
    """In the workspace; the memory of row 0 is the hardest, that of row 7 the easiest."""
    rows = "".join(json.dumps({"question": text, "answer": text[::-1]}) + "\n" for text in PAYLOADS).encode()
    study = studies.create("hostile", TITLE, MODEL, rows, rows, (".jsonl", ".jsonl"))
    samples = load_samples(study.forget)
    ranks = np.arange(1, 9)
    frame = pd.DataFrame({
        "sample_id": [s.id for s in samples], "row": range(8), "question": [s.question for s in samples],
        "answer": [s.answer for s in samples], "n_answer_tokens": 3, "base_nll": 0.5, "token_frequency": 1.5, "template": PAYLOADS[0],
        "fold": np.arange(8) % 2, "cud": 1 - ranks / 8, "cud_role": "scored", "mrd": ranks / 8, "mrd_stderr": 0.01, "rank_cud": ranks,
        "rank_mrd": ranks,
    })
    atomic.write_csv(study.results / "scores" / "scores.csv", frame)
    atomic.write_json(study.results / "scores" / "scores.json", {
        "created": "2026-01-02T03:04:05+00:00", "fingerprint": "f" * 16, "versions": {METRIC: "1"},
        "config": {"preset": "default", "seed": 3, "cud": {"weighted": False, "methods": ["NPO"], "n_edges": 30},
                   "attribution": {"method": "EAP", "ablation": "mean"}},
    })
    circuits = [_circuit(sample.id, row) for row, sample in enumerate(samples)]
    store.write_circuits(study.results / "circuits", circuits, {"n_edges": 30, "ablation": "zero", "method": LABEL})
    write_map(study.results / "conflicts", replace(made_map(), config={"method": LABEL, "ablation": "mean", "target": 0.9}))
    for name, method in (("a-run", json.dumps(METHOD)), ("b-run", "GradDiff")):
        folder = run_folder(study, name)
        write_run(folder, study, method, "what_if: clue\nsampling: CGA\n" if name == "b-run" else "batch_size: 4\n")
        write_evaluation(folder, study, {"forget_Q_A_Prob": 0.25, METRIC: 0.5, "privleak": "not computed: needs <b>"})
    return study


def run_folder(study: studies.Study, name: str) -> Path:
    return runs.runs_folder(study) / name


def _circuit(name: str, row: int) -> Circuit:
    rng = np.random.default_rng(row)
    scores = (rng.gamma(1.0, 1.0, INDEX.real_edges.shape) * INDEX.real_edges).astype(np.float32)
    return Circuit(name, "f" * 16, INDEX, scores, select(scores, INDEX, 30))
