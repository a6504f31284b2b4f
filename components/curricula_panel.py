"""Does the order matter? Samplings compared over seeds at equal numbers of updates, as `compare-curricula` writes them."""

from itertools import product

import pandas as pd
import streamlit as st

from analysis import atomic, jobs, outcomes, studies
from analysis.figures import interval
from components import curricula_plot, layout
from components.paired_text import CHANCE, differences, seeds
from components.run_form import model, short
from components.run_options import SAMPLINGS

LABELS = {name: label for name, (label, _) in SAMPLINGS.items()}
EXPLANATION = """
Each order is trained from the same model with the same seeds and the same number of updates; what is shown is the answer probability
afterwards. A difference is taken seed by seed to the run with uniform sampling of the same seed, and its 95% t interval is over seeds.
The hard quarter is that of the cross-fitted CUD.
"""
TITLES = {"forget": "forget", "forget_hard": "forget, hard quarter", "retain": "retain"}


def show(study: studies.Study) -> None:
    """The whole section below its heading."""
    try:
        found = outcomes.read_curricula(study.results / "curricula")
    except ValueError as error:
        layout.problem("The comparison of samplings cannot be read.", str(error))
        return
    if found is None or found[1].empty:
        what = "samplings compared over seeds; it needs the study's scores, and time for 25 runs"
        layout.needs(what, jobs.command_line(command(study)))
        return
    table, summary = found
    for method, part in summary.groupby("method", sort=False):
        runs = table[table["method"] == method]
        st.markdown(sentence(str(method), part))
        st.plotly_chart(curricula_plot.figure(part, LABELS), theme=None, key=f"curricula_{method}")
        updates = " or ".join(f"{n:g}" for n in sorted(runs["n_updates"].unique()))
        st.caption(
            f"Means over {seeds(part)}, {len(runs)} runs of {updates} updates each. Intervals are 95% t intervals over seeds; "
            f"differences to uniform are paired by seed. {CHANCE} The dotted line is uniform sampling."
        )
    with st.expander("The same as a table"):
        st.dataframe(readable(summary), hide_index=True, height="content", key="curricula_table")
    name = f"{study.slug}-curricula.csv"
    st.download_button("Download every run (CSV)", atomic.csv_bytes(table), name, "text/csv", key="curricula_csv")
    layout.computed(EXPLANATION, outcomes.provenance(study.results / "curricula" / "curricula.json"), command(study))


def sentence(method: str, summary: pd.DataFrame) -> str:
    """Which samplings differ from uniform, those whose interval of the difference holds no 0. `summary`: the arms of one method."""
    said, others = [], summary[summary["arm"] != "uniform"]
    known = others.dropna(subset=["forget_minus_low", "forget_minus_high"])
    name = layout.escape(method)
    if known.empty:
        return f"{name}: one seed gives no interval, so nothing can be said about differences from uniform sampling."
    for row in known.to_dict("records"):
        parts = differences(row, curricula_plot.outcomes(summary), "uniform", "minus")
        if parts:
            said.append(f"**{layout.escape(LABELS.get(row['arm'], row['arm']))}** " + ", ".join(parts))
    if not said:
        return f"{name}: no sampling differs from uniform by more than chance over {seeds(summary)} (every interval holds 0)."
    rest = "" if len(said) == len(known) else " The others do not differ from it by more than chance."
    return f"{name}, against uniform sampling over {seeds(summary)}: {'; '.join(said)}.{rest}"


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """A row per method, outcome and sampling: mean and interval, and those of the difference to uniform, as text."""
    rows = []
    for outcome, (method, part) in product(curricula_plot.outcomes(summary), list(summary.groupby("method", sort=False))):
        for row in part.to_dict("records"):
            minus = "" if row["arm"] == "uniform" else _interval(row, outcome, ("minus_uniform", "minus_low", "minus_high"), "+.3f")
            after = _interval(row, outcome, ("mean", "low", "high"), ".3f")
            rows.append((method, TITLES[outcome], LABELS.get(row["arm"], row["arm"]), int(row["n_seeds"]), after, minus))
    return pd.DataFrame(rows, columns=["Method", "Set", "Sampling", "Seeds", "Probability after", "Minus uniform"])


def _interval(row: dict, outcome: str, ends: tuple[str, str, str], form: str) -> str:
    """A value and its interval, from the columns <outcome>_<end>; the value alone where one seed gave no interval."""
    return interval(*(float(row[f"{outcome}_{end}"]) for end in ends), form) or "not computed"


def command(study: studies.Study) -> list[str]:
    """Arguments of `python -m analysis` that make the comparison."""
    preset = ["--preset", "embedded"] if study.slug == "embedded" else []
    sets = [*model(study), "--forget", short(study.forget), "--retain", short(study.retain)]
    folders = ["--scores", short(study.results / "scores"), "--output", short(study.results / "curricula")]
    return ["compare-curricula", *sets, *preset, *folders]
