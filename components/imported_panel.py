"""Evaluations of open-unlearning to compare with: bring one in, and what Outcomes calls those that are there."""

from pathlib import Path

import streamlit as st

from analysis import eval_import, studies
from components import demo_mode, equivalent_command, layout

SUFFIX = " (imported)"  # no run can be called so
HELP = """
`TOFU_EVAL.json` or `TOFU_SUMMARY.json` (or both) of one evaluation, as open-unlearning's `eval.py` writes them, of a model that was to
forget **this study's forget set, in this order**. Figures are shown as they are in the file; where it has null, or lacks a metric, it
says so. Samples that it left out stay left out.
"""


def labelled(study: studies.Study) -> dict[str, Path]:
    """Folders that hold an `evaluation/`, by what they are called in a list of runs."""
    return {f"{name}{SUFFIX}": path for name, path in eval_import.imported(study).items()}


def show(study: studies.Study) -> None:
    """The form; what it kept is offered above it at once."""
    with st.expander("Compare with an evaluation made by open-unlearning"):
        if demo_mode.closed("importing evaluations"):
            return
        st.markdown(HELP)
        files = st.file_uploader("EVAL and SUMMARY files (JSON)", ["json"], accept_multiple_files=True, key="import_files")
        name = st.text_input("Name", "open-unlearning", max_chars=64, key="import_name")
        if not files:
            return
        try:
            if st.button("Import", type="primary", key="import"):
                said = eval_import.bring_in(study, name, {file.name: file.getvalue() for file in files})
                st.success(f"{said}. It can be chosen above, under “Beside it”.")
        except ValueError as error:
            layout.problem("Nothing was imported.", str(error))
        equivalent_command.code(command(study, name, [file.name for file in files]))


def command(study: studies.Study, name: str, files: list[str]) -> list[str]:
    """Arguments of `python -m analysis` that import these files."""
    return ["import-eval", "--study", study.slug, "--name", name, *(word for file in files for word in ("--file", file))]
