"""What the evaluation measured, for up to four runs side by side; what was not computed, and what it needs; how to get it."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from analysis import atomic, evaluation_metrics, jobs, outcomes, runs, store, studies
from components import cached, demo_mode, equivalent_command, evaluation_plot, imported_panel, layout, queue_panel, state
from components.run_form import short

MOST = 4  # runs side by side
GROUPS = {  # beginnings of the metrics' names; the first that fits
    "Memorisation": ("forget_Q_A_", "exact_memorization", "extraction_strength"),
    "Against retain-only": ("forget_truth_ratio", "forget_quality_log10_p", "privleak"),
    "Membership inference": ("mia_",),
    "Utility": ("retain_", "model_utility"),
    "Durability": ("relearn_", "int"),
    "Weights": ("parameter_change_",),
    "Imported": (),  # whatever no other group has: metrics of open-unlearning that are not measured here
}
DIRECTIONS = {
    "lower": "lower = more forgotten", "higher": "higher = more forgotten", "near_half": "0.5 = not told apart",
    "near_zero": "0 = retain-only model", "near_retain": "near the retain-only model's", "none": "",
}
OTHERS = {  # metrics that say nothing of forgetting by themselves, by the beginnings of their names
    "retain_": "higher = more kept", "model_utility": "higher = more kept", "parameter_change_": "higher = moved further",
    "relearn_": "a model that never knew",
}
MEASURED_BY_RUNS = ("forget_Q_A_Prob", "retain_Q_A_Prob")  # of the model before unlearning
BEFORE = "Before"
EXPLANATION = """
An evaluation runs the model after unlearning on the forget and the retain set. Answer probability, ROUGE-L, truth ratio, forget quality
and model utility are those of open-unlearning. A metric that sets the run against the retain-only model, which never saw the forget
set, or against a holdout set is only there where that is. *After relearning*: the run is trained on a few forget samples, the others
are measured. *int8, int4*: the weights are rounded first. Each figure is of one run.
"""


def show(study: studies.Study, records: dict[str, runs.RunRecord], chosen: str, compared: Collection[str] = ()) -> None:
    """The section below its heading. `records` by run id; `chosen`: the run of the page; others can be set beside it, at first those
    that are `compared`."""
    section = st.container()
    imported_panel.show(study)  # below, but first: what it brings in is offered at once
    with section:
        _compared(study, records, chosen, compared, imported_panel.labelled(study))


def _compared(
    study: studies.Study, records: dict[str, runs.RunRecord], chosen: str, compared: Collection[str], imported: dict[str, Path]
) -> None:
    others = [name for name, r in records.items() if name != chosen and (r.folder / "evaluation" / "LETHE_SUMMARY.json").is_file()]
    others += imported
    beside = st.multiselect(
        "Beside it", others, [name for name in compared if name in others][: MOST - 1], max_selections=MOST - 1, key="evaluation_runs",
        placeholder="up to three other evaluated runs, or imported evaluations", bind="query-params",
    ) if others else []
    found: dict[str, outcomes.Evaluation] = {}
    folders = {name: record.folder for name, record in records.items()} | imported
    for name in (chosen, *beside):
        try:
            evaluation = cached.evaluation(folders[name])
        except ValueError as error:
            layout.problem("An evaluation cannot be read.", str(error))
            continue
        if evaluation is not None:
            found[name] = evaluation
        elif name == chosen:
            _missing(study, records[chosen])
    if not found:
        return
    original = before(study, records[chosen])
    _figures(original, found, f"{study.slug}-evaluation.csv")
    if len(original) <= len(MEASURED_BY_RUNS):
        with st.expander("Before: only the answer probabilities are known. How to measure the rest"):
            equivalent_command.code(command(study, short(study.model), study.results))
    layout.computed(EXPLANATION, {run: outcomes.provenance(folders[run] / "evaluation" / "manifest.json") for run in found})


def before(study: studies.Study, record: runs.RunRecord) -> dict[str, Any]:
    """What is known of the model before unlearning: its own evaluation, if there is one, else what the run measured at its start."""
    try:
        own = cached.evaluation(study.results)
    except ValueError:
        own = None
    if own is not None:
        return own.summary
    return dict(zip(MEASURED_BY_RUNS, (record.forget_before, record.retain_before), strict=True))


def _figures(original: dict[str, Any], found: dict[str, outcomes.Evaluation], file: str) -> None:
    summaries = {run: evaluation.summary for run, evaluation in found.items()}
    rows, text_column = table(original, summaries), st.column_config.TextColumn
    st.dataframe(
        rows, hide_index=True, height="content", key="evaluation_table",
        column_order=[name for name in rows if name != "Group"],  # which the order of the rows shows; the file has it
        column_config={
            "Metric": text_column(width=305), BEFORE: text_column(width=68, alignment="right"), "Direction": text_column(width=180),
            **{run: text_column(width=max(105, 8 * len(run)), alignment="right") for run in found},
        },
    )
    st.download_button("Download this table (CSV)", atomic.csv_bytes(rows), file, "text/csv", on_click="ignore", key="evaluation_csv")
    for line in gaps(summaries):
        st.caption(layout.escape(line))
    moved = {run: evaluation.moved for run, evaluation in found.items() if len(evaluation.moved)}
    if moved:
        st.markdown("**How far the weights moved, by layer**")
        st.plotly_chart(evaluation_plot.figure(moved), theme=None, key="evaluation_layers")


def table(original: dict[str, Any], found: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """A row per metric that at least one run has, in the order of GROUPS; every value as text. `found`: summaries by run."""
    rows = []
    for group, beginnings in GROUPS.items():
        for name in _names(beginnings, found):
            values = {BEFORE: original.get(name)} | {run: summary.get(name) for run, summary in found.items()}
            large = any(_is_number(value) and abs(value) >= 10 for value in values.values())
            said = {run: text(value, 1 if large else 3) for run, value in values.items()}
            said[BEFORE] = "" if name.startswith("parameter_change_") else said[BEFORE]
            rows.append({"Group": group, "Metric": _label(name), **said, "Direction": _direction(name)})
    return pd.DataFrame(rows, columns=["Group", "Metric", BEFORE, *found, "Direction"])


def _names(beginnings: tuple[str, ...], found: dict[str, dict[str, Any]]) -> list[str]:
    """Metrics of a group that some run has a number for; those of METRICS first, in its order."""
    names = dict.fromkeys([*evaluation_metrics.METRICS, *(name for summary in found.values() for name in summary)])
    measured = tuple(beginning for group in GROUPS.values() for beginning in group)
    other = {name for name in names if not name.startswith(measured) and name not in evaluation_metrics.METRICS}
    fits = {name: name.startswith(beginnings) if beginnings else name in other for name in names}
    return [n for n in names if fits[n] and any(_is_number(summary.get(n)) for summary in found.values())]


def _label(name: str) -> str:
    info = evaluation_metrics.metric_info(name)
    return info.label if info else name


def _direction(name: str) -> str:
    info = evaluation_metrics.metric_info(name)
    if info is None or info.forgotten == "none":
        return next((words for beginning, words in OTHERS.items() if name.startswith(beginning)), "")
    return DIRECTIONS[info.forgotten]


def gaps(found: dict[str, dict[str, Any]]) -> list[str]:
    """A line per run and reason: which metrics were not computed, and what they need."""
    lines = []
    for run, summary in found.items():
        reasons: dict[str, list[str]] = {}
        for name, value in summary.items():
            if isinstance(value, str):
                reasons.setdefault(value, []).append(_label(name))
        lines += [f"{run}: {', '.join(names)}: {reason}" for reason, names in reasons.items()]
    return lines


def text(value: Any, digits: int = 3) -> str:
    """So many digits after the point; words where there is no number."""
    if not _is_number(value):
        return "not computed" if value is None or isinstance(value, str) or value != value else "not a number"
    return f"{value:.{digits}f}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _missing(study: studies.Study, record: runs.RunRecord) -> None:
    """A run without an evaluation: start one if its weights are here."""
    if record.shipped or not (record.folder / "model").is_dir():
        st.info("Not computed: needs the run's weights, which are not kept with this run. A run of your own keeps them.")
        return
    output = record.folder / "evaluation"
    last = next((job for job in jobs.jobs() if job.output == output.resolve()), None)
    if last is not None and last.state != "done":
        if last.state in ("failed", "interrupted"):
            layout.problem(f"The last evaluation ended as {last.state}. Cause:", last.cause or "not known")
        else:
            st.info(f"Evaluation: {last.state}.")
        st.page_link("pages/unlearn.py", label="See the job", query_params=state.carried() | {"job": last.id})
    queue_panel.show(key="evaluation")
    if last is None or not last.active:
        _start(study, record)


def _start(study: studies.Study, record: runs.RunRecord) -> None:
    st.info("Not computed yet for this run: memorisation, membership inference, durability and the others.")
    arguments = command(study, short(record.folder / "model"), record.folder)
    if not demo_mode.closed("starting evaluations") and st.button("Evaluate this run", type="primary", key="evaluate"):
        try:
            job = jobs.submit("evaluate", arguments, record.folder / "evaluation")
        except ValueError as error:
            layout.problem("The evaluation was not started.", str(error))
            return
        st.switch_page("pages/unlearn.py", query_params=state.carried() | {"job": job})
    equivalent_command.show(arguments)


def command(study: studies.Study, model: str, folder: Path) -> list[str]:
    """Arguments of `python -m analysis` that evaluate a model into FOLDER/evaluation; the embedded study has more to compare with."""
    sets = ["--original", short(study.model), "--forget", short(study.forget), "--retain", short(study.retain)]
    if study.slug == "embedded":
        sets += ["--holdout", short(store.DATA / "holdout.jsonl"), "--retain-model", short(store.DATA / "retain_model")]
    return ["evaluate", "--model", model, *study.model_arguments[2:], *sets, "--output", short(folder / "evaluation")]
