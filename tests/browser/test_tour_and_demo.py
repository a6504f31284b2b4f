"""The guided tour from its first stop to its end, and a read-only demo that shows everything and starts nothing."""

import re

import pytest

from tests.browser.conftest import follow, go, serve, settle

STOPS = ["Forget set", "Difficulty", "Circuit explorer", "Easy vs hard", "Outcomes"]


def test_the_tour_leads_through_its_five_stops_and_back(look):
    page = look()
    page.get_by_role("link", name="Look at it").first.click()
    for number, title in enumerate(STOPS, 1):
        page.wait_for_url(re.compile(f"tour={number}"))
        settle(page)
        assert page.get_by_role("heading", name=title, level=1).is_visible()
        banner = page.locator(".st-key-tour")
        assert re.search(rf"Stop {number} of 5: .+\n.*(\d\.\d\d|\d\d%)", banner.inner_text())
        back = banner.get_by_role("link", name="Previous stop")
        assert back.count() == (number > 1)
        assert number == 1 or f"tour={number - 1}" in back.get_attribute("href")
        banner.get_by_role("link").last.click()
    page.wait_for_url(lambda url: "tour=" not in url)
    settle(page)
    assert page.get_by_role("heading", name="Lethe", level=1).is_visible()


@pytest.fixture(params=[True, False])
def demo_server(request, tmp_path, shared_server):
    """A read-only server, or one that is not (the control), and whether it is a demo."""
    if not request.param:
        yield shared_server, False
        return
    with serve(tmp_path / "workspace", LETHE_DEMO="1") as address:
        yield address, True


@pytest.fixture
def demo(demo_server, new_page):  # in this order: pages close before their server ends
    address, is_demo = demo_server
    return go(new_page(), f"{address}/unlearn"), is_demo


def test_a_demo_offers_no_work_and_says_so(demo):
    page, is_demo = demo
    assert page.get_by_text("Read-only demo: starting runs is switched off here").is_visible() == is_demo
    assert page.get_by_role("button", name="Start", exact=True).count() == (not is_demo)
    follow(page, "Forget set")
    assert page.get_by_text("Read-only demo: uploading a study is switched off here").is_visible() == is_demo
    assert page.locator("[data-testid=stFileUploader]").count() == (0 if is_demo else 2)
    assert page.get_by_test_id("stSidebar").get_by_text("Read-only demo").count() == is_demo
    follow(page, "Circuit explorer")  # what is live and cheap goes on
    page.get_by_test_id("stMetric").filter(has_text="Faithfulness").wait_for()
