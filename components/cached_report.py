"""The report of a study, cached until one of its files changes; beside `cached`, which would be too long."""

import hashlib
from pathlib import Path

import pandas as pd
import streamlit as st

from analysis import report, report_data, report_tables, report_words, runs, studies
from analysis.findings import Finding


def collected(of: studies.Study) -> report_data.Collected:
    """What is on disk about the study. Raises DataError if one of its sets cannot be used."""
    return _collected(of, _stamp(of))


def said(of: studies.Study) -> list[Finding]:
    """The sentences of what was found."""
    stamp = _stamp(of)
    return report_words.found_sentences(_collected(of, stamp), _tables(of, stamp))


def files(of: studies.Study) -> dict[str, bytes]:
    """The report's files by name, built now if anything changed."""
    return _files(of, _stamp(of))


@st.cache_resource(max_entries=4, show_spinner="Reading what is known of this study", hash_funcs={studies.Study: repr})
def _collected(of: studies.Study, stamp: str) -> report_data.Collected:
    return report_data.collect(of)


@st.cache_resource(max_entries=4, show_spinner="Comparing cohorts", hash_funcs={studies.Study: repr})
def _tables(of: studies.Study, stamp: str) -> dict[str, pd.DataFrame]:
    return report_tables.tables(_collected(of, stamp))


@st.cache_resource(max_entries=4, show_spinner="Building the report", hash_funcs={studies.Study: repr})
def _files(of: studies.Study, stamp: str) -> dict[str, bytes]:
    return report.build(_collected(of, stamp), _tables(of, stamp))


def _stamp(of: studies.Study) -> str:
    """Changes when a file of the study does; a run that is being written does not count."""
    found = [of.forget, of.retain, *of.results.rglob("*"), *runs.runs_folder(of).rglob("*")]
    digest = hashlib.sha256()
    for file in sorted(path for path in found if not any(part.endswith(".partial") for part in path.parts)):
        digest.update(f"{file} {_changed(file)}\n".encode())
    return digest.hexdigest()


def _changed(file: Path) -> int:
    return file.stat().st_mtime_ns if file.is_file() else 0
