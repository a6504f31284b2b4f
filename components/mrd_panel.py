"""How MRD depends on sigma and on the number of pairs: what the scores were measured with, what the numbers say, two charts."""

from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis import atomic, jobs, plain_files, studies
from components import equivalent_command, layout, mrd_plot

NUMBERS = ["sigma", "n_pairs", "n_forwards", "n_samples", "value", "stderr", "relative_stderr", "slope", "spearman"]
READING = """Left: where the score keeps to the dotted line, the second-order term that the theorem speaks of rules; above the line
on the left are rounding and noise, on the right higher orders. A score says something only where it lies above its own standard error.
Right: how well the samples' order agrees with many other pairs, at equal cost; plain draws feel the gradient first, and the dashed
line is what a gradient norm gives."""


def show(study: studies.Study, details: dict[str, Any]) -> None:
    """The section below its heading; the command where it is not computed. `details`: what scores.json holds."""
    st.caption(measured_with(details))
    folder = study.results / "sensitivity"
    command = ["sensitivity", *study.model_arguments, "--forget", str(study.forget), "--output", str(folder)]
    if not (folder / "sensitivity.csv").is_file():
        layout.needs("MRD over sigma, pairs and estimators, for this study", jobs.command_line(command))
        return
    try:
        table, fingerprint = _read(folder)
    except ValueError as error:
        layout.problem("What was measured cannot be read: measure it again.", str(error))
        equivalent_command.code(command)
        return
    if fingerprint != details.get("fingerprint", fingerprint):
        st.warning("What is on disk was measured on other weights than the scores: measure it again.")
        equivalent_command.code(command)
        return
    for line in findings(table):
        st.markdown(f"- {line}")
    left, right = st.columns(2)
    left.plotly_chart(mrd_plot.sigma_figure(table), theme=None, key="mrd_sigma")
    right.plotly_chart(mrd_plot.ranks_figure(table), theme=None, key="mrd_ranks")
    st.caption(READING)
    st.download_button(
        "Download what was measured (CSV)", atomic.csv_bytes(table), f"{study.slug}-sensitivity.csv", "text/csv", on_click="ignore",
        key="mrd_csv",
    )
    equivalent_command.show(command)


def _read(folder: Path) -> tuple[pd.DataFrame, str]:
    """The table, and the fingerprint of the weights that it was measured on. Raises ValueError if they cannot be read."""
    try:
        table = pd.read_csv(folder / "sensitivity.csv")
        table[NUMBERS] = table[NUMBERS].astype(float)
        used = table[(table["part"] != "grid") | (table["estimator"] == "antithetic")]
        if set(used["part"]) != {"released", "reference", "grid"}:
            raise ValueError("expected rows of the parts grid, released and reference")
    except (OSError, ValueError, LookupError, OverflowError) as error:
        raise ValueError(f"{folder.name}/sensitivity.csv: {plain_files.one_line(error)}") from error
    return table, str(plain_files.json_object(folder / "sensitivity.json").get("fingerprint"))


def measured_with(details: dict[str, Any]) -> str:
    """A sentence on the scores of this page."""
    used = details.get("mrd") or details.get("config", {})
    if "sigma" not in used or used["sigma"] is None:
        return "What MRD was measured with is not recorded."
    found = "found by a sweep" if used.get("sweep") else "as given"
    end = {True: ", settled", False: ", **not settled** at the limit"}.get(used.get("settled"), "")
    estimator = used.get("estimator", "antithetic")
    return f"MRD on this page: {layout.escape(estimator)}, sigma {used['sigma']:g} ({found}), {used['n_pairs']} pairs{end}."


def findings(table: pd.DataFrame) -> list[str]:
    """What the numbers say of the chosen and of the released setting."""
    released, reference = (table[table["part"] == part].iloc[0] for part in ("released", "reference"))
    grid = table[(table["part"] == "grid") & (table["sigma"] == reference["sigma"])]
    pairs = mrd_plot.most_passes(grid[grid["estimator"] == "antithetic"]).iloc[0]
    signal = mrd_plot.second_order(released["sigma"], reference)
    ratio = released["stderr"] / signal
    verdict = "so what it gives there is noise" if ratio > 1 else "so it can be told from noise there"
    return [
        f"**The released setting** (sigma {released['sigma']:g}, {released['n_pairs']:.0f} plain draws) has a standard error of "
        f"{released['stderr']:.1e}, {ratio:.2g} times the second-order term of {signal:.1e} that it is to measure, {verdict}: its "
        f"ranks agree with the reference by Spearman {released['spearman']:.2f} (n={released['n_samples']:.0f}).",
        f"**At the chosen sigma** of {reference['sigma']:g} the score grows with sigma to the power {pairs['slope']:.2f} (2 = second "
        f"order); {pairs['n_pairs']:.0f} pairs leave a standard error of {pairs['relative_stderr']:.0%} and ranks that agree with "
        f"{reference['n_pairs']:.0f} other pairs by {pairs['spearman']:.2f}.",
    ]
