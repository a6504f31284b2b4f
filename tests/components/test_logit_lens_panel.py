"""The logit lens in a sentence and in a chart: what is said and drawn is what the table holds."""

import numpy as np
import pandas as pd
import pytest

from components import logit_lens_panel, logit_lens_plot

TABLE = pd.DataFrame({
    "layer": [-1, 0, 1, 2], "log_prob": [-15.0, -1.0, -2.0, -0.5], "first_log_prob": -0.5, "first_rank": [1, 1, 2, 1],
    "top_token": "x", "control": [-16.0, -3, -3, -3], "control_low": [-18.0, -6, -6, -6], "control_high": [-14.0, -1.5, -1.5, -1.5],
    "n_control": 16,
})


@pytest.mark.parametrize(
    ("holds", "layer"), [([False, True, False, True], 2), ([True] * 4, -1), ([True, True, True, False], None), ([False] * 4, None)]
)
def test_since_when_something_holds_to_the_end(holds, layer):
    assert logit_lens_panel.since(TABLE["layer"], pd.Series(holds)) == layer


def test_the_sentence_says_from_where_on_and_how_likely_at_the_end():
    words = logit_lens_panel.takeaway(TABLE)
    assert words.count("from layer 2 on") == 2 and "each of 16 other answers" in words and "probability 0.61" in words
    alone = logit_lens_panel.takeaway(TABLE.assign(control=np.nan, control_low=np.nan, control_high=np.nan, n_control=0))
    assert "other answers" not in alone and "from layer 2 on" in alone
    assert "not even after the last layer" in logit_lens_panel.takeaway(TABLE.assign(control_high=0.0))


def test_the_chart_draws_the_table_and_the_boundary():
    chart = logit_lens_plot.figure(TABLE, 1)
    lines = {trace.name: trace for trace in chart.data if trace.name}
    assert list(lines["the answer"].y) == [-15.0, -1.0, -2.0, -0.5]
    assert list(lines["other answers: mean, range"].y) == [-16.0, -3, -3, -3]
    assert chart.layout.shapes[0].x0 == chart.layout.shapes[0].x1 == 0.5
    assert chart.layout.yaxis.range[0] == pytest.approx(1.15 * -3) and "↓ -15.0" in [a.text for a in chart.layout.annotations]


def test_without_other_answers_only_the_answer_is_drawn():
    chart = logit_lens_plot.figure(TABLE.assign(control=np.nan, control_low=np.nan, control_high=np.nan), 1)
    assert len(chart.data) == 1 and chart.layout.yaxis.range[0] == pytest.approx(1.15 * -2)
