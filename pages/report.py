"""Report: everything known of a study as files that can be kept, checked and run again."""

import streamlit as st

from analysis import dataset
from components import cached_report, equivalent_command, layout, report_panel

study = layout.begin("Report", "What was found here, in files that can be kept, checked and run again?")
try:
    found = cached_report.collected(study)
except dataset.DataError as error:
    layout.problem("There is no report: a sample set cannot be read.", str(error))
    st.stop()

said, files = st.columns([5, 3], gap="large")
held, limits = st.columns(2, gap="large")
with files:
    report_panel.downloads(study)
with held:
    report_panel.contents(found)
with limits:
    report_panel.not_claimed(found)
report_panel.checksums(study)
with said:  # last, as it takes longest at first
    report_panel.findings(cached_report.said(study))
st.header("The same on the command line", anchor=False)
equivalent_command.code(report_panel.command(study))
layout.computed(report_panel.EXPLANATION, {"records": found.records})
