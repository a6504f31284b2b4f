"""The Report page's parts: what was found, the files with their checksums, what they hold and what is not claimed."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from analysis import report, report_words, studies
from analysis.findings import Finding
from analysis.report_data import Collected, parts
from components import cached_report, layout, state

FILES = {  # name: label, what it is, type
    report.PAGE: ("Report (HTML)", "One page to read, print or send. It has no scripts and loads nothing.", "text/html"),
    report.TABLES: ("Tables (zip)", "Every table of it as CSV and JSON, with checksums.", "application/zip"),
    report.RUNS: ("open-unlearning folder (zip)", "The runs as saves/unlearn/NAME with config.yaml and evals. Without weights.",
                  "application/zip"),
    report.SETTINGS: ("Configuration to re-run (JSON)", "The settings of every result as they were recorded.", "application/json"),
    report.SCRIPT: ("Commands to re-run (sh)", "The commands behind the results, as far as the records say.", "text/x-shellscript"),
}
EXPLANATION = """
The report is made from the files beside the results, never from what a page shows: nothing is measured for it but intervals and
permutation tests of what is there. Dates come from the records, so the same results and the same program give the same bytes, and
their checksums tell whether anything changed. Cohorts in it are quarters by CUD rank; circuits are compared by quarters of the outcome
where runs tell it, and by those of CUD and MRD. What is not computed is named with what it needs.
"""


def contents(found: Collected) -> None:
    """Each part with its state, and the page that makes or shows it."""
    st.header("What the report holds", anchor=False)
    for part in parts(found):
        title, text, link = st.columns([4, 5, 3], vertical_alignment="center", gap="small")
        title.markdown(f"**{part.title}**")
        text.markdown(layout.escape(part.state))
        with link:
            st.page_link(layout.PAGES[part.page], label=part.page, query_params=state.carried())


def downloads(study: studies.Study) -> None:
    """A button per file, which is built when the first of them is asked for."""
    st.header("Files", anchor=False)
    for name, (label, help_text, mime) in FILES.items():
        st.download_button(label, _reader(study, name), f"{study.slug}-{name}", mime, on_click="ignore", width="stretch",
                           type="primary" if name == report.PAGE else "secondary", key=f"download_{name}")
        st.caption(help_text)


def _reader(study: studies.Study, name: str) -> Callable[[], bytes]:
    return lambda: cached_report.files(study)[name]


def checksums(study: studies.Study) -> None:
    """SHA-256 of each file, on request: they have to be built for it."""
    if not st.toggle("Show checksums (builds the files)", key="checksums", bind="query-params"):
        return
    files = cached_report.files(study)
    rows = [line.split("  ", 1) for line in files[report.SUMS].decode().splitlines()]
    table = pd.DataFrame([(name, f"{len(files[name]) / 1024:,.0f} KiB", digest) for digest, name in rows],
                         columns=["File", "Size", "SHA-256"])
    widths = {"File": st.column_config.TextColumn(width=170), "Size": st.column_config.TextColumn(width=90)}
    st.dataframe(table, hide_index=True, height="content", column_config=widths, key="checksum_table")
    st.download_button("Download the checksums", files[report.SUMS], f"{study.slug}-{report.SUMS}", "text/plain", on_click="ignore")


def findings(said: list[Finding]) -> None:
    """What the report says in sentences."""
    st.header("What was found", anchor=False)
    lines = [f"- **{layout.escape(claim)}**: {layout.escape(figures)}" for claim, figures in said]
    st.markdown("\n".join(lines) or "Nothing yet: no result of this study is computed.")


def not_claimed(found: Collected) -> None:
    """What its figures do not show, above all where results do not belong together."""
    st.header("What is not claimed", anchor=False)
    for line in report_words.mismatches(found):
        st.warning(layout.escape(line))
    st.markdown("\n".join(f"- {layout.escape(line)}" for line in report_words.not_claimed(found)))


def command(study: studies.Study) -> list[str]:
    return ["report", "--study", study.slug, "--output", f"{study.slug}-report"]
