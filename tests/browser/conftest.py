"""Servers on temporary workspaces, and Chromium watching for requests that leave the machine and for console errors."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")
ONE_PROCESS = "--renderer-process-limit=1"  # tabs of one browser share it, so that scripts of megabytes are compiled once, not per tab
SETTLED = """() => {
    if (!('unanswered' in window)) {  // does the server still owe an answer to what was clicked?
        const send = WebSocket.prototype.send, heard = new WeakSet();
        const stir = unanswered => { window.stillSince = null; window.unanswered = unanswered; };
        stir(false);
        WebSocket.prototype.send = function (data) {
            if (!heard.has(this)) this.addEventListener('message', () => stir(false));
            heard.add(this);
            stir(true);
            return send.call(this, data);
        };
        for (const kind of ['keydown', 'pointerup']) addEventListener(kind, () => stir(window.unanswered), true);
    }
    const still = !window.unanswered && document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'
        && document.querySelector('h1')
        && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner], [data-stale=true]');
    window.stillSince = still ? window.stillSince ?? performance.now() : null;
    return still && performance.now() - window.stillSince > 250;
}"""  # a quarter of a second: sliders wait for the last of several keys for 200 ms before they send


def pytest_collection_modifyitems(items):
    """Browser tests run first: they take longest, so that no process is left alone with them at the end."""
    in_browser = [item for item in items if ROOT / "tests" / "browser" in item.path.parents]
    for item in in_browser:
        item.add_marker(pytest.mark.slow)
        if not Path(CHROMIUM).exists():
            item.add_marker(pytest.mark.skip(reason="needs chromium: apt-get install chromium"))
    items.sort(key=lambda item: item not in in_browser)


@contextmanager
def serve(workspace: Path, app: Path = ROOT / "app.py", host: str = "127.0.0.1", **environment: str) -> Iterator[str]:
    """The address of a server that nobody has visited yet, on this workspace; `host`: a name that it answers to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"LETHE_WORKSPACE": str(workspace), "HF_HUB_OFFLINE": "1"} | environment
    command = [sys.executable, "-m", "streamlit", "run", str(app), "--server.port", str(port), "--server.headless", "true"]
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_up(urllib.request.Request(f"{address}/_stcore/health", headers={"Host": host}), process)
        yield address
    finally:
        process.kill()
        process.wait()


def _wait_until_up(health: urllib.request.Request, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server died"
        try:
            urllib.request.urlopen(health, timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer within a minute")


@pytest.fixture
def server(tmp_path):
    """A server of the test's own, for tests that write; its workspace is empty."""
    with serve(tmp_path / "workspace") as address:
        yield address


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory):
    """One server for all tests that only look."""
    with serve(tmp_path_factory.mktemp("shared")) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, ONE_PROCESS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reader(chromium):
    """The browser of most tests: its cache is warm after the first page, and a tab that stays open keeps its process."""
    context = _context(chromium)
    context.new_page()
    return context


def _context(chromium):
    return chromium.new_context(viewport={"width": 1366, "height": 768}, color_scheme="light")


@pytest.fixture(scope="session")
def faults():
    """What went wrong in any tab since the last test."""
    return []


@pytest.fixture(autouse=True)
def no_faults(faults):
    """A test fails if a tab asked another host for anything, printed an error or opened a dialog."""
    faults.clear()
    yield
    assert not faults


@pytest.fixture(scope="module")
def long_tab(reader, faults):
    """A tab that stays open from test to test of one file."""
    page = _watched(reader.new_page(), faults)
    yield page
    page.close()


@pytest.fixture
def new_page(chromium, reader, faults, no_faults):
    """new_page(alone) -> a new tab, of a browser of its own if `alone`."""
    opened, own = [], []

    def open_page(alone: bool = False):
        if alone:
            own.append(_context(chromium))
        opened.append(_watched((own[-1] if alone else reader).new_page(), faults))
        return opened[-1]

    yield open_page
    for each in opened + own:
        each.close()


def _watched(page, faults: list[str]):
    page.on("request", lambda r: None if r.url.startswith(LOCAL) else faults.append(f"asked for {r.url}"))
    page.on("console", lambda m: faults.append(f"{m.text} {m.location['url']}") if m.type == "error" and not _is_probe(m) else None)
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("dialog", lambda d: (faults.append(f"dialog {d.message}"), d.dismiss()))
    page.set_default_timeout(120_000)  # of a machine that others use too
    return page


def _is_probe(message) -> bool:
    """On a deep link Streamlit's page first looks for the server below the link's own path; the 404 is its way to find out."""
    return "404" in message.text and "/_stcore/" in message.location["url"]


@pytest.fixture
def page(new_page):
    return new_page()


@pytest.fixture
def visit(server, page):
    """visit(path) -> the page on a server of its own once its script has run, without an exception box."""
    return lambda path="": go(page, f"{server}/{path}")


@pytest.fixture
def look(shared_server, new_page):
    """look(path, ...) -> a new page on the shared server, likewise; `new_page` says what else there is."""
    return lambda path="", **options: go(new_page(**options), f"{shared_server}/{path}")


def go(page, address: str):
    page.goto(address, wait_until="domcontentloaded")
    settle(page)
    return page


def settle(page) -> None:
    page.evaluate("window.stillSince = null")
    page.wait_for_function(SETTLED, polling=50)
    assert page.locator("[data-testid=stException], [data-testid=stErrorElementStack]").all_inner_texts() == []


def follow(page, name: str) -> None:
    """To the page of this name by the sidebar's link."""
    page.get_by_test_id("stSidebar").get_by_role("link", name=name, exact=True).click()
    page.get_by_role("heading", name=name if name != "Overview" else "Lethe", level=1).wait_for()
    settle(page)


@pytest.fixture(scope="session")
def hostile_server(tmp_path_factory):
    """A server with a study whose texts try to be markup, and with one that has no results."""
    from tests.browser import hostile_study

    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LETHE_WORKSPACE", str(folder))
        hostile_study.write()
    with serve(folder) as address:
        yield address
