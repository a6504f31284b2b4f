"""A fresh server on a temporary workspace, and Chromium watching for requests that leave the machine and for console errors."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]
LOCAL = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:")


def pytest_collection_modifyitems(items):
    for item in items:
        if ROOT / "tests" / "browser" in item.path.parents:
            item.add_marker(pytest.mark.slow)
            if not Path(CHROMIUM).exists():
                item.add_marker(pytest.mark.skip(reason="needs chromium: apt-get install chromium"))


@pytest.fixture
def server(tmp_path):
    """Address of a server that nobody has visited yet; its workspace is empty."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"LETHE_WORKSPACE": str(tmp_path / "workspace"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless", "true"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_until_up(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _wait_until_up(address: str, process: subprocess.Popen) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server died"
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not answer within a minute")


@pytest.fixture
def page():
    """A browser page; the test fails if it asked another host for anything, or printed an error."""
    from playwright.sync_api import sync_playwright

    outside, errors = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        view = browser.new_page(viewport={"width": 1366, "height": 768})
        view.on("request", lambda r: None if r.url.startswith(LOCAL) else outside.append(r.url))
        view.on("console", lambda m: errors.append(m.text) if m.type == "error" and not _is_probe(m) else None)
        view.on("pageerror", lambda e: errors.append(str(e)))
        view.set_default_timeout(60_000)
        yield view
        browser.close()
    assert not outside
    assert not errors


def _is_probe(message) -> bool:
    """On a deep link Streamlit's page first looks for the server below the link's own path; the 404 is its way to find out."""
    return "404" in message.text and "/_stcore/" in message.location["url"]


@pytest.fixture
def visit(server, page):
    """visit(path) -> the page once its script has run, without an exception box."""

    def go(path: str = ""):
        page.goto(f"{server}/{path}", wait_until="domcontentloaded")
        settle(page)
        return page

    return go


def settle(page) -> None:
    page.wait_for_selector('[data-testid=stApp][data-test-script-state="notRunning"]')
    page.wait_for_selector("h1")
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')")
    assert page.locator("[data-testid=stException]").count() == 0
