"""The Report page: what it holds and lacks, its files, and text of data as text."""

import pytest

from analysis import atomic, store
from tests.analysis.hostile_report import LABEL, METHOD, TITLE, hostile_study


def words(page) -> str:
    return "\n".join(str(p.value) for p in [*page.caption, *page.markdown, *page.info, *page.text, *page.warning, *page.error])


def test_a_study_without_results_has_a_report_that_says_what_is_missing(made_up_study, open_page):
    page = open_page("report")
    assert not page.exception
    assert "24 samples to forget, 24 to keep" in words(page) and "not computed\\: needs the scores" in words(page)
    assert [button.label for button in page.get("download_button")] == [
        "Report (HTML)", "Tables (zip)", "open-unlearning folder (zip)", "Configuration to re-run (JSON)", "Commands to re-run (sh)"]
    assert "report --study made --output made-report" in page.code[0].value
    assert not page.dataframe


@pytest.mark.slow
def test_checksums_are_shown_on_request_and_change_with_the_results(scored_study, open_page):
    page = open_page("report", checksums="true")
    assert not page.exception and "CUD and MRD of 24 samples" in words(page)
    before = page.dataframe[0].value.set_index("File")["SHA-256"]
    assert set(before.index) == {"report.html", "tables.zip", "open-unlearning.zip", "config.json", "rerun.sh"}
    folder = scored_study.results / "scores"
    atomic.write_csv(folder / "scores.csv", store.read_scores(folder)[0].assign(mrd=0.25))
    after = open_page("report", checksums="true").dataframe[0].value.set_index("File")["SHA-256"]
    assert before["tables.zip"] != after["tables.zip"] and before["open-unlearning.zip"] == after["open-unlearning.zip"]


@pytest.mark.slow
def test_text_of_data_is_no_markup_on_the_page(tmp_path, monkeypatch, open_page):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    hostile_study()
    page = open_page("report", study="hostile")
    assert not page.exception
    shown = "\n".join(str(p.value) for p in [*page.caption, *page.markdown, *page.info, *page.warning, *page.error])
    assert not [text for text in (TITLE, METHOD, LABEL) if text in shown] and "NPO" in shown


def test_a_broken_set_is_said_to_be_so(made_up_study, open_page):
    made_up_study.forget.write_text("not json")
    page = open_page("report")
    assert not page.exception and "There is no report" in words(page) and "row 1: not JSON" in words(page)
