"""What is said of two circuits beside each other, and when one legend is enough for both."""

import numpy as np
import pandas as pd

from components import circuit_network, edge_groups, frequency_panel, pair_panel
from tests.made_circuits import made_circuit

LEFT = made_circuit({"input->m0": 1.0, "m0->logits": 3.0}, sample_id="a")
RIGHT = made_circuit({"input->m0": 20.0, "m0->m1": 10.0, "m1->logits": 10.0}, sample_id="b")


def test_what_is_shared_is_counted_in_edges_and_in_what_they_carry_of_either():
    words = ("left", "right")
    said = pair_panel.takeaway(LEFT, RIGHT, edge_groups.pair(LEFT, RIGHT, words), 1, words)
    assert "They share 1 of 4 edges, which carry 25% of the score mass on the left and 50% on the right." in said
    assert "75% of the score mass ends in layer 1 or later, 50% on the right" in said
    empty = made_circuit({}, sample_id="c")
    assert pair_panel.takeaway(empty, RIGHT, edge_groups.pair(empty, RIGHT, words), 1, words) == (
        "One of the two circuits is empty. They share 0 of 3 edges."
    )
    assert pair_panel.readouts(LEFT, 1) == "2 edges; mean layer 1.5; span 1.5 layers; path 2.0 edges, at most 2"


def test_one_legend_stands_for_two_graphs_only_where_it_says_the_same():
    views = [circuit_network.of_circuit(circuit, 1) for circuit in (LEFT, RIGHT)]
    assert [view["one_legend"] for view in pair_panel.one_legend(views)] == ["left", "right"]
    against = made_circuit({"input->m0": 1.0, "m0->logits": -3.0}, sample_id="c")  # an edge that suppresses
    views[1] = circuit_network.of_circuit(against, 1)
    assert [view["one_legend"] for view in pair_panel.one_legend(views)] == [None, None]


def test_the_random_control_is_one_line():
    said = frequency_panel.chance(np.array([0, 0, 0, 2, 3]))
    assert "drawn 5 times" in said and "1.0 pass on average, none in 3 of the draws." in said


def test_edges_that_pass_are_counted_by_the_cohort_that_has_them_more_often():
    found = pd.DataFrame({"p_value": [0.001, 0.9, None], "difference": [0.5, -0.1, 0.0], "passes": [True, False, False]})
    said = frequency_panel.takeaway(found, ("easy", "hard"))
    assert said == "**2 edges tested, 1 pass**: 1 more common in easy, 0 in hard samples."
