"""How long a reader waits: `python -m tests.benchmarks.browser` (three minutes; needs Chromium; closes with one line of JSON).

On the embedded study, in one tab, medians of 10: (a) from the click on a page in the navigation to the moment from which that page has
its heading, its script has run and nothing more is drawn for 300 ms; (b) from a key on a slider of the Circuit explorer, and from a
click on one of its nodes, to the graph and to the first text that differ. An app of one line with two pages is the control, under the
same load and in turn with ours: what it takes is Streamlit's own and the machine's. Everything is timed in the browser.
"""

import json
import sys
import tempfile
from pathlib import Path
from statistics import median

from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import CHROMIUM, FLAGS, go, serve, settle

N = 10
NAMES = ["Overview", "Forget set", "Difficulty", "Circuit explorer", "Easy vs hard", "Conflict map", "Unlearn", "Outcomes", "Report"]
CONTROL = """import streamlit as st
pages = [st.Page(lambda name=name: st.title(name), title=name, url_path=name.lower()) for name in ("One", "Two")]
page = st.navigation(pages, position="hidden")
for each in pages:
    st.sidebar.page_link(each)
page.run()
"""
SWITCH = """title => new Promise(done => {
    const link = [...document.querySelectorAll('[data-testid=stSidebar] a')].find(a => a.innerText.trim() === title);
    const ready = () => document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'
        && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]');
    const start = performance.now();
    let last = start, changed = false;
    const heading = () => document.querySelector('h1')?.innerText, before = heading();
    const watch = new MutationObserver(() => { last = performance.now(); changed ||= heading() !== before; });
    watch.observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    const poll = setInterval(() => {
        if (!changed || !ready() || performance.now() - last < 300) return;
        clearInterval(poll); watch.disconnect(); done(last - start);
    }, 20);
    link.click();
})"""
CANVAS = """(() => {
    const find = root => root.querySelector('.canvas')
        ?? [...root.querySelectorAll('*')].filter(e => e.shadowRoot).map(e => find(e.shadowRoot)).find(Boolean);
    return find(document);
})()"""
WATCH = f"""() => {{
    const graph = () => {CANVAS}.circuit.state, texts = () => document.querySelector('[data-testid=stMain]').innerText;
    const state = () => JSON.stringify([graph().view.edges.map(e => [e.id, e.group]), graph().selected]);
    const before = state(), said = texts(), start = performance.now();
    window.took = {{}};
    const poll = setInterval(() => {{
        const now = performance.now() - start;
        if (!window.took.graph && state() !== before) window.took.graph = now;
        if (!window.took.text && texts() !== said) window.took.text = now;
        if (window.took.graph && window.took.text || now > 20000) {{ clearInterval(poll); window.took.done = true; }}
    }}, 10);
}}"""


def switches(page: Page, address: str, control: Page, name: str) -> tuple[float, float]:
    """Median milliseconds to `name` and of the control, in turn; between two visits another page is shown."""
    ours, theirs = [], []
    away, path = ("Overview", "") if name != "Overview" else ("Forget set", "forget_set")
    go(page, f"{address}/{path}")
    for turn in range(N):
        ours.append(page.evaluate(SWITCH, name))
        page.evaluate(SWITCH, away)
        theirs.append(control.evaluate(SWITCH, "Two" if turn % 2 == 0 else "One"))
    return median(ours), median(theirs)


def moved(page: Page, act) -> dict[str, float]:
    """Medians over ten times `act(turn)`: until the graph, and until a text of the page is another."""
    found = []
    for turn in range(N):
        page.wait_for_timeout(500)
        settle(page)
        page.evaluate(WATCH)
        act(turn)
        page.wait_for_function("() => window.took.done")
        found.append(page.evaluate("window.took"))
    return {what: round(median(each.get(what, float("inf")) for each in found)) for what in ("graph", "text")}


def explorer(page: Page) -> dict[str, dict[str, float]]:
    def key(label: str):
        page.get_by_role("slider", name=label).wait_for()
        keys = ("ArrowLeft", "ArrowRight")
        return lambda turn: page.get_by_role("slider", name=label).press(keys[turn % 2])

    def click(turn: int) -> None:
        area = page.locator(".canvas").first
        area.click(position=area.evaluate("(area, node) => area.circuit.at(node)", f"m{turn % 2}"))

    return {"boundary": moved(page, key("Late from layer")), "edges": moved(page, key("Edges drawn")), "node": moved(page, click)}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        empty = Path(folder) / "empty.py"
        empty.write_text(CONTROL)
        with serve(Path(folder) / "workspace") as address, serve(Path(folder) / "none", empty) as other:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page, control = (browser.new_page(viewport={"width": 1366, "height": 768}) for _ in range(2))
            page.set_default_timeout(60_000)
            go(page, address)
            go(control, other)
            names = sys.argv[1:] or [name for name in NAMES if page.locator("[data-testid=stSidebar] a", has_text=name).count()]
            found = {"switch_ms": {}, "control_ms": {}}
            for name in names:
                found["switch_ms"][name], found["control_ms"][name] = (round(ms) for ms in switches(page, address, control, name))
                ratio = found["switch_ms"][name] / found["control_ms"][name]
                print(f"{name}: {found['switch_ms'][name]} ms, control {found['control_ms'][name]} ms, ratio {ratio:.1f}", flush=True)
            go(page, f"{address}/circuits")
            found |= {"explorer_ms": explorer(page)}
            print(found["explorer_ms"])
            browser.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
