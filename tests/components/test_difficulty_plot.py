"""Charts of the Difficulty page: a click selects the point's own sample, and the cut-offs are those of the rule."""

import pandas as pd

from analysis.cohorts import CohortRule, assign
from components import difficulty_plot


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
