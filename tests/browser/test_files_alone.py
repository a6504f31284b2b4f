"""What is taken away opens from the disk, without a server, and asks for nothing."""

import pytest

from analysis import report, report_data, report_tables
from components import circuit_network
from tests.browser import hostile_study


@pytest.fixture
def asked(chromium):
    """asked(file) -> the page opened from disk, and every address that it asked for."""
    context, addresses = chromium.new_context(viewport={"width": 1366, "height": 768}), []
    context.on("request", lambda request: addresses.append(request.url))

    def opened(file):
        addresses.clear()
        page = context.new_page()
        page.goto(file.as_uri(), wait_until="load")
        page.wait_for_load_state("networkidle")
        return page, list(addresses)

    yield opened
    context.close()


def test_the_report_opens_from_the_disk_and_asks_for_nothing(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path / "space"))
    found = report_data.collect(hostile_study.write())
    file = tmp_path / report.PAGE
    file.write_text(report.page(found, report_tables.tables(found)), encoding="utf-8")
    page, addresses = asked(file)
    assert addresses == [file.as_uri()]
    assert page.locator("h1").first.is_visible() and page.locator("svg").count() > 0
    assert page.evaluate("document.scripts.length") == 0


def test_a_graph_opens_from_the_disk_and_asks_for_nothing(asked, tmp_path):
    view = circuit_network.of_circuit(hostile_study.circuit("s", 0), hostile_study.INDEX.n_layers // 2)
    file = tmp_path / "graph.html"
    file.write_text(circuit_network.offline_html(view, "Who is Ana?"), encoding="utf-8")
    page, addresses = asked(file)
    page.wait_for_selector("canvas")
    assert addresses == [file.as_uri()]


def test_a_page_that_asks_for_something_would_be_seen(asked, tmp_path):
    (tmp_path / "a.html").write_text('<h1>x</h1><img src="http://127.0.0.1:9/x.png"><link rel=stylesheet href="b.css">')
    addresses = asked(tmp_path / "a.html")[1]
    assert {"http://127.0.0.1:9/x.png", (tmp_path / "b.css").as_uri()} < set(addresses)
