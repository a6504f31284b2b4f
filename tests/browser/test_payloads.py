"""Text that tries to be markup stays text: on every page, in the sample card, in messages, exports and downloads."""

import re

import pytest

from analysis import report, report_data, report_tables
from analysis.dataset import load_samples
from components import circuit_network
from tests.browser import hostile_study
from tests.browser.conftest import go, settle
from tests.browser.hostile_study import METHOD, MODEL, PAYLOADS, RUN, TITLE
from tests.browser.test_accessibility import PAGES, turn_tabs, violations

PLANTED = """() => {
    const roots = [document];
    for (const root of roots) root.querySelectorAll('*').forEach(e => e.shadowRoot && roots.push(e.shadowRoot));
    const marks = 'img[src="x"], [src*="evil"], [href*="evil"], [onload], [onerror], a[href^="javascript"], .katex';
    return roots.flatMap(root => [
        ...root.querySelectorAll(marks),
        ...[...root.querySelectorAll('b, strong, style, [style*="color: red"]')].filter(e => /^x$|display:none}$/.test(e.textContent)),
    ]).map(e => e.outerHTML.slice(0, 300));
}"""
WIDER = """() => [document.scrollingElement, document.querySelector('[data-testid=stMain]')].filter(Boolean)
    .map(e => e.scrollWidth - e.clientWidth)"""
SAID = "e => e.innerText.replaceAll('\\u2060', '').replace(/\\s+/g, ' ')"  # see formats.escape


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """The samples of the study, one for each payload."""
    file = tmp_path_factory.mktemp("sets") / "forget.jsonl"
    file.write_bytes(hostile_study.jsonl())
    return load_samples(file)[: len(PAYLOADS)]


def assert_harmless(page) -> None:
    assert page.evaluate(PLANTED) == []
    assert page.evaluate("() => getComputedStyle(document.body).display") != "none"
    assert max(page.evaluate(WIDER)) <= 0


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_text_as_text(hostile_server, samples, new_page, name):
    """Sample 8 holds the long word and is the one selected."""
    page = go(new_page(), f"{hostile_server}/{name}?study=hostile&sample={samples[8].id}&run={RUN}")
    for _ in turn_tabs(page):
        assert_harmless(page)
    said = page.evaluate(SAID, page.locator("body").element_handle())
    shown = {"forget_set": MODEL, "outcomes": METHOD}
    assert shown.get(name, "Lethe") in said
    page.get_by_role("combobox", name="Study").click()
    page.get_by_role("option").filter(has_text=PAYLOADS[0]).wait_for()
    assert_harmless(page)


def test_every_text_is_read_letter_by_letter(hostile_server, samples, new_page):
    """In the sample card, over the page that is drawn soonest, from sample to sample: the last rows rank as the hardest."""
    page = go(new_page(), f"{hostile_server}/report?study=hostile&sample={samples[-1].id}&card=1")
    card = page.get_by_role("dialog")
    for shown, sample in enumerate(reversed(samples)):
        if shown:
            card.get_by_role("button", name="Next", exact=True).click()
        page.wait_for_url(re.compile(f"sample={sample.id}"))
        settle(page)
        said = page.evaluate(SAID, card.element_handle())
        for text in (sample.question, sample.answer):
            assert " ".join(text.split())[:80] in said  # the card cuts a text of thousands of letters
        assert_harmless(page)


def test_names_of_files_and_messages_are_text(hostile_server, new_page):
    page = go(new_page(), f"{hostile_server}/forget_set?study=bare")
    page.get_by_label("Name of the study").fill("mine")
    page.get_by_label("Model", exact=True).fill(f"./{PAYLOADS[0]}{PAYLOADS[4]}")
    for row, name in enumerate(PAYLOADS[:2]):
        upload = {"name": f"{name.replace('/', ':')}.jsonl", "mimeType": "", "buffer": b'{"question": "<img src=x>"}\n'}
        page.locator("[data-testid=stFileUploaderDropzoneInput]").nth(row).set_input_files(upload)
    settle(page)
    assert_harmless(page)
    missing = (f"./{PAYLOADS[0]}{PAYLOADS[4]}", "onerror=alert(1)>"), ("embedded", "give both files")  # a folder; files with answers
    for model, said in missing:
        page.get_by_label("Model", exact=True).fill(model)
        page.get_by_role("button", name="Make the study").click()
        page.get_by_test_id("stText").filter(has_text=said).wait_for()
        settle(page)
        assert_harmless(page)


@pytest.mark.parametrize("payload", PAYLOADS[:4])
def test_an_exported_graph_shows_its_title_as_text(page, payload):
    index, name = hostile_study.INDEX, "s"
    view = circuit_network.of_circuit(hostile_study.circuit(name, 0), index.n_layers // 2)
    page.set_content(circuit_network.offline_html(view, payload))
    page.wait_for_selector("canvas")
    assert page.locator("h1").inner_text() == payload == page.title()
    assert_harmless(page)


def test_the_report_shows_text_as_text(page, tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    found = report_data.collect(hostile_study.write())
    html = report.page(found, report_tables.tables(found))
    page.set_content(html)
    assert_harmless(page)
    said = page.evaluate(SAID, page.locator("body").element_handle())
    assert all(text in said for text in (" ".join(TITLE.split()), PAYLOADS[0], PAYLOADS[1]))
    assert violations(page) == []


def test_the_watch_would_see_it(page):
    """The control: the same payload, as markup."""
    page.set_content(f"<h1>{PAYLOADS[1]}</h1><b>x</b>".replace("alert(1)", "0"))
    assert len(page.evaluate(PLANTED)) == 2
