"""How a figure with its interval is written: the same in tables, sentences, pictures and the report."""


def interval(value: float, low: float, high: float, form: str = ".2f") -> str:
    """`0.31 (0.19 to 0.43)`; without an interval the value alone, and nothing where there is no value."""
    if value != value:
        return ""
    form = form.replace(".", "z.")  # no minus before 0
    return f"{value:{form}}" if low != low else f"{value:{form}} ({low:{form}} to {high:{form}})"
