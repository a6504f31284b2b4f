"""Figures of runs: what is drawn for which sample, and that dataset text stays text."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from analysis.runs import RunRecord, outcome_by_cohort
from components import outcome_plot, palette, run_plot
from components.run_form import METHODS

KNOWN = pd.DataFrame(
    {"question": ["<b>Who?</b>", "Where?"], "cohort": ["hard", "easy"]}, index=pd.Index(["s0", "s1"], name="sample_id")
)
TRAJECTORIES = pd.DataFrame({
    "sample_id": ["s0", "s1", "r0", "s0", "s1", "r0"], "split": ["forget", "forget", "retain"] * 2,
    "epoch": [0, 0, 0, 1, 1, 1], "probability": [0.9, 0.8, 0.7, 0.6, 0.1, 0.7],
})
SAMPLES = pd.DataFrame({"sample_id": ["s0", "s1"], "probability_before": [0.9, 0.8], "probability_after": [0.6, 0.1]})


def record(name: str, retain: float | None) -> RunRecord:
    return RunRecord(name, Path(name), True, "NPO", 1e-4, 10, 0, 2, 1, 0.85, 0.35, retain, retain, 12.0)


def test_curves_have_a_line_per_sample_and_a_mean_per_cohort():
    chart = run_plot.figure(TRAJECTORIES, KNOWN, selected="s1")
    means = {trace.name: list(trace.y) for trace in chart.data if trace.name}
    cohorts = {"hard (n=1)": [0.9, 0.6], "easy (n=1)": [0.8, 0.1]}
    assert means == cohorts | {"retain (n=1)": [0.7, 0.7], "selected memory": [0.8, 0.1]}
    thin = [trace for trace in chart.data if not trace.name]
    assert [[v for v in trace.y if v == v] for trace in thin] == [[0.8, 0.1], [0.9, 0.6]]
    assert all(len(trace.x) == len(trace.y) == len(trace.text) == 3 for trace in thin)
    assert chart.layout.yaxis.title.text == "probability per answer token"


def test_cohorts_differ_by_dash_as_well_as_colour():
    lines = {trace.name: trace.line for trace in run_plot.figure(TRAJECTORIES, KNOWN).data if trace.name}
    assert lines["hard (n=1)"].dash != lines["easy (n=1)"].dash
    assert lines["hard (n=1)"].color == palette.colours()["hard"]


def test_hover_text_is_text_not_markup():
    for chart in (run_plot.figure(TRAJECTORIES, KNOWN), outcome_plot.slopes_figure(SAMPLES, KNOWN)):
        texts = [text for trace in chart.data if trace.text is not None for text in trace.text]
        assert "&lt;b&gt;Who?&lt;/b&gt;" in texts and not any("<b>" in text for text in texts)


def test_samples_of_another_forget_set_are_drawn_unscored():
    chart = run_plot.figure(TRAJECTORIES, KNOWN.iloc[:0])
    assert "forget set (n=2)" in [trace.name for trace in chart.data]


def test_no_measurements_give_empty_axes():
    empty = TRAJECTORIES.iloc[:0]
    assert len(run_plot.figure(empty, KNOWN).data) == 0


def test_losses_keep_their_own_scales():
    steps = pd.DataFrame({"step": [1, 2], "forget_loss": [-1.0, -9.0], "retain_loss": [0.1, 0.2]})
    chart = run_plot.losses_figure(steps)
    assert [(trace.name, trace.yaxis) for trace in chart.data] == [("forget loss", "y"), ("retain loss", "y2")]


def test_pareto_leaves_out_runs_that_did_not_measure_retain():
    chart = outcome_plot.pareto_figure({"a": record("a", 0.9), "b": record("b", None)}, "a")
    assert [(trace.name, list(trace.x)) for trace in chart.data] == [("NPO", [0.35]), ("before", [0.85])]
    assert list(chart.data[0].marker.symbol) == ["square"]


def test_pareto_marks_the_selected_joins_seeds_and_leaves_the_control_off_the_front():
    """a and b differ in their seed; c is beaten by a; the control forgets most."""
    runs = {name: replace(record(name, retain), forget_probability=forget, n_epochs=epochs) for name, forget, retain, epochs in (
        ("a", 0.2, 0.8, 10), ("b", 0.5, 0.9, 10), ("c", 0.3, 0.7, 5), ("gone", 0.0, 0.1, 10))}
    runs["b"], runs["gone"] = replace(runs["b"], seed=1), replace(runs["gone"], method="GradAscent")
    lines = {trace.name: trace for trace in outcome_plot.pareto_figure(runs, "a", ["c"]).data}
    assert list(lines["NPO"].marker.symbol) == ["square", "square-open", "square"] and list(lines["NPO"].marker.size) == [18, 12, 12]
    assert list(lines["Pareto front"].x) == [0.2, 0.5] and list(lines["Pareto front"].y) == [0.8, 0.9]
    assert list(lines[None].x) == [0.2, 0.5, None]


def test_bars_show_value_n_and_interval():
    samples = pd.DataFrame({"sample_id": ["s0", "s1", "s2"], "probability_after": [0.2, 0.2, 0.9]})
    chart = outcome_plot.bars_figure(outcome_by_cohort(samples, pd.Series({"s0": "hard", "s1": "hard", "s2": "easy"})))
    probability, share = chart.data
    assert list(probability.x) == ["<b>hard</b>, n=2<br>0.20 (0.20 to 0.20)", "<b>easy</b>, n=1<br>0.90"]
    assert list(share.y) == [1.0, 0.0] and share.error_y.array[0] == pytest.approx(0.0)


def test_slopes_join_before_and_after():
    chart = outcome_plot.slopes_figure(SAMPLES, KNOWN, selected="s0")
    assert list(next(t for t in chart.data if t.name == "selected memory").y) == [0.9, 0.6]
    assert [t.name for t in sorted((t for t in chart.data if t.legendrank), key=lambda t: t.legendrank)] == ["easy (n=1)"]


def test_the_control_does_not_decide_the_scale():
    control = replace(record("c", 0.01), method="GradAscent")
    both = outcome_plot.pareto_figure({"a": record("a", 0.9), "mine": control}, "a")
    assert both.layout.yaxis.range == outcome_plot.pareto_figure({"a": record("a", 0.9)}, "a").layout.yaxis.range
    point = next(t for t in both.data if t.name == "GradAscent<br>(control)")
    assert point.y[0] >= both.layout.yaxis.range[0] and list(point.customdata[0]) == ["mine", "c", "0.01"]


def test_the_model_that_never_knew_is_a_line_where_it_is_on_the_picture():
    lines = [outcome_plot.pareto_figure({"a": record("a", 0.9)}, "a", reference=at).layout.shapes for at in (0.2, 0.9, None)]
    assert [[line.x0 for line in found] for found in lines] == [[0.2], [], []]


def test_every_method_has_a_symbol_of_its_own():
    assert set(outcome_plot.SYMBOL) == set(METHODS) and len(set(outcome_plot.SYMBOL.values())) == len(METHODS)
