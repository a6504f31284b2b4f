"""Charts of finished runs: forgetting against keeping, each memory before and after, and the cohorts compared."""

from collections.abc import Collection

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis.observed import CONTROL
from analysis.run_comparison import front
from analysis.runs import COHORTS, FORGOTTEN_BELOW, RunRecord
from components import palette
from components.run_plot import DASH, DRAWN, HATCH, cohort_colour, cohort_name, selected_line

SYMBOL = {
    "GradAscent": "cross", "GradDiff": "circle", "NPO": "square", "SimNPO": "diamond", "RMU": "triangle-up", "UNDIAL": "pentagon",
    "IdkDPO": "triangle-down",  # a star would be taken for "before"
}


def pareto_figure(
    records: dict[str, RunRecord], chosen: str, selected: Collection[str] = (), reference: float | None = None
) -> go.Figure:
    """One point per run that measured its retain set: left is more forgotten, up is more kept. `records`: by run id, which is the
    first of a point's `customdata`. The runs that are selected and the chosen one, which is larger, are filled; thin lines join runs
    that differ in their seed; a step line is the Pareto front. `reference`: forget probability of a model that never knew the set.

    The control does not decide the scale: where it kept less than all others, it is drawn at the lower edge, and hovering says where
    it is. Nor is it on the front.
    """
    chart = go.Figure()
    known = {name: r for name, r in records.items() if r.retain_probability is not None}
    measured = list(known.values())
    kept = [r.retain_probability for r in measured if r.method != CONTROL] or [r.retain_probability for r in measured]
    floor = max(0.0, min(kept, default=0.0) - 0.1) - 0.02
    _front(chart, [r for r in measured if r.method != CONTROL])
    _seeds(chart, measured, floor)
    for method in sorted({r.method for r in measured}):
        part = {name: r for name, r in known.items() if r.method == method}
        chart.add_trace(_runs_of(method, part, {chosen, *selected}, chosen, floor))
    right = min(1.0, max((r.forget_probability for r in measured), default=1.0) * 1.25 + 0.05)
    _before(chart, measured, right)
    _reference(chart, reference, right)
    chart.update_xaxes(title="forget probability (left = more forgotten)", range=[-0.03 * right, right * 1.03])
    chart.update_yaxes(title="retain probability (up = more kept)", range=[floor, 1.03])
    below = sum(r.retain_probability < floor for r in measured)
    if below:
        chart.add_annotation(
            x=0.99, xref="paper", xanchor="right", y=0.09, yref="paper", yanchor="bottom", showarrow=False,
            text=f"at the lower edge: {below} control run{'s' if below > 1 else ''} that kept less",
            font={"size": 12, "color": palette.colours()["muted"]},
        )
    beside = {"orientation": "v", "x": 1.01, "xanchor": "left", "y": 1, "yanchor": "top", "itemclick": False, "itemdoubleclick": False}
    return palette.style(chart, height=400).update_layout(showlegend=True, legend=beside, margin_t=8)


def _runs_of(method: str, part: dict[str, RunRecord], filled: Collection[str], chosen: str, floor: float) -> go.Scatter:
    symbol = SYMBOL.get(method, "x")
    return go.Scatter(
        x=[r.forget_probability for r in part.values()], y=[max(floor + 0.015, r.retain_probability) for r in part.values()],
        mode="markers", name=palette.plain(method) + ("<br>(control)" if method == CONTROL else ""), cliponaxis=False,
        customdata=[(name, palette.plain(r.name), f"{r.retain_probability:.2f}") for name, r in part.items()],
        marker={
            "symbol": [symbol if name in filled else f"{symbol}-open" for name in part],
            "size": [18 if name == chosen else 12 for name in part], "color": palette.colours()["text"], "opacity": 1,
            "line": {"width": 2, "color": palette.colours()["text"]},
        },
        unselected={"marker": {"opacity": 1}},  # a click selects, and must not dim the others
        hovertemplate="%{customdata[1]}<br>forget %{x:.2f}, retain %{customdata[2]}<extra></extra>",
    )


def _reference(chart: go.Figure, reference: float | None, right: float) -> None:
    """A line where a model that never knew the forget set would be: further left is not better."""
    if reference is not None and reference <= right:
        muted = palette.colours()["muted"]
        chart.add_vline(reference, line={"color": muted, "width": 1, "dash": "dash"})
        chart.add_annotation(
            x=reference, y=0.3, yref="paper", xanchor="left", yanchor="middle", showarrow=False, align="left",
            text=f" a model that never<br> knew them: {reference:.2f}", font={"size": 12, "color": muted},
        )


def _before(chart: go.Figure, measured: list[RunRecord], right: float) -> None:
    """A star for the model before any run; words at the edge where it lies beyond `right`, the end of the axis."""
    colours, before = palette.colours(), next((r for r in measured if r.retain_before is not None), None)
    if before is None:
        return
    outside = before.forget_before > right
    chart.add_trace(go.Scatter(
        x=[before.forget_before], y=[before.retain_before], mode="markers", name="before", showlegend=not outside,
        marker={"symbol": "star", "size": 13, "color": colours["text"]},
        hovertemplate="before any run<br>forget %{x:.2f}, retain %{y:.2f}<extra></extra>",
    ))
    if outside:
        chart.add_annotation(
            x=0.99, xref="paper", xanchor="right", y=before.retain_before, yanchor="middle", showarrow=False,
            text=f"before any run: {before.forget_before:.2f}, {before.retain_before:.2f} \u2192",
            font={"size": 12, "color": colours["muted"]},
        )


