"""A made-up study of eight memories with two finished runs, for the pages that show runs."""

import json
import math
import sys
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis import atomic, jobs, runs, store, studies
from analysis.dataset import load_samples

STAND_IN = """
import json, os, pathlib, sys, time
output = pathlib.Path(sys.argv[sys.argv.index("--output") + 1])
partial = output.with_name(output.name + ".partial")
partial.mkdir(parents=True, exist_ok=True)
(partial / "steps.csv").write_text("step,epoch,forget_loss,retain_loss,seconds\\n1,1,0.5,0.1,0.5\\n")
said = {"phase": "epoch 1, step", "done": 1, "total": 4, "first": 0, "began": time.monotonic() - 2, "at": time.monotonic()}
(pathlib.Path(os.environ["LETHE_WORKSPACE"]) / "jobs" / (os.environ["LETHE_JOB"] + ".json")).write_text(json.dumps(said))
if "SimNPO" in sys.argv:
    (partial / "checkpoint").mkdir(exist_ok=True)
    (partial / "checkpoint" / "state.safetensors").write_text("")
print("started", flush=True)
if "RMU" in sys.argv:
    sys.exit("error: RMU: layer must be 0 to 3 for this model, got 7")
time.sleep(60)
"""


@pytest.fixture(name="study")
def made_up_study(tmp_path, monkeypatch):
    """The embedded study, made up; jobs of the test end with it."""
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setattr(store, "DATA", tmp_path / "data")
    monkeypatch.setattr(jobs, "COMMAND", [sys.executable, "-c", STAND_IN])
    (tmp_path / "data").mkdir()
    for split in ("forget", "retain"):
        rows = [{"question": f"Who is number {i} to {split}?", "answer": f"Ana {i}"} for i in range(8)]
        (tmp_path / "data" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = studies.embedded()
    write_scores(made)
    yield made
    for job in jobs.jobs():
        if job.active:
            jobs.cancel(job.id)


def write_scores(study: studies.Study) -> None:
    samples = load_samples(study.forget)
    texts = {"sample_id": [s.id for s in samples], "question": [s.question for s in samples], "answer": [s.answer for s in samples]}
    scores = {"cud": 0.5, "mrd": 0.1, "mrd_stderr": 0.01, "rank_cud": range(1, 9), "rank_mrd": range(1, 9), "fold": [0, 1] * 4}
    frame = pd.DataFrame(texts | {"row": range(8)} | scores)
    atomic.write_csv(study.results / "scores" / "scores.csv", frame)
    atomic.write_json(study.results / "scores" / "scores.json", {})


def write_run(folder: Path, study: studies.Study, method: str, more: str = "", **summary) -> None:
    """The memory in row i ends with probability exp(-i / 2): rows 0 to 2 stay, 3 to 7 go.

    `more` is added to config.yaml, `summary` to the manifest's.
    """
    samples = load_samples(study.forget)
    nll = [i / 2 for i in range(8)]
    frame = pd.DataFrame({"sample_id": [s.id for s in samples], "row": range(8), "nll_before": 0.0, "nll_after": nll})
    frame = frame.assign(probability_before=1.0, probability_after=[math.exp(-v) for v in nll])
    frame["forgotten_epoch"] = pd.array([None] * 3 + [2] * 5, "Int64")
    atomic.write_csv(folder / "samples.csv", frame)
    lines = [f"{s.id},forget,{epoch},{epoch * v / 2}" for epoch in (0, 1, 2) for s, v in zip(samples, nll, strict=True)]
    atomic.write_bytes(folder / "trajectories.csv", ("\n".join(["sample_id,split,epoch,nll", *lines]) + "\n").encode())
    config = f"method: {method}\nmethod_args: {{}}\nlearning_rate: 0.0001\nn_epochs: 2\nseed: 0\n{more}"
    atomic.write_bytes(folder / "config.yaml", config.encode())
    measured = {"retain_probability": 0.9, "retain_probability_before": 0.95, "seconds": 30.0}
    atomic.write_json(folder / "manifest.json", {"summary": measured | summary})


FIGURES = {
    "forget_Q_A_Prob": 0.25, "exact_memorization": 0.5, "forget_quality_log10_p": -3.5, "mia_loss": 0.61, "retain_Q_A_Prob": 0.9,
    "model_utility": "not computed: needs columns paraphrased_answer and perturbed_answer", "privleak": None,
}


def write_evaluation(run: Path, study: studies.Study, figures: dict = FIGURES) -> None:
    """After the run the model says `=Ana 9 <b>` to everything."""
    samples = load_samples(study.forget)
    atomic.write_json(run / "evaluation" / "LETHE_SUMMARY.json", figures)
    rows = pd.DataFrame({"sample_id": [s.id for s in samples], "generation": "=Ana 9 <b>"})
    atomic.write_csv(run / "evaluation" / "evaluation.csv", rows)
    layers, components = ["none", "0", "all", "0"], ["all", "all", "all", "mlp"]
    moved = pd.DataFrame({"layer": layers, "component": components, "relative_l2": [0.1, 0.2, 0.3, 0.4]})
    atomic.write_csv(run / "evaluation" / "parameter_change.csv", moved)


def write_curricula(study: studies.Study, low: float = 0.01) -> None:
    """CGA leaves 0.05 more of the forget set than uniform, `low` to 0.09; it keeps as much of the retain set."""
    arms = ["uniform", "cga"]
    runs = pd.DataFrame({"method": "NPO", "arm": arms, "seed": 0, "n_updates": 20, "forget_probability": [0.1, 0.15],
                         "retain_probability": 0.9, "n_forgotten": 7, "seconds": 3.0})
    summary = pd.DataFrame({"method": "NPO", "arm": arms, "n_seeds": 5})
    for outcome, values, minus in (("forget", [0.1, 0.15], (0.05, low, 0.09)), ("retain", [0.9, 0.9], (0.0, -0.02, 0.02))):
        summary[[f"{outcome}_{end}" for end in ("mean", "low", "high")]] = [[v, v - 0.01, v + 0.01] for v in values]
        summary[[f"{outcome}_minus_{end}" for end in ("uniform", "low", "high")]] = [(0.0, 0.0, 0.0), minus]
    atomic.write_csv(study.results / "curricula" / "curricula.csv", runs)
    atomic.write_csv(study.results / "curricula" / "summary.csv", summary)


def open_page(name: str, **query: str) -> AppTest:
    """The page as a browser opens it, with these query parameters."""
    at = AppTest.from_file(str(store.PROJECT / "app.py"), default_timeout=120)
    at.switch_page(f"pages/{name}.py")
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


def texts(at: AppTest) -> str:
    """Everything that the page says, in one string."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "code", "text")
    return "\n".join(str(element.value) for kind in kinds for element in at.get(kind))


def own_folder(study: studies.Study, name: str) -> Path:
    return runs.runs_folder(study) / name
