"""Does a score predict the outcome: a sentence made from the numbers, all predictors in a figure and a table, and stability."""

import numpy as np
import pandas as pd
import streamlit as st

from analysis import atomic, predictors, protocols, studies, validity
from analysis.findings import mid_sentence
from components import cached, equivalent_command, layout, palette, validity_quarters
from components.validity_findings import findings
from components.validity_plot import forest_figure

ANALYSES = {  # of validity.csv, in the order shown: heading of a row
    "method": "outcome of {target} alone", "similarity": "{setting}", "label": "label: {setting}", "anchors": "anchors: {setting}",
    "size": "circuits of {setting}", "protocol": "{predictor} and {setting}",
}
PROTOCOL = ("CUD", "MRD", "Base NLL")  # held against every read-out: the scores and the strongest baseline; the rest is in the CSV
DRAWS = {"seed": "{n} random splits*", "control": "{n} draws of random anchors (control)"}


def show(study: studies.Study) -> None:
    """The whole section below its heading; says what is missing where it cannot be computed."""
    try:
        table = cached.held_out(study)
    except ValueError as error:
        layout.problem("Whether a score predicts the outcome cannot be told.", str(error))
        return
    if table is None:
        st.info(
            "Not computed: needs at least one unlearning run of this study that forgot, with a forget probability below half of "
            "that before. Start one on the Unlearn page."
        )
        return
    main = table[table["analysis"] == "main"]
    _in_short(study, main)
    muted = main["predictor"].isin(predictors.BASELINES)
    label = main["predictor"] + np.where(main["spearman"].isna(), " (does not vary)", "")
    figure = forest_figure(main.assign(label=label), muted)
    st.plotly_chart(figure, theme=None, key="validity")
    n_counted, n_runs = len(cached.counted(study)), len(cached.run_records(study))
    st.caption(
        "Observed difficulty is a sample's rank by answer NLL, averaged over the runs of a method, then over methods, after "
        f"{n_counted} of {n_runs} runs: those that more than halved the forget probability. No predictor has seen a sample's own "
        "outcome. An interval that holds 0 cannot be told from no effect. Baselines, what a skeptic would try, are grey. "
        + predictors.POLARITY
    )
    _table(main)
    equivalent_command.show(command(study))
    stable = st.expander("How stable is this?", key="stable", on_change="rerun", bind="query-params")
    if stable.open:
        with stable:
            _stability(study, table)


def _in_short(study: studies.Study, main: pd.DataFrame) -> None:
    """What the runs left of each quarter of the samples, by the scores and the best baseline; beside it what the numbers say."""
    best, left = validity.best_baseline(main), cached.left_after_runs(study)
    table = validity_quarters.quarters(cached.scores(study)[0], left, None if best is None else str(best["predictor"]))
    picture, said = st.columns([4, 5], gap="medium")
    if len(table):
        picture.plotly_chart(validity_quarters.figure(table, float(left.mean())), theme=None, key="validity_quarters")
    said.markdown("\n".join(f"- {line}" for line in findings(main)))


def _table(main: pd.DataFrame) -> None:
    """Value and interval of each measure, as text."""
    helps = {
        "within template": "Ranks taken within each question template: what differs between templates cannot count",
        "given baselines": "What is left with all (other) baselines held fixed, by regression of the ranks",
        "AUROC": "Hardest quarter against the easiest; 0.5 = chance",
        "minus best baseline": "Spearman minus the strongest baseline's, whichever way that one points; same resamples",
        "p": "Two-sided, 9,999 shuffles of the outcomes, Holm-corrected over the predictors",
        "p within": "The same with shuffles inside question templates",
    }
    widths = {"AUROC": 134, "p": 60, "p within": 60, "Spearman": 147, "predictor": 150}  # all 1,000 pixels: nothing is cut off
    config = {name: st.column_config.TextColumn(name, help=helps.get(name), width=widths.get(name, 147)) for name in helps | widths}
    shown = validity.readable(main).drop(columns="n")
    st.dataframe(shown, hide_index=True, column_config=config, height="content", key="validity_table")


