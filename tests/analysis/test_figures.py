"""A figure is written with its interval where there is one."""

import pytest

from analysis.figures import interval

NAN = float("nan")


@pytest.mark.parametrize(("figures", "words"), [
    ((0.314, 0.186, 0.427), "0.31 (0.19 to 0.43)"), ((0.314, 0.186, 0.427, "+.1f"), "+0.3 (+0.2 to +0.4)"),
    ((0.314, NAN, NAN), "0.31"), ((NAN, 0.1, 0.2), ""), ((-0.1, -0.2, -0.001), "-0.10 (-0.20 to 0.00)"),
])
def test_value_and_interval(figures, words):
    assert interval(*figures) == words
