"""Charts of sensitivity.csv: MRD and its noise over sigma, and how well few forward passes rank the samples."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from components.palette import colours, style

NAMES = {"antithetic": "pairs", "monte_carlo": "plain draws"}


def sigma_figure(table: pd.DataFrame) -> go.Figure:
    """Over sigma, log-log, at the largest number of forward passes: the score by pairs, the standard errors of pairs and of plain
    draws, and the second-order line through the reference. The chosen and the released sigma are marked.
    """
    c, figure = colours(), go.Figure()
    grid = table[table["part"] == "grid"]
    released, reference = (table[table["part"] == part].iloc[0] for part in ("released", "reference"))
    pairs, plain = (most_passes(grid[grid["estimator"] == name]) for name in NAMES)
    lines = (
        ("score, pairs", pairs, pairs["value"], c["early"], "solid", "circle"),
        ("its standard error", pairs, pairs["stderr"], c["early"], "dash", "circle-open"),
        ("standard error, plain draws", plain, plain["stderr"], c["late"], "dash", "square-open"),
        ("second-order term", pairs, second_order(pairs["sigma"], reference), c["text"], "dot", None),
    )
    for name, rows, y, colour, dash, symbol in lines:
        figure.add_scatter(
            x=rows["sigma"], y=y, name=name, mode="lines+markers" if symbol else "lines",
            line={"color": colour, "width": 2, "dash": dash}, marker={"size": 8, "symbol": symbol or "circle"},
            hovertemplate=f"sigma %{{x:.1g}}: {name} %{{y:.2g}}<extra></extra>",
        )
    figure.add_scatter(
        x=[released["sigma"]], y=[released["stderr"]], mode="markers", name="error as released",
        marker={"size": 13, "symbol": "x", "color": c["late"]},
        hovertemplate=f"released, {released['n_pairs']:.0f} draws: standard error %{{y:.2g}}<extra></extra>",
    )
    for sigma, text, anchor in ((reference["sigma"], "chosen", "right"), (released["sigma"], "released", "left")):
        figure.add_vline(x=sigma, line={"color": c["muted"], "width": 1})
        figure.add_annotation(  # plotly wants the logarithm here, but not in add_vline
            x=np.log10(sigma), y=1, yref="paper", yanchor="top", xanchor=anchor, text=text, showarrow=False
        )
    figure.update_xaxes(title="sigma", type="log", dtick=1, tickformat="~g")
    figure.update_yaxes(title="MRD, median over samples", type="log", dtick=2, tickformat=",~g")
    return style(figure, height=380).update_layout(legend={"font_size": 12}, margin_t=64)


def ranks_figure(table: pd.DataFrame) -> go.Figure:
    """Spearman with the reference over forward passes: pairs and plain draws at the chosen sigma, plain draws at the released one."""
    c, figure = colours(), go.Figure()
    reference, released = (table[table["part"] == part].iloc[0] for part in ("reference", "released"))
    grid = table[table["part"] == "grid"]
    lines = (
        ("pairs, chosen sigma", "antithetic", reference["sigma"], c["early"], "solid", "circle"),
        ("plain draws, chosen sigma", "monte_carlo", reference["sigma"], c["late"], "dash", "square-open"),
        ("plain draws, released sigma", "monte_carlo", released["sigma"], c["late"], "dot", "x"),
    )
    for name, estimator, sigma, colour, dash, symbol in lines:
        rows = table[(table["estimator"] == estimator) & (table["sigma"] == sigma) & (table["part"] != "reference")]
        rows = rows.sort_values("n_forwards")
        figure.add_scatter(
            x=rows["n_forwards"], y=rows["spearman"], name=name, mode="lines+markers", marker={"size": 8, "symbol": symbol},
            line={"color": colour, "width": 2, "dash": dash}, customdata=rows["n_pairs"],
            hovertemplate=f"%{{customdata}} {NAMES[estimator]}, %{{x}} passes: %{{y:.2f}}<extra>{name}</extra>",
        )
    norm = grid.loc[grid["estimator"] == "gradient_norm", "spearman"].iloc[0]
    figure.add_hline(y=norm, line={"color": c["muted"], "width": 1.5, "dash": "dash"}, annotation_text="gradient norm",
                     annotation_position="bottom right")
    figure.add_hline(y=0, line={"color": c["text"], "width": 1})
    ticks = {*grid["n_forwards"].dropna(), released["n_forwards"]}
    figure.update_xaxes(title="forward passes over the set", type="log", tickvals=sorted(ticks))
    figure.update_yaxes(title=f"Spearman with {reference['n_pairs']:.0f} other pairs", range=[min(-0.3, norm - 0.1), 1.05])
    return style(figure, height=380).update_layout(legend={"font_size": 12}, margin_t=64)


def most_passes(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest number of pairs, by sigma."""
    return rows[rows["n_pairs"] == rows["n_pairs"].max()].sort_values("sigma")


def second_order(sigma, reference: pd.Series):
    """What the score would be at another sigma if only the second-order term counted."""
    return reference["value"] * (sigma / reference["sigma"]) ** 2
