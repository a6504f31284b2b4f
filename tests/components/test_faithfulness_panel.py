"""What a circuit's two numbers mean, in words, on numbers whose meaning is known."""

import pandas as pd
import pytest

from components.faithfulness_panel import in_words, of_random


@pytest.mark.parametrize(("alone", "lost", "kept", "gone"), [
    (0.88, 1.11, "**bring back 88%**", "even less likely than with every edge ablated"),
    (1.0, 1.0, "**bring back 100%**", "**100%** of it is lost"),
    (0.4, 0.25, "**bring back 40%**", "**25%** of it is lost"), (-0.1, -0.1, "**bring back nothing**", "**nothing** of it is lost"),
])
def test_what_comes_back_and_what_is_lost(alone, lost, kept, gone):
    words = in_words({"faithfulness": alone, "completeness": lost}, 60)
    assert words.startswith("These 60 edges alone") and kept in words and gone in words


def test_random_circuits_are_read_off_between_the_sizes_measured():
    table = pd.DataFrame({"n_edges": [10, 1000], "random_faithfulness": [-0.2, 0.4], "random_completeness": [0.0, 1.0]})
    assert of_random(table, 100) == "Random circuits of 100 edges bring back 10%, and without them 50% is lost."
    assert "bring back nothing" in of_random(table, 10) and "bring back 40%" in of_random(table, 5000)
