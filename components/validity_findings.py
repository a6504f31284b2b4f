"""What the main part of validity.csv says (`analysis.findings`), as Markdown."""

import pandas as pd

from analysis import findings as said


def findings(main: pd.DataFrame) -> list[str]:
    """A line per finding, its claim in bold."""
    return [f"**{found.claim}**: {found.figures}".replace("|", "\\|") for found in said.findings(main)]
