"""The curve shows what the table says, and marks the circuit that is drawn."""

import pandas as pd
import pytest

from components import curve_plot

TABLE = pd.DataFrame({
    "n_edges": [9, 50, 300], "faithfulness": [0.2, 0.8, 1.0], "completeness": [0.1, 0.4, 1.0],
    "random_faithfulness": [0.0, 0.1, 1.0], "random_completeness": [0.0, 0.2, 1.0],
})


def test_every_line_and_mark_is_a_column_of_the_table():
    chart = curve_plot.figure(TABLE, 50, {"faithfulness": 0.8, "completeness": 0.4})
    lines = {tuple(trace.y): trace for trace in chart.data if trace.mode == "lines"}
    assert set(lines) == {tuple(TABLE[column]) for column in TABLE if column != "n_edges"}
    assert all(tuple(trace.x) == (9, 50, 300) for trace in lines.values())
    dashes = {name: lines[tuple(TABLE[name])].line.dash for name in ("faithfulness", "completeness")}
    assert len(set(dashes.values())) == 2  # never colour alone
    assert [(trace.x[0], trace.y[0]) for trace in chart.data if trace.mode == "markers"] == [(50, 0.8), (50, 0.4)]
    assert [trace.name for trace in chart.data if trace.showlegend is not False] == ["random", "faithfulness", "completeness"]


@pytest.mark.parametrize(("largest", "expected"), [(1, [1]), (46, [1, 2, 5, 10, 20]), (100, [1, 2, 5, 10, 20, 50, 100])])
def test_ticks(largest, expected):
    assert curve_plot.ticks(largest) == expected
