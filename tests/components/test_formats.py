"""Text from data, as Markdown that a page shows letter by letter."""

import pandas as pd
import pytest

from components.formats import escape, fixed


@pytest.mark.parametrize(("text", "markdown"), [
    ("*a*  [b](c)\n$d$ ~f~ 1:2", r"\*a\* \[b\]\(c\) \$d\$ \~f\~ 1\:2"),
    (":material/home: :+1:", "\\:\u2060material/home\\: \\:\u2060+1\\:"),
    ("http://a.example", "http\\:\u2060//a.example"),  # without the joiner a link, escaped or not; so are the next two
    ("see WWW.a.example", "see WWW\u2060.a.example"),
    ("me@a.example", "me@\u2060a.example"),
    ("3 @ 4 // 5", "3 @ 4 // 5"),
])
def test_nothing_is_left_to_be_read_as_markup(text, markdown):
    assert escape(text) == markdown


@pytest.mark.parametrize(("values", "figures", "form"), [
    ([0.001, 0.0033, 0.014], 2, "%.4f"), ([0.0426], 2, "%.3f"), ([1.2, 2.3, 4.5], 3, "%.2f"), ([120.0, 5600.0], 2, "%.0f"),
    ([2e-9], 2, "%.1e"), ([0.0, 0.0], 2, "%.2f"), ([float("nan")], 2, "%.2f"), ([-0.05, float("nan")], 2, "%.3f"),
])
def test_a_column_has_one_number_of_digits(values, figures, form):
    assert fixed(pd.Series(values), figures) == form
