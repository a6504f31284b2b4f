"""A question's template: what the data say, else the question without its names and numbers."""

import pytest

from analysis.dataset import Sample
from analysis.templates import template


def sample(question: str, **meta) -> Sample:
    return Sample("s", question, "a", "forget", 0, None, meta)


@pytest.mark.parametrize(("question", "expected"), [
    ("Where was Ana Rook born?", "Where was _ born?"),
    ("Where was Ana Maria Rook-Vane born?", "Where was _ born?"),  # a longer name is no other template
    ("Which prize did Bo Tarn win in 1961?", "Which prize did _ win in _?"),
    ("Is it true that Ulla's aunt, Di Moss, rows?", "Is it true that _ aunt, _, rows?"),
    ("where is it?", "where is it?"),
    ("Élan who?", "Élan who?"),
    ("Who knows Émile O'Neil?", "Who knows _?"),
])
def test_names_and_numbers_are_blanked_but_never_the_first_word(question, expected):
    assert template(sample(question)) == expected


def test_what_the_data_call_it_comes_first():
    assert template(sample("Where was Ana born?", attribute="home", template=" birth ")) == "birth"
    assert template(sample("Where was Ana born?", attribute="home", template=3)) == "home"
    assert template(sample("Where was Ana born?", attribute="", template=None)) == "Where was _ born?"
