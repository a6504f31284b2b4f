"""What is said of a conflict map: what was proven, and what a reader should know before using it."""

from dataclasses import replace

import pytest

from analysis.conflict_words import cautions, set_names, solved
from tests.analysis.test_conflict_map import made_map, node


@pytest.fixture
def sound():
    made = made_map({"a0.h0": node("forget"), "m0": node("conflict"), "a0.h1": node()})
    return replace(made, circuits=tuple(replace(circuit, reached=True) for circuit in made.circuits))


def test_sets_have_numbers_where_there_are_several_to_keep(sound):
    assert set_names(sound) == ["forget set", "retain set"]
    several = replace(sound, circuits=(*sound.circuits, sound.circuits[1]))
    assert set_names(several) == ["forget set", "retain set 1", "retain set 2"]


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "Proven: no way of forgetting and keeping has fewer than 1 conflict."),
    ({"n_conflicts": 0}, "Proven: nothing stands against forgetting the one"),
    ({"n_conflicts": 3, "at_least": 2, "status": "timeout"}, "Not proven: between 2 and 3 conflicts."),
    ({"status": "optimal, backbone incomplete"}, "Proven: 1 conflict is the fewest. Not proven: which nodes"),
    ({"status": "optimal, backbone incomplete", "n_conflicts": 2}, "Proven: 2 conflicts are the fewest."),
])
def test_no_more_is_called_proven_than_was(sound, changes, said):
    assert solved(replace(sound, **changes)).startswith(said)


def test_cautions_are_about_circuits_that_missed_their_target_and_maps_that_leave_no_choice(sound):
    assert cautions(sound) == []
    missed = replace(sound, circuits=(replace(sound.circuits[0], reached=False), sound.circuits[1]))
    assert cautions(missed) == ["The circuits of forget set did not reach the target, so their gates may be wrong."]
    for labels, said in (
        ({"m0": "conflict"}, "Every head and MLP is in conflict"), ({"m0": "retain"}, "There is no forget and no conflict node"),
        ({"m0": "forget"}, "There is no conflict node: CLUE's stage"), ({"m0": "conflict", "m1": "retain"}, "There is no forget node"),
    ):
        text, = cautions(replace(sound, nodes={name: node(label) for name, label in labels.items()}))
        assert text.startswith(said)
