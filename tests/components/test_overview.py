"""The overview's table of what methods leave: one mean per method, whatever runs it has."""

from dataclasses import replace
from pathlib import Path

from analysis.runs import RunRecord
from components import overview

RUN = RunRecord("a", Path("a"), True, "NPO", None, None, 0, 10, 1, 0.99, 0.1, 0.99, 0.8, None)


def rows(records: list[RunRecord]) -> list[list]:
    return overview._spread(records).values.tolist()


def test_each_method_is_said_once_with_the_means_of_its_runs():
    records = [RUN, replace(RUN, name="b", forget_probability=0.3, retain_probability=0.9), replace(RUN, name="c", method="RMU")]
    assert rows(records) == [["NPO", "0.20", "0.85", 2], ["RMU", "0.10", "0.80", 1]]


def test_a_run_without_a_retain_figure_is_left_out():
    assert rows([replace(RUN, retain_probability=None)]) == []
    assert rows([RUN, replace(RUN, mask="clue", forget_probability=0.9)]) == [["NPO", "0.10", "0.80", 1]]


def test_the_headline_is_of_a_run_that_kept_the_rest():
    control = replace(RUN, method="GradAscent", forget_probability=0.0)
    records = [replace(RUN, forget_probability=0.01, retain_probability=0.5), RUN, control]
    assert overview._best(records) == "lowest forget probability 0.10 (NPO) where retain stays at 0.8 or more"
    assert overview._best(records[:1]) == "none keeps a retain probability of 0.8"
    assert rows([control]) == [["GradAscent (control)", "0.00", "0.80", 1]]
