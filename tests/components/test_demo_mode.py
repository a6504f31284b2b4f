"""A public demo runs the model for one visitor at a time."""

from dataclasses import replace

import pytest

from analysis import studies
from components import cached, cached_model, cached_pairs, demo_mode

STUDY = studies.embedded()
MEASURED = {
    "faithfulness": lambda circuit: cached.faithfulness(STUDY, [circuit], "zero"),
    "size curve": lambda circuit: cached.size_curve(STUDY, circuit, "greedy", "zero"),
    "logit lens": lambda circuit: cached.answer_by_layer(STUDY, circuit),
    "after a run": lambda circuit: cached_pairs.circuit_after(STUDY, STUDY.results / "runs" / "npo-seed0", circuit.sample_id),
}


class Reached(Exception):
    """The model was asked for."""


def model(*_):
    raise Reached


@pytest.mark.parametrize("measure", MEASURED.values(), ids=list(MEASURED))
def test_who_comes_second_is_told_so_and_measures_once_the_first_is_done(measure, monkeypatch):
    monkeypatch.setattr(cached_model, "of_study", model)
    monkeypatch.setattr(cached_model, "model", model)
    monkeypatch.setattr(demo_mode, "PATIENCE", 0.0)
    monkeypatch.setattr(demo_mode, "STEP", 0.01)
    circuit = next(iter(cached.circuits(STUDY)[0].values()))
    circuit = replace(circuit, scores=3 * circuit.scores)  # which no other test has measured and left in the cache
    for demo, outcome in (("0", Reached), ("1", ValueError)):
        monkeypatch.setenv("LETHE_DEMO", demo)
        with demo_mode.TURN, pytest.raises(outcome):
            measure(circuit)
    for _ in range(2):  # who failed has given the turn back
        with pytest.raises(Reached):
            measure(circuit)
