"""A small made-up study in a temporary workspace, and a way to open one page on it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest, app_test

from analysis import atomic, store, studies
from analysis.circuit import Circuit, select
from analysis.graph import GraphIndex
from components import cached

PAGES = Path(__file__).parents[2] / "pages"
N_SAMPLES = 24
INDEX = GraphIndex(4, 2, 2, 8)


@pytest.fixture(scope="session", autouse=True)
def no_search_for_packages():
    """Each AppTest asks all installed packages for components of theirs: most of a page's time, and none has any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_test.BidiComponentManager, "discover_and_register_components", lambda *_, **__: None)
        yield


@pytest.fixture
def made_up_study(tmp_path, monkeypatch) -> studies.Study:
    """24 samples without results; the hardness of a sample is its row."""
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    rows = "".join(f'{{"question": "Question {row}?", "answer": "<b>Answer</b> {row}"}}\n' for row in range(N_SAMPLES)).encode()
    return studies.create("made", "Made up", "nowhere", rows, rows, (".jsonl", ".jsonl"))


@pytest.fixture
def scored_study(made_up_study, monkeypatch) -> studies.Study:
    """The same with scores and circuits: the higher the row, the harder (rank 1 = last row) and the later its circuit.

    There is no model to measure faithfulness with, so it is made up too.
    """
    monkeypatch.setattr(cached, "faithfulness", lambda study, circuits, ablation: np.linspace(0, 1, len(circuits)))
    curve = pd.DataFrame({"n_edges": [10, 100]} | {f"{kind}{name}": [0.5, 1.0] for name in ("faithfulness", "completeness")
                                                   for kind in ("", "random_")})
    monkeypatch.setattr(cached, "size_curve", lambda study, circuit, rule, ablation: curve)
    lens = pd.DataFrame({"layer": [-1, 0, 1, 2, 3], "log_prob": [-9.0, -4, -2, -1, -0.5], "first_log_prob": [-8.0, -3, -2, -1, -0.4],
                         "first_rank": [90, 7, 2, 1, 1], "top_token": [":", " <b>a</b>", " b", " c", " c"], "control": -3.0,
                         "control_low": -5.0, "control_high": -1.5, "n_control": 16})
    monkeypatch.setattr(cached, "answer_by_layer", lambda study, circuit: lens)
    ids = [f"sample{row:02}" for row in range(N_SAMPLES)]
    ranks = np.arange(N_SAMPLES, 0, -1)
    frame = pd.DataFrame({
        "sample_id": ids, "row": range(N_SAMPLES), "question": [f"Question {row}?" for row in range(N_SAMPLES)],
        "answer": [f"<b>Answer</b> {row}" for row in range(N_SAMPLES)], "n_answer_tokens": 3, "base_nll": 0.5,
        "token_frequency": 1.5, "template": "Question _?", "fold": np.arange(N_SAMPLES) % 2,
        "cud": 1 - ranks / N_SAMPLES, "cud_role": "scored", "mrd": ranks / N_SAMPLES, "mrd_stderr": 0.01,
        "rank_cud": ranks, "rank_mrd": ranks,
    })
    atomic.write_csv(made_up_study.results / "scores" / "scores.csv", frame)
    atomic.write_json(made_up_study.results / "scores" / "scores.json", {"seed": 0})
    circuits = [_circuit(name, row) for row, name in enumerate(ids)]
    store.write_circuits(made_up_study.results / "circuits", circuits, {"n_edges": 30, "ablation": "zero"})
    return made_up_study


@pytest.fixture
def open_page(monkeypatch):
    """open_page(name, **query) -> the page after its first run. Links to other pages are left out: they need the whole app."""
    monkeypatch.setattr(st, "page_link", lambda *args, **kwargs: None)

    def opened(name: str, **query: str | list[str]) -> AppTest:
        page = AppTest.from_file(str(PAGES / f"{name}.py"), default_timeout=120)
        page.query_params.update({"study": "made"} | query)
        return page.run()

    return opened


def _circuit(name: str, row: int) -> Circuit:
    rng = np.random.default_rng(row)
    late = (INDEX.backward_layers - 2) * (row / N_SAMPLES - 0.5) * 2
    scores = (rng.gamma(1.0, 1.0, INDEX.real_edges.shape) * np.exp(late) * INDEX.real_edges).astype(np.float32)
    scores *= rng.choice([1, 1, -1], scores.shape).astype(np.float32)
    return Circuit(name, "f" * 64, INDEX, scores, select(scores, INDEX, 30))
