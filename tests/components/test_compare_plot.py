"""Charts of runs beside each other: what stands where."""

import pandas as pd

from components import compare_plot

KNOWN = pd.DataFrame({"question": ["<b>Who?</b>", "Where?", "When?"], "cohort": ["hard", "easy", "middle"]}, index=["s0", "s1", "s2"])


def test_the_matrix_has_a_row_per_run_and_a_line_at_the_selected_memory():
    table = pd.DataFrame({"mine": [0.9, 0.5, 0.1], "other": [0.8, 0.2, 0.3]}, index=["s1", "s0", "s2"])
    chart = compare_plot.matrix_figure(table, KNOWN, "s0", ["mine (yours)", "other"])
    heat = chart.data[-1]
    assert dict(zip(heat.y, heat.z.tolist(), strict=True)) == {"mine (yours)": [0.9, 0.5, 0.1], "other": [0.8, 0.2, 0.3]}
    assert heat.text[0][1] == "&lt;b&gt;Who?&lt;/b&gt;"
    assert {trace.name: list(trace.x) for trace in chart.data[:2]} == {"hard (n=1)": [2], "easy (n=1)": [1]}
    assert {(line.x0, line.x1) for line in chart.layout.shapes} == {(2, 2)}
