"""The sentence below a circuit, on circuits whose shares are known."""

import pytest

from components import circuit_readings
from tests.made_circuits import made_circuit

EDGES = {"input->m0": 4.0, "m0->m1": -3.0, "m1->logits": 2.0, "input->logits": 1.0}


@pytest.mark.parametrize(("boundary", "late", "early_layers", "late_layers"), [
    (1, "60%", "in layer 0", "in layers 1 to 2 or the logits"), (2, "30%", "in layers 0 to 1", "in layer 2 or the logits"),
])
def test_shares_and_layers_of_either_side(boundary, late, early_layers, late_layers):
    words = circuit_readings.sentence(made_circuit(EDGES, n_layers=3), boundary)
    assert words.startswith(f"**{late} of the score mass ends late**, {late_layers}, ") and f"early, {early_layers}." in words
    assert "input → m0 → m1 → logits: each of its edges holds 20.0% of the mass" in words


def test_scores_of_zero_are_said():
    assert "All edge scores are 0" in circuit_readings.sentence(made_circuit(dict.fromkeys(EDGES, 0.0), n_layers=3), 1)
