"""Results of other data, and results that cannot be read, are not shown; the page says why and offers to compute them again."""

import os

import pytest

from analysis import atomic
from analysis.dataset import read_samples, samples_hash
from analysis.plain_files import json_object
from components import cached
from tests.pages.test_own_pages import words

PAGES = ("difficulty", "circuits", "easy_vs_hard")


@pytest.fixture
def recorded(scored_study):
    """Scores and circuits say which forget set they are of."""
    samples = read_samples(scored_study.forget)[0]
    about = {"n": len(samples), "hash": samples_hash(samples)}
    for kind, name in (("scores", "forget"), ("circuits", "data")):
        file = scored_study.results / kind / f"{kind}.json"
        atomic.write_json(file, json_object(file) | {"data": {name: about}})
    return scored_study


def rewrite(file, content: str) -> None:
    changed = file.stat().st_mtime + 10
    file.write_text(content)
    os.utime(file, (changed, changed))


def test_results_of_the_present_data_are_shown(recorded, open_page):
    assert cached.unusable(recorded, "scores") is None and cached.unusable(recorded, "circuits") is None
    page = open_page("difficulty")
    assert not page.exception and len(page.dataframe) and "belong to other data" not in words(page)


@pytest.mark.slow
def test_results_of_other_data_are_not_shown_until_the_data_are_back(recorded, open_page):
    before = recorded.forget.read_text()
    rewrite(recorded.forget, before.replace("Question 3?", "Another question?"))
    for name in PAGES:
        page = open_page(name)
        assert not page.exception and "The scores on disk belong to other data: the forget set has changed since." in words(page)
        assert page.button(key="compute").label == "Compute scores and circuits"
        assert not any("rank_cud" in table.value for table in page.dataframe)
    os.utime(recorded.forget, (3e9, 3e9))
    recorded.forget.write_text(before)
    assert cached.unusable(recorded, "scores") is None and cached.scores(recorded) is not None


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [("scores", "scores.csv"), ("scores", "scores.json"), ("circuits", "circuits.json"),
                                           ("circuits", "circuits.safetensors")])
def test_results_that_cannot_be_read_break_no_page(recorded, open_page, kind, name):
    file = recorded.results / kind / name
    rewrite(file, "sample_id,fold,cud\nx,0,ha" if name.endswith(".csv") else "{ half")
    for page_name in PAGES if kind == "circuits" else ("difficulty",):
        page = open_page(page_name)
        assert not page.exception
        if page_name != "difficulty" or kind == "scores":
            assert f"The {kind} on disk cannot be read" in words(page)
