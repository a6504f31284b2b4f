"""Charts of runs beside each other and of scores: what stands where."""

import pandas as pd

from analysis.cohorts import CohortRule, assign
from components import compare_plot, difficulty_plot

KNOWN = pd.DataFrame({"question": ["<b>Who?</b>", "Where?", "When?"], "cohort": ["hard", "easy", "middle"]}, index=["s0", "s1", "s2"])


def test_the_matrix_has_a_row_per_run_and_a_line_at_the_selected_memory():
    table = pd.DataFrame({"mine": [0.9, 0.5, 0.1], "other": [0.8, 0.2, 0.3]}, index=["s1", "s0", "s2"])
    chart = compare_plot.matrix_figure(table, KNOWN, "s0", ["mine (yours)", "other"])
    heat = chart.data[-1]
    assert dict(zip(heat.y, heat.z.tolist(), strict=True)) == {"mine (yours)": [0.9, 0.5, 0.1], "other": [0.8, 0.2, 0.3]}
    assert heat.text[0][1] == "&lt;b&gt;Who?&lt;/b&gt;"
    assert {trace.name: list(trace.x) for trace in chart.data[:2]} == {"hard (n=1)": [2], "easy (n=1)": [1]}
    assert {(line.x0, line.x1) for line in chart.layout.shapes} == {(2, 2)}


def scored(n: int = 16) -> pd.DataFrame:
    """Two halves, whose CUDs lie apart; the first sample is the hardest of its half."""
    table = pd.DataFrame({"sample_id": [f"s{i}" for i in range(n)], "question": "Q", "fold": [0, 1] * (n // 2)})
    table["rank_cud"] = table["rank_mrd"] = range(1, n + 1)
    return table.assign(cud=1 - table["rank_cud"] / n - 0.5 * table["fold"], mrd=table["rank_mrd"] / n)


def test_a_point_selects_its_own_sample():
    table = scored()
    chart = difficulty_plot.scatter_figure(table.assign(cohort=assign(table, CohortRule()).to_numpy()), "s3")
    points = [(place, name) for trace in chart.data if trace.customdata is not None
              for place, name in zip(trace.x, trace.customdata, strict=True)]
    assert sorted(points) == [(i + 1, f"s{i}") for i in range(16)]


def test_each_half_has_cut_offs_of_its_own_in_cud_alone():
    table = scored()
    table["cohort"] = assign(table, CohortRule()).to_numpy()
    assert len(difficulty_plot.cut_offs(table, CohortRule(), "cud")) == 4
    assert difficulty_plot.cut_offs(table, CohortRule(), "mrd") == []
    table["cohort"] = assign(table, CohortRule("MRD")).to_numpy()
    assert difficulty_plot.cut_offs(table, CohortRule("MRD"), "mrd") == [4.5 / 16, 12.5 / 16]
    assert difficulty_plot.cut_offs(table, CohortRule("MRD", limits=(0.8, 0.2)), "mrd") == [0.2, 0.8]
