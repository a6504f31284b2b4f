"""The overview's line about what methods leave: one mean per method, whatever runs it has."""

from dataclasses import replace
from pathlib import Path

from analysis.runs import RunRecord
from components import overview

RUN = RunRecord("a", Path("a"), True, "NPO", None, None, 0, 10, 1, 0.99, 0.1, 0.99, 0.8, None)


def test_each_method_is_said_once_with_the_means_of_its_runs():
    records = [RUN, replace(RUN, name="b", forget_probability=0.3, retain_probability=0.9), replace(RUN, name="c", method="RMU")]
    assert overview._spread(records) == "NPO 0.20 / 0.85 (2 runs); RMU 0.10 / 0.80 (1 run)"


def test_a_run_without_a_retain_figure_is_left_out():
    assert overview._spread([replace(RUN, retain_probability=None)]) == ""
    assert overview._spread([RUN, replace(RUN, mask="clue", forget_probability=0.9)]) == "NPO 0.10 / 0.80 (1 run)"


def test_the_headline_is_of_a_run_that_kept_the_rest():
    control = replace(RUN, method="GradAscent", forget_probability=0.0)
    records = [replace(RUN, forget_probability=0.01, retain_probability=0.5), RUN, control]
    assert overview._best(records) == "lowest forget probability 0.10 (NPO) where retain stays at 0.8 or more"
    assert overview._best(records[:1]) == "none keeps a retain probability of 0.8"
    assert overview._spread([control]) == "GradAscent, the control that destroys, 0.00 / 0.80 (1 run)"
