"""A run's settings filled into the form again, named in the address: `unlearn?like=<run>` or `?like=<job>`."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from analysis import jobs, outcomes, runs, store, studies
from components import cached, conflict_source, layout, run_options, state

PARAMETER, FILLED = "like", "filled"
WIDGETS = {  # flag of the command line: end of the widget's key, kind of its value
    "method": ("method", str), "seed": ("seed", int), "learning-rate": ("rate", float), "n-epochs": ("epochs", int),
    "retain-loss": ("loss", str), "sampling": ("sampling", str), "precision": ("precision", str), "retain-floor": ("floor", float),
    **{flag: (flag, int) for flag in run_options.MORE},
}
CONFIG = {  # setting of config.yaml: flag
    "method": "method", "seed": "seed", "learning_rate": "learning-rate", "n_epochs": "n-epochs", "batch_size": "batch-size",
    "n_accumulation": "accumulate", "lora_rank": "lora-rank", "evaluate_every": "evaluate-every", "precision": "precision",
    "retain_floor": "retain-floor", "what_if": "what-if",
}


def fill(study: studies.Study, *, key: str) -> None:
    """Give the form's widgets the values of the run or job that the address names, once; call it before they are drawn."""
    name, filled = state.parameter(PARAMETER), state.parameter(FILLED)
    if name is None:
        if filled:
            st.caption(f"Filled with the settings of {layout.escape(filled)}; a method's own arguments come from its preset.")
        return
    try:
        options = of_job(name) or of_run(study, name)
    except ValueError as error:
        layout.problem("The settings of that run cannot be filled in.", str(error))
        return
    values = {f"{key}_{end}": None if flag not in options else kind(options[flag]) for flag, (end, kind) in WIDGETS.items()}
    values[f"{key}_sampling"] = options.get("sampling", "uniform")
    values[f"{key}_seed"] = int(options.get("seed", 0))
    values |= {f"{key}_preset": options.get("preset") == "embedded", f"{key}_name": ""} | _mask(study, options)
    st.session_state.update(values)  # for widgets that are there already; those that are not read the address
    st.switch_page("pages/unlearn.py", query_params=state.carried() | {FILLED: name} | _address(values, key))


def _address(values: dict[str, Any], key: str) -> dict[str, str]:
    """The same as the widgets write them into the address."""
    shown = values | {f"{key}_sampling": run_options.SAMPLINGS[values[f"{key}_sampling"]][0]}
    shown[f"{key}_preset"] = str(values[f"{key}_preset"]).lower()
    return {name: str(value) for name, value in shown.items() if value is not None and value != ""}


def _mask(study: studies.Study, options: dict[str, str]) -> dict[str, str]:
    """The mask of a conflict map that the study still has; else all weights."""
    found = conflict_source.folders(study)
    source = next((source for source, folder in found.items() if _same(options.get("mask"), folder)), next(iter(found), None))
    what_if = options.get("what-if")
    if source is None:
        return {}
    return {run_options.WEIGHTS: run_options.mask_label(source, what_if) if what_if else run_options.ALL_WEIGHTS}


def _same(path: str | None, folder: Path) -> bool:
    return path is not None and (store.PROJECT / path).resolve() == folder.resolve()


def of_job(name: str) -> dict[str, str] | None:
    """Flags and values of the command of an unlearning job, or of the last one that wrote the run of this name; None without one."""
    with suppress(ValueError):
        job = jobs.status(name)
        return of_arguments(job.arguments) if job.kind == "unlearn" else None
    return None


def of_run(study: studies.Study, name: str) -> dict[str, str]:
    """The same of a finished run: by the job that made it, else by its config. Raises ValueError if there is no such run."""
    found = outcomes.by_id(cached.run_records(study))
    if name not in found:
        raise ValueError(f"there is no run or unlearning job {name[:80]!r} in this workspace")
    folder = found[name].folder
    made_by = next((job for job in jobs.jobs() if job.kind == "unlearn" and job.output == folder), None)
    if made_by is not None:
        return of_arguments(made_by.arguments)
    options = of_config(runs.read_run(folder).config) | ({"preset": "embedded"} if study.slug == "embedded" else {})
    return options | ({} if outcomes.sampling(found[name]) == "uniform" else {"sampling": outcomes.sampling(found[name])})


def of_arguments(arguments: tuple[str, ...]) -> dict[str, str]:
    """`--flag value` pairs of a command line of `unlearn`; a flag without a value is left out."""
    pairs = zip(arguments, arguments[1:], strict=False)
    return {flag[2:]: value for flag, value in pairs if flag.startswith("--") and not value.startswith("--")}


def of_config(config: dict[str, Any]) -> dict[str, str]:
    """Flags and values of a run's config.yaml; its sampling is named by `outcomes.sampling`."""
    known = {flag: config.get(name) for name, flag in CONFIG.items()}
    known["retain-loss"] = (config.get("method_args") or {}).get("retain_loss")
    return {flag: str(value) for flag, value in known.items() if value is not None}
