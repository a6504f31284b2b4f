"""Report: everything known of a study as files that can be kept, checked and run again."""

import streamlit as st

from analysis import dataset
from components import cached_report, layout, report_panel

study = layout.begin("Report", "What was found here, in files that can be kept, checked and run again?")
try:
    found = cached_report.collected(study)
except dataset.DataError as error:
    layout.problem("There is no report: a sample set cannot be read.", str(error))
    st.stop()

held, files = st.columns([5, 3], gap="large")
with held:
    st.subheader("What it holds", anchor=False)
    report_panel.contents(found)
with files:
    st.subheader("Files", anchor=False)
    report_panel.downloads(study)
report_panel.checksums(study)
report_panel.findings(found, cached_report.said(study))
st.subheader("The same on the command line", anchor=False)
st.code(report_panel.command(study), language="bash", wrap_lines=True)
layout.computed(report_panel.EXPLANATION, {"records": found.records})
