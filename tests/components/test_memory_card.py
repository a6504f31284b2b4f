"""The word-by-word difference between a true answer and a generation."""

import pytest

from components.memory_card import difference


@pytest.mark.parametrize(("answer", "generation", "said"), [
    ("Goat given by Ana", "Goat given by Ana", "Goat given by Ana"),
    ("Goat given by Ana", "Goat lent by Ana", "Goat ~~given~~ **lent** by Ana"),
    ("Goat given", "Goat", "Goat ~~given~~"),
    ("Goat", "", "~~Goat~~"),
    ("Goat", "A Goat", "**A** Goat"),
    ("_c_ <b>", "_c_ <b>", r"\_c\_ \<b\>"),
    ("a <b> _c_", "a **d** ~~", r"a ~~\<b\> \_c\_~~ **\*\*d\*\* \~\~**"),  # its own marks are text
])
def test_each_word_is_shared_lost_or_new(answer, generation, said):
    assert difference(answer, generation) == said
