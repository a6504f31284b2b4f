"""The report's charts, made from the same tables as its CSV files."""

import math

import numpy as np
import pandas as pd
from markupsafe import Markup

from analysis.figures import interval
from analysis.observed import CONTROL
from analysis.report_svg import SHAPES, Axes, box, legend, line, mark, picture, text, ticks
from analysis.runs import RunRecord

COHORT_MARKS = {"hard": "up", "middle": "circle", "easy": "square"}


def runs_chart(records: list[RunRecord]) -> Markup | None:
    """Probability left on the forget set against that kept on the retain set, a mark per run and a shape per method.

    Without the control, if there are others: it loses so much that they would lie in one corner.
    """
    known = [record for record in records if record.retain_probability is not None]
    known = [record for record in known if record.method != CONTROL] or known
    if not known:
        return None
    most_left = math.ceil(10 * max(record.forget_probability for record in known)) / 10
    least_kept = math.floor(10 * min(record.retain_probability for record in known)) / 10
    axes = Axes(44, 34, 330, 216, (0.0, max(most_left, 0.1)), (min(least_kept, 0.9), 1.0))
    x_ticks, y_ticks = (ticks(low, high, (high - low) / 5, ".2f") for low, high in (axes.x_range, axes.y_range))
    parts = axes.draw(x_ticks, y_ticks, "left on the forget set", "kept on the retain set")
    shapes = list(SHAPES)
    methods = {method: i % len(shapes) for i, method in enumerate(dict.fromkeys(record.method for record in known))}
    for record in known:
        place = axes.x(record.forget_probability), axes.y(record.retain_probability)
        says = f"{record.name}: {record.forget_probability:.3f} left, {record.retain_probability:.3f} kept"
        parts.append(mark(shapes[methods[record.method]], *place, 5, f"m{methods[record.method]}", says))
    entries = [(shapes[i], f"m{i}", _cut(method, 22)) for method, i in methods.items()]
    return picture("Runs: forgetting against keeping", 560, 300, [*parts, *legend(entries, 400, 60, 22)])


