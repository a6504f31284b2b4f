"""The guided tour from its first stop to its end, and a read-only demo that shows everything and starts nothing."""

import re

import pytest

from tests.browser.conftest import go, serve, settle

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
        banner.get_by_role("link").click()
    page.wait_for_url(lambda url: "tour=" not in url)
    settle(page)
    assert page.get_by_role("heading", name="Lethe", level=1).is_visible()


@pytest.fixture(params=["1", "0"])
def demo_server(request, tmp_path):
    """A server with LETHE_DEMO as given (0 is the control), and whether it is a demo."""
    with serve(tmp_path / "workspace", LETHE_DEMO=request.param) as address:
        yield address, request.param == "1"


@pytest.fixture
def demo(demo_server, new_page):  # in this order: pages close before their server ends
    address, is_demo = demo_server
    return lambda path: go(new_page(), f"{address}/{path}"), is_demo


def test_a_demo_offers_no_work_and_says_so(demo):
    visit, is_demo = demo
    page = visit("unlearn")
    assert page.get_by_text("Read-only demo: starting runs is switched off here").is_visible() == is_demo
    assert page.get_by_role("button", name="Start", exact=True).count() == (not is_demo)
    page = visit("forget_set")
    assert page.get_by_text("Read-only demo: uploading a study is switched off here").is_visible() == is_demo
    assert page.locator("[data-testid=stFileUploader]").count() == (0 if is_demo else 2)
    assert page.get_by_test_id("stSidebar").get_by_text("Read-only demo").count() == is_demo
    page = visit("circuits")  # what is live and cheap goes on
    page.get_by_test_id("stMetric").filter(has_text="Faithfulness").wait_for()
