"""Text from data, as Markdown that a page shows letter by letter."""

import pytest

from components.formats import escape


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