def _front(chart: go.Figure, able: list[RunRecord]) -> None:
    """The runs that no other beats, joined by steps; none where a single run is its own front."""
    found = pd.DataFrame([(r.forget_probability, r.retain_probability) for r in able], columns=["forget", "retain"], dtype=float)
    best = found[front(found.forget, found.retain)].sort_values("forget")
    if len(best) > 1:
        chart.add_trace(go.Scatter(
            x=best.forget, y=best.retain, mode="lines", name="Pareto front", hoverinfo="skip",
            line={"color": palette.colours()["text"], "width": 1.5, "dash": "dot", "shape": "hv"},
        ))


def _seeds(chart: go.Figure, measured: list[RunRecord], floor: float) -> None:
    """Lines between runs of the same settings, without a place in the legend."""
    groups: dict[tuple, list[RunRecord]] = {}
    for r in measured:
        groups.setdefault((r.method, r.learning_rate, r.n_epochs, r.sampling, r.mask), []).append(r)
    x, y = [], []
    for part in (sorted(part, key=lambda r: r.forget_probability) for part in groups.values() if len(part) > 1):
        x += [*(r.forget_probability for r in part), None]
        y += [*(max(floor + 0.015, r.retain_probability) for r in part), None]
    if x:
        chart.add_trace(go.Scatter(
            x=x, y=y, mode="lines", line={"color": palette.colours()["muted"], "width": 1}, showlegend=False, hoverinfo="skip",
        ))


def slopes_figure(samples: pd.DataFrame, known: pd.DataFrame, selected: str | None = None) -> go.Figure:
    """Each forget sample's probability before and after, its cohort in colour and dash, and the cohort's mean in bold.

    `samples`: samples.csv of the run. `known`: question and cohort by sample_id. `selected`: the sample drawn by itself.
    """
    table = samples.join(known[["question", "cohort"]], on="sample_id")
    table = table.fillna({"question": "a sample of another forget set", "cohort": "unscored"})
    chart = go.Figure()
    for cohort in DRAWN:
        part = table[table.cohort == cohort]
        if len(part):
            _slopes(chart, part, cohort)
    for row in table[table.sample_id == selected].itertuples():
        chart.add_trace(selected_line(pd.Series([0, 1]), pd.Series([row.probability_before, row.probability_after])))
    muted = palette.colours()["muted"]
    chart.add_hline(FORGOTTEN_BELOW, line={"color": muted, "width": 1, "dash": "dot"})
    chart.add_annotation(
        x=0, xref="paper", xanchor="left", y=FORGOTTEN_BELOW, yanchor="top", showarrow=False,
        text=f"forgotten below {FORGOTTEN_BELOW}", font={"size": 12, "color": muted},
    )
    chart.update_xaxes(tickvals=[0, 1], ticktext=["before", "after"], range=[-0.08, 1.08])
    chart.update_yaxes(title="probability per answer token", range=[0, 1.02])
    return palette.style(chart, height=360).update_layout(margin_t=8)


def bars_figure(by_cohort: pd.DataFrame) -> go.Figure:
    """Per cohort: mean probability after and share forgotten, with their intervals. `by_cohort`: runs.outcome_by_cohort."""
    titles = ("Mean probability after", f"Share forgotten (below {FORGOTTEN_BELOW})")
    chart = make_subplots(rows=1, cols=2, horizontal_spacing=0.08, subplot_titles=titles)
    ink = palette.colours()["text"]
    for column, name in enumerate(("probability", "share"), start=1):
        value, low, high = by_cohort[name], by_cohort[f"{name}_low"], by_cohort[f"{name}_high"]
        labels = [
            f"<b>{cohort}</b>, n={n}<br>{v:.2f}" + ("" if pd.isna(a) else f" ({a:.2f} to {b:.2f})")
            for cohort, n, v, a, b in zip(by_cohort.cohort, by_cohort.n, value, low, high, strict=True)
        ]
        chart.add_trace(go.Bar(
            x=labels, y=value, showlegend=False, width=0.6, hoverinfo="skip",
            marker={
                "color": [cohort_colour(c) for c in by_cohort.cohort],
                "pattern": {
                    "shape": [HATCH[c] for c in by_cohort.cohort], "fgcolor": palette.colours()["background"],
                    "fillmode": "overlay", "size": 8, "solidity": 0.15,
                },
            },
            error_y={"array": high - value, "arrayminus": value - low, "color": ink, "thickness": 1.5, "width": 8},
        ), 1, column)
    chart.update_yaxes(range=[0, 1.05])
    chart.update_annotations(font_size=13)
    return palette.style(chart, height=320)


def _slopes(chart: go.Figure, part: pd.DataFrame, cohort: str) -> None:
    x, y, text = [], [], []
    for row in part.itertuples():
        x += [0, 1, None]
        y += [row.probability_before, row.probability_after, None]
        text += [palette.plain(row.question)] * 3
    line = {"color": cohort_colour(cohort), "dash": DASH[cohort]}
    chart.add_trace(go.Scatter(
        x=x, y=y, text=text, mode="lines", line={**line, "width": 1}, opacity=0.15 if cohort == "middle" else 0.35,
        showlegend=False, hovertemplate="%{text}<br>probability %{y:.2f}<extra></extra>",
    ))
    chart.add_trace(go.Scatter(
        x=[0, 1], y=[part.probability_before.mean(), part.probability_after.mean()], mode="lines+markers",
        name=cohort_name(cohort, len(part)), line={**line, "width": 4}, marker={"size": 8},
        legendrank=COHORTS.index(cohort),
        hovertemplate=f"mean of {cohort}: %{{y:.2f}}<extra></extra>",
    ))
