"""axe-core finds nothing on any page, in either theme, with everything unfolded; and it does find a fault that is planted."""

from importlib.resources import files

import pytest

from components import links
from tests.browser.conftest import follow, go, settle

AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
PAGES = ["", "forget_set", "difficulty", "circuits", "easy_vs_hard", "conflicts", "unlearn", "outcomes", "report"]
VIEWS = [f"outcomes?view={view}" for view in ("Memories", "Answers", "Durability", "Settings", "One+run", "Evaluation",
                                             "Order+of+samples")]
BACKGROUND = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 24, 31)"}
HEIGHT = """() => Math.max(768, ...[document.documentElement, document.querySelector('[data-testid=stMain]')]
    .map(e => e?.scrollHeight ?? 0))"""
STILL = "() => document.getAnimations().every(a => a.playState !== 'running' || a.effect.getComputedTiming().iterations === Infinity)"


def violations(page) -> list[str]:
    """What axe's own choice of rules finds in the whole document, shadow roots included: rule, element and what is wrong.

    The window grows to the height of the page, as axe leaves out the contrast of what is scrolled out of sight.
    """
    page.set_viewport_size({"width": page.viewport_size["width"], "height": page.evaluate(HEIGHT)})
    page.wait_for_function(STILL)
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['failureSummary']}" for rule in found for node in rule["nodes"]]


def violations_in_both_themes(page) -> list[str]:
    """In the theme that is on, then in the other, which stays on; the script runs anew between them, as it colours the charts."""
    found = []
    page.mouse.move(683, 0)  # no tooltip where the last click was
    for turned in (False, True):
        if turned:
            turn_theme(page)
        found += [f"{background(page)}: {fault}" for fault in violations(page)]
    return found


def turn_theme(page) -> None:
    """As when the reader's system turns dark, or light again."""
    scheme = "light" if background(page) == BACKGROUND["dark"] else "dark"
    page.emulate_media(color_scheme=scheme)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("r")
    settle(page)
    assert background(page) == BACKGROUND[scheme]


def background(page) -> str:
    return page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")


def unfold(page) -> None:
    """Open every expander."""
    closed = page.locator("[data-testid=stExpander] details:not([open]) > summary")
    while closed.count():
        closed.first.click()
    settle(page)


def turn_tabs(page):
    """Show the first tabs of the page, then the second ones, and so on, with everything unfolded."""
    for turn in range(1, 8):
        tabs = page.locator(f"[role=tablist] [role=tab]:nth-of-type({turn})")
        if turn > 1 and not tabs.count():
            return
        for tab in tabs.all():
            tab.click()
        settle(page)
        unfold(page)
        yield turn


@pytest.mark.parametrize("name", PAGES + VIEWS)
def test_no_page_has_a_violation(look, name):
    page = look(name)
    for _ in turn_tabs(page):
        assert violations_in_both_themes(page) == []


def test_the_sample_card_has_no_violation(look):
    page = look("difficulty")
    page.get_by_role("button", name="Sample card").click()
    page.get_by_role("dialog").wait_for()
    settle(page)
    assert violations_in_both_themes(page) == []


def test_an_error_and_empty_pages_have_no_violation(hostile_server, new_page):
    page = go(new_page(), f"{hostile_server}/outcomes?study=../etc&sample=nobody&run=none")
    assert page.get_by_test_id("stAlert").count()
    assert violations_in_both_themes(page) == []
    go(page, f"{hostile_server}/?study=bare")
    for name in links.PAGES:
        follow(page, name)
        assert "study=bare" in page.url
        unfold(page)
        assert violations_in_both_themes(page) == []


def test_a_planted_fault_is_found(look):
    page = look("forget_set")
    assert violations(page) == []
    page.evaluate("""() => document.querySelector('[data-testid=stMainBlockContainer]').insertAdjacentHTML(
        'beforeend', '<button></button><p style="color: #999; background: #fff">faint</p>')""")
    assert {fault.split(":")[0] for fault in violations(page)} == {"button-name", "color-contrast"}
