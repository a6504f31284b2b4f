"""The workspace on the Overview: what is there, what is damaged, and that only what was chosen is removed."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis import objects, place, workspace_items
from tests.pages.test_own_pages import words

APP = str(Path(__file__).parents[2] / "app.py")


@pytest.fixture
def panel(made_up_study, monkeypatch):
    monkeypatch.setattr(st, "page_link", lambda *args, **kwargs: None)
    objects.put(place.workspace(), "edge-scores", {"fingerprint": "f" * 16}, {"a": b"x" * 5000}, "![x](http://a/b.png)")

    def opened() -> AppTest:
        page = AppTest.from_file(APP, default_timeout=120)
        page.query_params.update({"study": "made", "workspace": "true"})
        return page.run()

    return opened


def table(page, column: str):
    return next(frame.value for frame in page.dataframe if column in frame.value)


def test_it_lists_every_item_with_its_size_and_finds_nothing_wrong(panel):
    page = panel()
    assert not page.exception
    found = table(page, "If removed").set_index("Item")
    assert set(found.index) == {"studies/made", "objects/edge-scores/" + "f" * 16}
    kept = found.loc["objects/edge-scores/" + "f" * 16]
    assert (kept["What it is"], kept["If removed"]) == ("1 edge scores kept", "made again when needed")
    assert found.loc["studies/made", "Size"] == workspace_items.size(place.workspace() / "studies" / "made")
    assert str(place.workspace()) in [code.value for code in page.code]
    page.button(key="workspace_check").click().run()
    assert not page.exception and "Nothing is damaged." in [s.value for s in page.success]


@pytest.mark.slow
def test_what_is_damaged_is_named_and_repaired(panel):
    place_ = objects.folder(place.workspace(), "edge-scores", {"fingerprint": "f" * 16})
    (place_ / "a").write_bytes(b"y")
    (place.workspace() / "studies" / "odd").mkdir()
    page = panel()
    assert not page.exception and "studies/odd cannot be read, so it is left out." in words(page).replace("\\", "")
    page.button(key="workspace_check").click().run()
    found = table(page, "What is wrong").set_index("Item")
    assert found["Repair: it is"].to_dict() == {
        place_.relative_to(place.workspace()).as_posix(): "moved to damaged/", "studies/odd": "left to you",
    }
    page.button(key="workspace_repair").click().run()
    assert not page.exception and not place_.exists() and (place.workspace() / "damaged").is_dir()


def test_a_demo_shows_it_and_offers_no_change(panel, monkeypatch):
    monkeypatch.setenv("LETHE_DEMO", "1")
    page = panel()
    assert not page.exception and "changing the workspace is switched off" in words(page)
    assert not any((button.key or "").startswith("workspace_") for button in page.button)


def test_a_newer_workspace_is_refused_in_words(panel):
    (place.workspace() / "workspace.json").write_text('{"version": 99}')
    page = panel()
    assert not page.exception and "of a newer Lethe" in words(page)
    assert not any((button.key or "").startswith("workspace_") for button in page.button)
