"""Figures show the numbers of their tables, with axis titles, n and the control."""

import numpy as np
import pandas as pd
import pytest

from analysis import circuits_after, comparison
from components import cohort_plot

NAMES = ("easy", "hard")
COHORT = pd.Series(["easy"] * 6 + ["hard"] * 6, index=range(12))


@pytest.fixture
def shares() -> pd.DataFrame:
    values = np.random.default_rng(0).random((12, 4))
    return pd.DataFrame(values / values.sum(axis=1, keepdims=True), index=COHORT.index)


def trace(figure, name: str):
    return next(trace for trace in figure.data if trace.name and trace.name.startswith(name))


def test_layer_profile(shares):
    figure = cohort_plot.layer_profile(comparison.cohort_means(shares, COHORT), NAMES, boundary=2)
    assert list(trace(figure, "hard").y) == pytest.approx(shares[6:].mean().tolist())
    assert "n = 6" in trace(figure, "easy").name and trace(figure, "random").name
    assert figure.layout.xaxis2.title.text and figure.layout.yaxis.title.text and figure.layout.yaxis2.title.text
    assert list(figure.layout.xaxis2.ticktext) == ["0", "1", "2", "logits"]
    assert trace(figure, "easy").line.dash != trace(figure, "hard").line.dash  # never colour alone


def test_edge_mix(shares):
    mix = comparison.cohort_means(shares.set_axis(["a->b", "b->c", "c->d", "d->e"], axis=1), COHORT)
    figure = cohort_plot.edge_mix(mix, NAMES)
    assert sorted(trace(figure, "easy").x) == pytest.approx(sorted(shares[:6].mean()))
    assert figure.layout.xaxis.title.text and figure.layout.yaxis.title.text


def test_effects(shares):
    table = comparison.compare(shares, COHORT)
    figure = cohort_plot.effects(table, {column: f"value {column}" for column in shares}, NAMES)
    assert dict(zip(trace(figure, "hard").y, trace(figure, "hard").x, strict=True))["value 0"] == table.loc[0, "cliffs_delta"]
    assert "Cliff" in figure.layout.xaxis.title.text


def test_any_two_cohorts_are_drawn_under_their_names(shares):
    names = ("middle", "others")
    cohort = COHORT.map({"easy": "middle", "hard": "others"})
    figure = cohort_plot.layer_profile(comparison.cohort_means(shares, cohort, names), names, boundary=2)
    assert "n = 6" in trace(figure, "middle").name and "n = 6" in trace(figure, "all others").name
    effects = cohort_plot.effects(comparison.compare(shares, cohort, names), {column: str(column) for column in shares}, names)
    assert trace(effects, "all others against middle") and "all others" in effects.layout.xaxis.title.text


def test_changes_have_a_panel_per_readout_with_intervals(shares):
    made = circuits_after.summary(shares, COHORT)
    figure = cohort_plot.changes(made, {column: f"value {column}" for column in shares})
    points = [point for point in figure.data if point.name == "hard"]
    assert [point.x[0] for point in points] == pytest.approx(shares[6:].mean().tolist())
    assert [note.text for note in figure.layout.annotations] == [f"value {column}" for column in shares]
    assert all(point.error_x.array[0] > 0 for point in points) and len({point.marker.symbol for point in figure.data}) == 3
