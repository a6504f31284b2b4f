"""Ten people at once: `python -m tests.benchmarks.load [seconds of pause] [switches]` (needs Chromium; closes with one line of JSON).

One server on the embedded study and an empty workspace, ten browser sessions (a context each, so that nothing is shared), all in one
Chromium on the same machine. First all ten open the Circuit explorer at the same moment, which needs the model: the loaded models are
counted. Then each goes from page to page, drawn at random, with a sample of its own: N_WARM switches to warm up, then those that count,
200 unless given, timed in the browser from the click in the navigation until the page has its heading, its script has run and nothing
more is drawn (as in `tests.benchmarks.browser`). Between two switches a session pauses for the given seconds on average (drawn between
nothing and twice that); 0, the default, is ten people who never stop clicking. An app of one line and two pages, under the same load by
the same browser, is the control: what it takes is the machine's.

Memory is the server's resident set before and after these switches, each time after a garbage collection; then once more when all
sessions are closed and forgotten. The server is `app.py` with one route more, that collects and counts.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from playwright.async_api import Browser, Page, async_playwright

from analysis.dataset import load_samples
from tests.benchmarks.browser import CONTROL, NAMES, SWITCH
from tests.browser.conftest import CHROMIUM, FLAGS, ROOT, SETTLED, serve

N_SESSIONS, N_WARM = 10, 100
LINKED = "title => [...document.querySelectorAll('[data-testid=stSidebar] a')].some(a => a.innerText.trim() === title)"
COUNTING = """import gc, os, psutil
from starlette.responses import JSONResponse
from starlette.routing import Route
from streamlit import App
from components import doors

def count(request):
    gc.collect()
    mine = psutil.Process()
    kinds = [type(each).__name__ for each in gc.get_objects()]
    return JSONResponse({"rss_mb": round(mine.memory_info().rss / 2**20, 1), "cpu_s": round(sum(mine.cpu_times()[:2]), 1),
                         "models": kinds.count("ModelHandle"), "sessions": kinds.count("AppSession"), "objects": len(kinds)})

app = App("APP", middleware=doors.middleware(), routes=[Route("/count", count)])
"""


def count(address: str) -> dict[str, float]:
    """The server's memory, processor seconds and what it holds, after a collection."""
    return json.load(urllib.request.urlopen(f"{address}/count", timeout=60))


async def open_pages(browser: Browser, address: str, paths: list[str]) -> list[Page]:
    """A session per path, opened at the same moment and settled."""
    contexts = [await browser.new_context(viewport={"width": 1366, "height": 768}) for _ in paths]
    pages = [await context.new_page() for context in contexts]
    for page in pages:
        page.set_default_timeout(180_000)
    asked = zip(pages, paths, strict=True)
    await asyncio.gather(*(page.goto(f"{address}/{path}", wait_until="domcontentloaded") for page, path in asked))
    await asyncio.gather(*(page.wait_for_function(SETTLED) for page in pages))
    return pages


async def walk(pages: list[Page], names: list[str], shown: list[str], n_switches: int, pause: float) -> dict[str, list[float]]:
    """Milliseconds of each switch by page, of sessions that walk at once; `shown`: the page that each is on, kept up to date."""
    took: dict[str, list[float]] = {name: [] for name in names}

    async def go_round(session: int, page: Page) -> None:
        draw = random.Random(f"{session} {n_switches}")
        for _ in range(n_switches // len(pages)):
            shown[session] = draw.choice([name for name in names if name != shown[session]])
            await page.wait_for_function(LINKED, arg=shown[session], polling=100)
            took[shown[session]].append(await page.evaluate(SWITCH, shown[session]))
            await asyncio.sleep(draw.uniform(0, 2 * pause))

    await asyncio.gather(*(go_round(session, page) for session, page in enumerate(pages)))
    return took


def summary(took: dict[str, list[float]]) -> dict[str, int]:
    every = np.concatenate(list(took.values()))
    return {"n": len(every)} | {f"p{q}_ms": round(float(np.percentile(every, q))) for q in (50, 95, 100)}


async def main(pause: float = 0, n_switches: int = 200) -> None:
    found = {"sessions": N_SESSIONS, "pause_s": pause}
    ids = [sample.id for sample in load_samples(ROOT / "data" / "forget.jsonl")[:N_SESSIONS]]
    with tempfile.TemporaryDirectory() as folder:
        app, other = Path(folder) / "counting.py", Path(folder) / "control.py"
        app.write_text(COUNTING.replace("APP", str(ROOT / "app.py")))
        other.write_text(CONTROL)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            with serve(Path(folder) / "none", other) as address:
                pages = await open_pages(browser, address, [""] * N_SESSIONS)
                found["control"] = summary(await walk(pages, ["One", "Two"], ["One"] * N_SESSIONS, n_switches // 2, pause))
                await asyncio.gather(*(page.context.close() for page in pages))
            with serve(Path(folder) / "workspace", app, PYTHONPATH=str(ROOT)) as address:
                found["empty"] = count(address)
                pages = await open_pages(browser, address, [f"circuits?sample={id}" for id in ids])
                found["opened"] = count(address)
                shown = ["Circuit explorer"] * N_SESSIONS
                await walk(pages, NAMES, shown, min(N_WARM, n_switches), 0)
                found["before"], start = count(address), time.monotonic()
                took = await walk(pages, NAMES, shown, n_switches, pause)
                found["seconds"], found["after"] = round(time.monotonic() - start), count(address)
                found["switch"], found["by_page"] = summary(took), {name: summary({name: times}) for name, times in took.items()}
                await asyncio.gather(*(page.context.close() for page in pages))
                await asyncio.sleep(150)  # Streamlit keeps a session for two minutes, should its reader come back
                found["closed"] = count(address)
            await browser.close()
    found["growth"] = round(found["after"]["rss_mb"] / found["before"]["rss_mb"] - 1, 4)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(*(kind(word) for kind, word in zip((float, int), sys.argv[1:], strict=False))))
