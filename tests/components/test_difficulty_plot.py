"""What the Difficulty page draws and says: a click selects its own sample, cut-offs are those of the rule."""

import pandas as pd

from analysis.cohorts import CohortRule, assign
from components import difficulty_plot, difficulty_words, score_panel, score_table, validity_quarters


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
    assert all(axis.range[0] > 16 and axis.range[1] < 1 for axis in (chart.layout.xaxis, chart.layout.yaxis)), "rank 1 is upper right"
    corners = {note.text: (note.x, note.y) for note in chart.layout.annotations}
    assert corners["both: hard"] == (1, 1) and corners["only CUD: hard"] == (1, 0) and corners["only MRD: hard"] == (0, 1)


def test_each_half_has_a_panel_and_cut_offs_of_its_own_in_cud_alone():
    table = scored()
    table["cohort"] = assign(table, CohortRule()).to_numpy()
    halves = difficulty_plot.panels(table, "cud")
    assert list(halves) == ["half A, ", "half B, "] and list(difficulty_plot.panels(table, "mrd")) == [""]
    for half in halves.values():
        low, high = difficulty_plot.cut_offs(half, CohortRule(), "cud")
        cohorts = pd.cut(half["cud"], [-1, low, high, 1], labels=["easy", "middle", "hard"])
        assert (cohorts == half["cohort"]).all(), "in its own panel a cut-off parts the cohorts cleanly"
    assert difficulty_plot.cut_offs(table, CohortRule(), "mrd") == []
    table["cohort"] = assign(table, CohortRule("MRD")).to_numpy()
    assert difficulty_plot.cut_offs(table, CohortRule("MRD"), "mrd") == [4.5 / 16, 12.5 / 16]
    assert difficulty_plot.cut_offs(table, CohortRule("MRD", limits=(0.8, 0.2)), "mrd") == [0.2, 0.8]


def test_the_histograms_hold_every_sample_once_and_name_the_cut_offs():
    table = scored()
    table["cohort"] = assign(table, CohortRule()).to_numpy()
    figure = difficulty_plot.histogram_figure(table, CohortRule(), "cud", "CUD", "s3")
    bars = [trace for trace in figure.data if trace.type == "histogram"]
    assert sorted(value for trace in bars for value in trace.x) == sorted(table["cud"])
    assert [trace.name for trace in figure.data if trace.showlegend is not False] == [
        "hard (n=4)", "middle (n=8)", "easy (n=4)", "cut-off", "selected"
    ]
    crowded = difficulty_plot.histogram_figure(table.assign(cud=0.5), CohortRule(), "cud", "CUD", None)
    assert crowded.layout.yaxis.range[1] > 8, "the axis holds a bar of every cohort stacked, here all eight of a half"
    words = difficulty_plot.cut_off_words(table, CohortRule())
    assert words == "Dotted: the cohorts' cut-offs in CUD (half A, 0.25 and 0.75; half B, -0.312 and 0.188)."
    limits = CohortRule("MRD", limits=(0.8, 0.2))
    assert difficulty_plot.cut_off_words(table, limits) == "Dotted: the cohorts' cut-offs in MRD (0.2 and 0.8)."


def test_the_outcome_sides_with_the_score_whose_place_is_nearer():
    apart = pd.DataFrame({"rank_cud": 1.0, "rank_mrd": 100.0, "rank_outcome": [90.0] * 9 + [2.0]})
    said = difficulty_words.sided(apart)
    assert "CUD's place 1 times, to MRD's 9 times (sign test p = 0.021), so MRD was right more often" in said
    even = apart.assign(rank_outcome=[90.0, 2.0] * 5)
    assert "(sign test p = 1), so neither can be said to be right" in difficulty_words.sided(even)
    between = apart.assign(rank_outcome=[50.5] * 9 + [2.0])
    assert "CUD's place 1 times, to MRD's 0 times" in difficulty_words.sided(between), "half-way is nearer to neither"
    unknown = apart.assign(rank_outcome=float("nan"))
    assert "0 times, to MRD's 0 times" in difficulty_words.sided(unknown)


def test_quarters_go_from_the_hardest_to_the_easiest_and_leave_out_what_has_no_outcome():
    table = scored().assign(n_answer_tokens=5, base_nll=0.1, token_frequency=1.0)
    left = pd.Series(1 - table["rank_mrd"].to_numpy() / 16, index=table["sample_id"])
    left["s15"] = float("nan")
    found = validity_quarters.quarters(table, left, "Base NLL")
    assert set(found["predictor"]) == {"CUD", "MRD"}, "a baseline that does not vary has no quarters"
    mrd = found[found["predictor"] == "MRD"]
    assert mrd["quarter"].tolist() == list(validity_quarters.QUARTERS) and mrd["n"].sum() == 15
    assert mrd["mean"].is_monotonic_decreasing and mrd["mean"].iloc[0] == left[["s0", "s1", "s2"]].mean()
    assert mrd["mean"].iloc[3] == left[["s11", "s12", "s13", "s14"]].mean()
    assert (mrd["low"] < mrd["mean"]).all() and (mrd["mean"] < mrd["high"]).all()
    assert len(validity_quarters.figure(found, 0.5).data) == 2


def test_where_scores_disagree_each_sample_has_its_own_outcome_beside(monkeypatch):
    shown = []
    monkeypatch.setattr(score_table, "show", lambda table, *_, **__: shown.append(table))
    outcome = [float(place) for place in (9, 3, 16, 1, 12, 7, 5, 14, 2, 11, 6, 15, 4, 10, 8, 13)]
    score_panel._disagreement(scored().assign(rank_mrd=range(16, 0, -1), rank_outcome=outcome), None)
    assert abs(shown[0]["gap"].iloc[0]) == 15
    assert dict(zip(shown[0]["sample_id"], shown[0]["rank_outcome"], strict=True)) == {f"s{i}": o for i, o in enumerate(outcome)}
