"""How numbers and words of data are written, the same on every page."""

import math
import re

import pandas as pd

# Probabilities of memories and of runs have two digits after the point; means over seeds, their errors and differences have three, as
# seeds differ in the third.
PROBABILITY = "%.2f"


def escape(text: str) -> str:
    """Text from data inside Markdown, which shows it letter by letter.

    Escaped, an address would still become a link and :material/home: an icon, so a word joiner, which has no width, parts them.
    """
    parted = re.sub(r"(?i)(?<=[a-z]:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w)|(?<=:)(?=[\w+-][\w+/-]*:)", "\u2060", " ".join(text.split()))
    return re.sub(r"([\\`*_\[\]()<>!:$~#|&])", r"\\\1", parted)


def shortened(text: str, most: int = 90) -> str:
    """Text from data in one line of at most `most` letters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def labels(texts: pd.Series, most: int = 140) -> dict[str, str]:
    """What a list shows each of `texts` as, by its id: one line, with a number where two would look the same."""
    short = texts.map(lambda text: shortened(text, most))
    again = short.groupby(short).cumcount()
    return {name: text if n == 0 else f"{text} ({n + 1})" for name, text, n in zip(short.index, short, again, strict=True)}


def needs(what: str) -> str:
    """What stands in place of a number that is not there."""
    return f"not computed: needs {what}"


def fixed(values: pd.Series, figures: int = 2) -> str:
    """A printf format that writes a whole column with the same digits after the point: enough for its median to have `figures`
    significant ones. In powers of ten where that would take more than six."""
    typical = values.abs().median()
    if not 0 < typical < math.inf:
        return f"%.{figures}f"
    digits = max(0, figures - 1 - math.floor(math.log10(typical)))
    return f"%.{digits}f" if digits <= 6 else f"%.{figures - 1}e"


def rank_in_words(ranks: pd.Series, rank: float) -> str:
    """'hardest 12 of 160', or from the other end where that is shorter: 'easiest 3 of 160'. Rank 1 is the hardest."""
    return "not computed" if pd.isna(rank) else hardest(rank, int(ranks.count()))


def hardest(rank: float, n: int) -> str:
    """The same of a rank that is known, among `n`."""
    from_easy = n + 1 - math.ceil(rank)  # two samples may share a rank, such as 1.5
    return f"hardest {int(rank)} of {n}" if rank <= from_easy else f"easiest {from_easy} of {n}"


def duration(seconds: float) -> str:
    """< 1 s, 12 s, 3 min 20 s, 1 h 05 min."""
    whole = round(seconds)
    if whole < 1:
        return "< 1 s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
