"""The course of a run: a mean over runs of different lengths, between the epochs that were measured."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.course import SHARES, mean_course
from analysis.runs import Run, RunRecord

RECORD = RunRecord("a", Path("a"), True, "NPO", None, None, 0, 1, 0, 1.0, 0.0, None, None, None)


def made(values: dict[str, list[float]], split: str = "forget") -> Run:
    rows = [(s, split, float(epoch), 0.0, p) for s, known in values.items() for epoch, p in enumerate(known)]
    table = pd.DataFrame(rows, columns=["sample_id", "split", "epoch", "nll", "probability"])
    return Run(RECORD, pd.DataFrame(), table, pd.DataFrame(), {}, {})


def test_runs_of_different_lengths_are_averaged_by_their_share():
    found = mean_course([made({"a": [1.0, 0.0], "b": [1.0, 0.5]}), made({"a": [1.0, 0.8, 0.2]})])
    assert list(found.columns) == list(SHARES) and SHARES[0] == 0 and SHARES[-1] == 1
    middle = SHARES[len(SHARES) // 2]
    assert found.loc[("forget", "a"), [0.0, middle, 1.0]].tolist() == pytest.approx([1.0, (0.5 + 0.8) / 2, 0.1])
    assert found.loc[("forget", "b"), 1.0] == 0.5  # of the one run that has it


def test_what_was_not_measured_along_the_way_has_no_course():
    assert mean_course([made({"a": [1.0]})]) is None and mean_course([]) is None
    cut = made({"a": [1.0, 0.5], "b": [1.0, 0.4]})
    cut = replace(cut, trajectories=cut.trajectories.iloc[:-1])  # as a run that is cut off: b lacks its end
    assert mean_course([cut]).index.tolist() == [("forget", "a")]
    assert mean_course([made({"a": [1.0, 0.9]}, "retain")]) is None, "damaged: nothing of the forget set is left"
