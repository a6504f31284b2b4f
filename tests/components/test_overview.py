"""The overview's picture, and its table of what methods leave: a mean over runs of the same settings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.runs import RunRecord
from components import overview, overview_plot, tour

RUN = RunRecord("a", Path("a"), True, "NPO", None, None, 0, 10, 1, 0.99, 0.1, 0.99, 0.8, None)


def rows(records: list[RunRecord]) -> list[list]:
    return overview._spread(records).round(3).values.tolist()


def test_each_method_is_said_once_with_the_means_of_its_runs():
    records = [RUN, replace(RUN, name="b", forget_probability=0.3, retain_probability=0.9), replace(RUN, name="c", method="RMU")]
    assert rows(records) == [["NPO", 0.2, 0.85, 2], ["RMU", 0.1, 0.8, 1]]


def test_runs_of_other_settings_do_not_enter_a_methods_mean():
    preset = replace(RUN, n_epochs=10, learning_rate=1e-3)
    short, slow = replace(preset, n_epochs=1, forget_probability=0.9), replace(preset, learning_rate=1e-5, forget_probability=0.7)
    assert rows([preset, short, slow, replace(preset, method="RMU")]) == [
        ["NPO (10 epochs at 0.001)", 0.1, 0.8, 1], ["NPO (1 epoch at 0.001)", 0.9, 0.8, 1], ["NPO (10 epochs at 1e-05)", 0.7, 0.8, 1],
        ["RMU", 0.1, 0.8, 1],
    ]


def test_a_run_without_a_retain_figure_is_left_out():
    assert rows([replace(RUN, retain_probability=None)]) == []
    assert rows([RUN, replace(RUN, mask="clue", forget_probability=0.9)]) == [["NPO", 0.1, 0.8, 1]]


def test_the_headline_is_of_a_run_that_kept_the_rest():
    control = replace(RUN, method="GradAscent", forget_probability=0.0)
    records = [replace(RUN, forget_probability=0.01, retain_probability=0.5), RUN, control]
    assert overview._best(records) == ("0.10", "answer probability, from 0.99; NPO keeps 0.80 of the rest")
    assert overview._best(records[:1]) == ("-", "no run keeps a retain probability of 0.8")
    assert rows([control]) == [["GradAscent (control)", 0.0, 0.8, 1]]


def test_labels_beside_lines_keep_apart_and_keep_their_order():
    places = overview_plot.apart({"kept": 0.95, "hard": 0.94, "easy": 0.0}, 0.24)
    assert 0 < places["easy"] < places["hard"] < places["kept"] <= 1
    assert places["kept"] - places["hard"] == pytest.approx(0.24)
    assert overview_plot.apart({"kept": 0.9, "hard": 0.5}, 0.24) == {"kept": 0.9, "hard": 0.5}
    assert min(overview_plot.apart({"kept": 0.02, "hard": 0.01, "easy": 0.0}, 0.24).values()) > 0


def test_the_picture_names_three_lines_and_has_every_memory():
    index = pd.MultiIndex.from_tuples([("forget", "a"), ("forget", "b"), ("forget", "c"), ("retain", "r")])
    course = pd.DataFrame([[1.0, 0.4], [1.0, 0.0], [1.0, 0.2], [1.0, 0.9]], index=index, columns=[0.0, 1.0])
    chart = overview_plot.figure(course, {"hard": "a", "easy": "b"}, {"a": "<b>A?</b>", "b": "B?", "c": "C?"})
    assert len(chart.data) == 4 and set(chart.data[0].text) == {"&lt;b&gt;A?&lt;/b&gt;", "B?", "C?"}
    assert list(chart.data[0].y[:2]) == [1.0, 0.4] and np.isnan(chart.data[0].y[2]), "no line leads from one memory to the next"
    said = [note.text for note in chart.layout.annotations]
    assert "0.40" in said[0] and "&lt;b&gt;A?" in said[0] and "0.00" in said[1] and "0.90" in said[2]
    assert len(overview_plot.figure(course.loc[["forget"]], {"hard": "a", "easy": "b"}, {"a": "A?", "b": "B?"}).data) == 3


def test_the_words_are_of_halfway():
    index = pd.MultiIndex.from_tuples([("forget", "a"), ("forget", "b")])
    course = pd.DataFrame([[1.0, 0.7, 0.4], [1.0, 0.1, 0.0]], index=index, columns=[0.0, 0.5, 1.0])
    said = overview._fates(course, tour.Ends(2, "a", "b", {}, {}))
    assert "**0.10** left, the one that goes last **0.70**" in said and "the mean of 2 runs." in said