def ranks_chart(memories: pd.DataFrame) -> Markup | None:
    """Rank by CUD against the observed rank, a mark per memory, by cohort; 1 = hardest."""
    known = memories.dropna(subset=["rank_cud", "observed_rank"]) if {"rank_cud", "observed_rank"} <= set(memories) else memories[:0]
    if known.empty:
        return None
    top = float(max(known["rank_cud"].max(), known["observed_rank"].max(), 2.0))
    axes, step = Axes(44, 50, 480, 216, (0.0, top), (0.0, top)), 10.0 ** math.floor(math.log10(top))
    marks = ticks(0, top // step * step, step if top / step > 3 else step / 2, "g")
    parts = axes.draw(marks, marks, "rank by CUD (1 = hardest)", "observed rank (1 = hardest to forget)")
    parts += [mark(COHORT_MARKS.get(row.cohort, "circle"), axes.x(row.rank_cud), axes.y(row.observed_rank), 3.4, row.cohort,
                   f"{row.sample_id}: CUD rank {row.rank_cud:g}, observed {row.observed_rank:g}") for row in known.itertuples()]
    entries = [(shape, name, name) for name, shape in COHORT_MARKS.items() if (known["cohort"] == name).any()]
    return picture("Rank by CUD against the observed rank", 560, 312, [*parts, *legend(entries, 50, 16)])


def cohort_chart(rows: pd.DataFrame) -> Markup:
    """Bars of the mean answer probability left, by cohort, with 95 % intervals over samples."""
    top = math.ceil(10 * float(np.nanmax(rows[["probability", "probability_high"]].to_numpy()))) / 10 or 0.1
    axes = Axes(44, 34, 480, 196, (0.0, float(len(rows))), (0.0, top))
    parts = axes.draw([], ticks(0, top, 0.1 if top <= 0.6 else 0.2, ".1f"), "", "answer probability left")
    for place, row in enumerate(rows.itertuples()):
        x, y = axes.x(place + 0.5), axes.y(row.probability)
        parts.append(box(x - 42, y, 84, axes.y(0) - y, f"bar {row.cohort}"))
        if row.probability_low == row.probability_low:
            parts.append(line(x, axes.y(row.probability_low), x, axes.y(row.probability_high), "whisker"))
        parts += [text(x, axes.y(0) + 17, f"{row.cohort} (n={row.n})", text_anchor="middle"),
                  text(x + 8, min(y, axes.y(np.nan_to_num(row.probability_high))) - 5, f"{row.probability:.2f}")]
    return picture("Answer probability left, by cohort", 560, 262, parts)


def forest_chart(main: pd.DataFrame) -> Markup | None:
    """Spearman of each predictor with the observed difficulty, with its 95 % interval."""
    rows = main.dropna(subset=["spearman"]).sort_values("spearman", ascending=False)
    if rows.empty:
        return None
    axes = Axes(178, 30, 346, 23.0 * len(rows), (-1.0, 1.0), (float(len(rows)), 0.0))
    parts = axes.draw(ticks(-1, 1, 0.5, ".1f"), [], "Spearman with the observed difficulty (1 = foretells it)", "predictor")
    parts.append(line(axes.x(0), axes.top, axes.x(0), axes.top + axes.height, "zero"))
    for place, row in enumerate(rows.itertuples()):
        y, kind = axes.top + 23 * (place + 0.5), "hard" if row.predictor in ("CUD", "MRD") else "middle"
        parts += [text(170, y + 4, _cut(row.predictor, 26), text_anchor="end"),
                  line(axes.x(row.low), y, axes.x(row.high), y, "whisker"),
                  mark("circle", axes.x(row.spearman), y, 4.5, kind, interval(row.spearman, row.low, row.high))]
    return picture("Predictors against the outcome", 560, round(axes.height) + 72, parts)


def profile_chart(profile: pd.DataFrame) -> Markup:
    """Share of |score| that ends in each layer, in the easy and the hard quarter; the band is what random quarters give."""
    layers = sorted(profile["value"].unique())
    top = math.ceil(10 * float(np.nanmax(profile[["mean", "high"]].to_numpy()))) / 10
    axes = Axes(44, 50, 480, 200, (-0.5, len(layers) - 0.5), (0.0, top))
    names = [(float(i), "logits" if layer == layers[-1] else str(layer)) for i, layer in enumerate(layers)]
    parts = axes.draw(names, ticks(0, top, 0.1 if top <= 0.6 else 0.2, ".1f"), "layer where the edges end", "share of |score|")
    for row in profile.sort_values("cohort", key=lambda names: names != "chance", kind="stable").itertuples():  # bands below marks
        x, low, high = axes.x(layers.index(row.value)), axes.y(np.nan_to_num(row.low)), axes.y(np.nan_to_num(row.high))
        if row.cohort == "chance":
            parts.append(box(x - 20, high, 40, low - high, "band"))
        elif row.mean == row.mean:
            x += 7 if row.cohort == "hard" else -7
            says = f"{row.cohort}: {interval(row.mean, row.low, row.high, '.3f')}"
            parts += [line(x, low, x, high, "whisker"), mark(COHORT_MARKS[row.cohort], x, axes.y(row.mean), 4.5, row.cohort, says)]
    entries = [("square", "easy", "easy"), ("up", "hard", "hard"), ("square", "band", "random quarters (95%)")]
    return picture("Where the score ends, by layer", 560, 296, [*parts, *legend(entries, 50, 16)])


def effects_chart(compared: pd.DataFrame, names: dict[str, str]) -> Markup | None:
    """Cliff's delta of each read-out of circuits, hard against easy; the band is what 95 % of pairs of random cohorts stay within."""
    rows = compared.dropna(subset=["cliffs_delta"])
    if rows.empty:
        return None
    axes = Axes(178, 50, 346, 40.0 * len(rows), (-1.0, 1.0), (float(len(rows)), 0.0))
    parts = axes.draw(ticks(-1, 1, 0.5, ".1f"), [], "Cliff's delta (1 = every hard one above every easy one)", "")
    parts.append(line(axes.x(0), axes.top, axes.x(0), axes.top + axes.height, "zero"))
    for place, row in enumerate(rows.itertuples()):
        y, left = axes.top + 40 * (place + 0.5), axes.x(-row.chance_delta)
        says = f"{row.cliffs_delta:+.2f}, chance within {row.chance_delta:.2f}"
        parts += [text(170, y + 4, names[row.value], text_anchor="end"), box(left, y - 8, axes.x(row.chance_delta) - left, 16, "band"),
                  mark("diamond", axes.x(row.cliffs_delta), y, 5, "hard", says)]
    entries = [("diamond", "hard", "hard against easy"), ("square", "band", "random pairs of cohorts (95%)")]
    return picture("Read-outs of circuits, hard against easy", 560, round(axes.height) + 96, [*parts, *legend(entries, 178, 16)])


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[:most - 1]}…"
