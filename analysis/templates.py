"""The form of a question without its subject: samples of one template ask the same of different subjects."""

import re

from analysis.dataset import Sample

KEYS = ("template", "attribute")  # columns of a data file that name it
WORD = re.compile(r"\w+(?:[-'’.]\w+)*")


def template(sample: Sample) -> str:
    """What the data call it (`template`, else `attribute`), else the question with its names and numbers blanked.

    A word that starts with a capital or a digit, other than the first, becomes "_"; neighbouring ones become a single "_", so that
    longer names are no other template.
    """
    for key in KEYS:
        value = sample.meta.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()

    def blanked(word: re.Match) -> str:
        first = word.group()[0]
        return "_" if word.start() and (first.isupper() or first.isdigit()) else word.group()

    return re.sub(r"_(?:\s+_)+", "_", WORD.sub(blanked, sample.question))
