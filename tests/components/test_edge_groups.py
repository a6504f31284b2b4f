"""Two circuits or cohorts as groups of edges: the numbers of their tables, every edge in one group, hue and dash apart."""

import numpy as np
import pandas as pd
import pytest

from analysis import edge_frequency
from components import edge_groups
from tests.made_circuits import made_circuit

LEFT = made_circuit({"input->m0": 1.0, "m0->logits": -3.0}, sample_id="a")
RIGHT = made_circuit({"input->m0": 20.0, "m0->m1": 10.0, "m1->logits": 10.0}, sample_id="b")
INDEX = LEFT.index
WORDS = ("left", "right")


def test_a_pair_has_every_edge_once_with_the_share_of_its_own_circuit():
    table = edge_groups.pair(LEFT, RIGHT, WORDS).set_index("edge")
    assert table["group"].to_dict() == {"m0->logits": "left", "input->m0": "shared", "m0->m1": "right", "m1->logits": "right"}
    shares = {"m0->logits": -0.75, "input->m0": (0.25 + 0.5) / 2, "m0->m1": 0.25, "m1->logits": 0.25}
    assert table["score"].to_dict() == pytest.approx(shares)
    assert table.loc["input->m0", ["left", "right"]].tolist() == [1, 20] and np.isnan(table.loc["m0->logits", "right"])
    assert table["width"].idxmax() == "m0->logits" and "+1 in left\nscore +20 in right" in table.loc["input->m0", "title"]


def test_a_pair_is_drawn_in_three_groups_that_differ_in_hue_and_two_in_dash():
    view = edge_groups.pair_view(edge_groups.pair(LEFT, RIGHT, WORDS), INDEX, WORDS, "a b")
    labels = {name: group["label"] for name, group in view["groups"].items()}
    assert labels == {"shared": "in both (1)", "left": "only left (1)", "right": "only right (2)"}
    assert len({group["colour"] for group in view["groups"].values()}) == 3
    assert view["groups"]["left"]["dashed"] != view["groups"]["right"]["dashed"] and len(view["edges"]) == 4


def test_an_empty_circuit_beside_another_has_nothing_in_common():
    table = edge_groups.pair(made_circuit({}), RIGHT, WORDS)
    assert set(table["group"]) == {"right"} and np.isfinite(table["score"]).all()
    assert edge_groups.pair(made_circuit({}), made_circuit({}), WORDS).empty


def shares(**values: float) -> np.ndarray:
    names = edge_groups._edge_names(INDEX)
    return np.array([values.get(name.replace("->", "_"), 0.0) for name in names])


def test_frequencies_draw_the_edges_above_the_slider_only():
    table = edge_groups.frequencies(INDEX, shares(input_m0=1.0, m0_logits=0.5, m0_m1=0.4), 0.5, 1, "easy")
    assert dict(zip(table["edge"], table["score"], strict=True)) == {"input->m0": 1.0, "m0->logits": 0.5}
    assert dict(zip(table["edge"], table["group"], strict=True)) == {"input->m0": "early", "m0->logits": "late"}
    assert table["width"].is_monotonic_decreasing
    none = edge_groups.frequencies(INDEX, shares(), 0.1, 1, "easy")
    assert none.empty and not edge_groups.frequency_view(none, INDEX, "x", 1)["edges"]


@pytest.fixture
def found() -> pd.DataFrame:
    inside = np.zeros((40, int(INDEX.real_edges.sum())), dtype=bool)
    names = edge_groups._edge_names(INDEX)
    inside[:20, names.index("input->m0")] = True
    inside[20:, names.index("m0->logits")] = True
    inside[:12, names.index("m0->m1")] = inside[20:29, names.index("m0->m1")] = True
    return edge_frequency.differences(inside, np.arange(40) < 20, np.arange(40) >= 20)


def test_only_differences_that_pass_are_drawn_unless_all_are_asked_for(found):
    table = edge_groups.differences(INDEX, found, None, ("easy", "hard"))
    assert dict(zip(table["edge"], table["group"], strict=True)) == {"input->m0": "first", "m0->logits": "second"}
    wider = edge_groups.differences(INDEX, found, 0.1, ("easy", "hard")).set_index("edge")
    assert wider.loc["m0->m1", "group"] == "rest" and wider.loc["m0->m1", "width"] < wider.loc["input->m0", "width"]
    assert wider.loc["m0->m1", "difference"] == pytest.approx(0.15)
    assert len(edge_groups.differences(INDEX, found, 0.2, ("easy", "hard"))) == 2
    view = edge_groups.difference_view(wider.reset_index(), INDEX, ("easy", "hard"), ("easy", "hard"))
    assert view["groups"]["first"]["label"] == "more in easy (1)" and view["groups"]["second"]["dashed"]
    assert view["groups"]["rest"]["colour"] == "muted"


def test_no_difference_is_an_empty_graph(found):
    table = edge_groups.differences(INDEX, found.assign(passes=False), None, ("easy", "hard"))
    assert table.empty and edge_groups.difference_view(table, INDEX, ("easy", "hard"), ("easy", "hard"))["edges"] == []


def test_the_file_names_every_edge(found):
    table = edge_groups.named(INDEX, found)
    assert len(table) == len(found) and table.loc[table["first"] == 1, "edge"].tolist() == ["input->m0"]