def stability_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows for the forest plot: the shipped CUD, each variation, splits and control as mean and range of 95 % of the draws.

    Last the best baseline, to compare with.
    """
    main = table[table["analysis"] == "main"]
    parts = [main[main["predictor"] == "CUD"].assign(label="as shipped")]
    for analysis, heading in ANALYSES.items():
        part = table[table["analysis"] == analysis]
        part = part[part["predictor"].isin(PROTOCOL)]
        parts.append(part.assign(label=[palette.plain(heading.format(**row)) for row in part.to_dict("records")]))
    for analysis, heading in DRAWS.items():
        part = table[table["analysis"] == analysis]
        if len(part):
            row: dict[str, object] = {"analysis": analysis, "label": heading.format(n=len(part)), "n": part["n"].iloc[0]}
            for value, low, high in (validity.SHOWN["Spearman"], validity.SHOWN["within template"]):
                row |= {value: part[value].mean(), low: part[value].quantile(0.025), high: part[value].quantile(0.975)}
            parts.append(pd.DataFrame([row]))
    best = validity.best_baseline(main)
    if best is not None:
        parts.append(best.to_frame().T.assign(label=f"{mid_sentence(best['predictor'])} (best baseline)"))
    return pd.concat(parts, ignore_index=True)


def _stability(study: studies.Study, table: pd.DataFrame) -> None:
    if not table["analysis"].isin(ANALYSES).any():
        st.caption("Not computed for these scores and runs: other methods, similarities, circuit sizes, splits and the control. "
                   "On the command line (a few seconds for some hundred samples):")
        equivalent_command.code(command(study))
        return
    st.caption(
        "CUD again with one thing changed at a time; every sample is scored by anchors of the other half. Splits and control show the "
        "mean and the range of 95% of the draws. *The splits re-use the full runs' losses for their anchors, as no half of theirs was "
        "unlearned alone: they show how much the split matters. All other rows use the shipped halves' own runs. Rows named by a "
        "read-out hold the shipped CUD and MRD, and base NLL, against other ways to observe difficulty: "
        "the loss that a run left, what it added, when a sample fell below the threshold, and the number of updates "
        "when each sample is unlearned alone."
    )
    for line in protocols.said_of_updates(table):
        st.markdown(f"- {line}.")
    rows = stability_rows(table)
    muted = rows["analysis"].eq("control") | rows["predictor"].isin(predictors.BASELINES)
    st.plotly_chart(forest_figure(rows, muted, row_height=26), theme=None, key="stability")
    if not table["setting"].eq("alone updates").any():
        st.caption("Not computed: updates when each sample is unlearned alone. First, on the command line (minutes), then `validity`:")
        equivalent_command.code(alone_command(study))
    st.download_button("Download validity (CSV)", atomic.csv_bytes(table), f"{study.slug}-validity.csv", "text/csv")


def command(study: studies.Study) -> list[str]:
    """Arguments of `python -m analysis` that write the study's validity.csv."""
    counted = set(cached.counted(study))
    folders = [word for record in cached.run_records(study) if record.name in counted for word in ("--run", str(record.folder))]
    results = study.results
    alone = ["--alone", str(results / "alone")] if (results / "alone" / "alone.csv").is_file() else []
    return ["validity", "--scores", str(results / "scores"), "--circuits", str(results / "circuits"), *folders, *alone,
            "--output", str(results / "validity.csv")]


def alone_command(study: studies.Study) -> list[str]:
    """Arguments of `python -m analysis` that unlearn each of the study's samples alone, by the methods of the runs that count."""
    counted = set(cached.counted(study))
    methods = sorted({record.method for record in cached.run_records(study) if record.name in counted})
    preset = "embedded" if study.slug == "embedded" else "default"
    return ["alone", *study.model_arguments, "--forget", str(study.forget), "--retain", str(study.retain),
            *(word for method in methods for word in ("--method", method)), "--preset", preset,
            "--output", str(study.results / "alone")]
