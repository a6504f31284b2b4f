"""The overview's picture: how probable each answer still is, from before unlearning to its end."""

import textwrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components import palette
from components.formats import shortened

GAP = 0.24  # of the axis, between labels that would lie on each other
LINES = {"hard": ("hard", "dash"), "easy": ("easy", "solid"), "kept": ("retain", "dot")}  # colour and dash


def figure(course: pd.DataFrame, ends: dict[str, str], questions: dict[str, str]) -> go.Figure:
    """A thin line per forget sample, and three that are named where they end: the hardest, the easiest, and the mean of the retain
    samples.

    `course`: as `analysis.course.mean_course` gives it. `ends`: sample ids of `hard` and `easy`. `questions`: by sample id.
    """
    forget = course.loc["forget"]
    bold = {name: forget.loc[sample] for name, sample in ends.items()}
    names = {name: questions[sample] for name, sample in ends.items()}
    if "retain" in course.index.get_level_values(0):
        bold["kept"], names["kept"] = course.loc["retain"].mean(), "what is to be kept, on average"
    chart = go.Figure(_thin(forget, questions))
    for name, line in bold.items():
        colour, dash = LINES[name]
        chart.add_scatter(
            x=line.index, y=line, mode="lines", line={"color": palette.colours()[colour], "width": 3.5, "dash": dash},
            hovertemplate=f"{palette.plain(names[name])}<br>probability %{{y:.2f}}<extra></extra>",
        )
    places = apart({name: float(line.iloc[-1]) for name, line in bold.items()}, GAP)
    for name, line in bold.items():
        chart.add_annotation(_label(f"{line.iloc[-1]:.2f}", names[name], LINES[name][0], places[name]))
    chart.update_xaxes(tickvals=[0, 0.5, 1], ticktext=["before", "halfway", "end of the run"], range=[0, 1], zeroline=False)
    chart.update_yaxes(title="answer probability", range=[0, 1.03], tickvals=[0, 0.5, 1], tickformat=".1f")
    return palette.style(chart, height=290).update_layout(showlegend=False, margin={"l": 8, "r": 190, "t": 12, "b": 8})


def _thin(forget: pd.DataFrame, questions: dict[str, str]) -> go.Scatter:
    """All memories as one trace, a gap after each."""
    n, width = forget.shape
    said = [palette.plain(questions.get(sample, "")) for sample in forget.index]
    return go.Scatter(
        x=np.tile([*forget.columns, np.nan], n), y=np.hstack([forget.to_numpy(), np.full((n, 1), np.nan)]).ravel(),
        text=np.repeat(said, width + 1), mode="lines", line={"color": palette.colours()["middle"], "width": 1}, opacity=0.35,
        hovertemplate="%{text}<br>probability %{y:.2f}<extra></extra>",
    )


def _label(value: str, words: str, colour: str, y: float) -> dict:
    """Beside the end of a line, on the right of the plot."""
    lines = [palette.plain(line) for line in textwrap.wrap(shortened(words, 66), 25, initial_indent="      ")]  # room for the value
    text = "<br>".join([f'<b><span style="color:{palette.colours()[colour]}">{value}</span></b>  {lines[0].strip()}', *lines[1:]])
    return {"text": text, "x": 1, "xshift": 8, "xanchor": "left", "y": y, "align": "left", "showarrow": False, "font_size": 12}


def apart(places: dict[str, float], gap: float) -> dict[str, float]:
    """Places on an axis from 0 to 1 in the same order, moved up so that any two are `gap` apart, and down where that led over 1."""
    order = sorted(places, key=places.__getitem__)
    found: list[float] = []
    for name in order:
        found.append(max(places[name], found[-1] + gap) if found else max(places[name], gap / 3))
    for i in range(len(found) - 1, -1, -1):
        found[i] = min(found[i], 1 - gap / 4 if i == len(found) - 1 else found[i + 1] - gap)
    return dict(zip(order, found, strict=True))
