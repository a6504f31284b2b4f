"""Every file of a study damaged, as by a disk that failed or a hand that slipped: pages say so and go on."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from analysis import runs
from tests.pages.conflict_fixture import write_map
from tests.pages.runs_fixture import write_curricula, write_evaluation
from tests.pages.test_own_pages import words
from tests.planted_study import write_run

ROOT = Path(__file__).parents[2]
PAGES = ("circuits", "conflicts", "difficulty", "easy_vs_hard", "forget_set", "outcomes", "report", "unlearn")
DAMAGE = {"half": lambda content: content[: len(content) // 2], "of another kind": lambda content: b'[{"a": null}]\n'}


@pytest.fixture
def whole_study(scored_study):
    """With scores, circuits, two runs with an evaluation, a conflict map and curricula."""
    ids = [f"sample{row:02}" for row in range(24)]
    for name, method in (("npo-1", "NPO"), ("rmu-1", "RMU")):
        folder = runs.runs_folder(scored_study) / name
        write_run(folder, ids, [row / 12 for row in range(24)], method)
        rows = [f"{name},forget,{epoch},{epoch}\n" for name in ids for epoch in (0, 1)]
        (folder / "trajectories.csv").write_text("".join(["sample_id,split,epoch,nll\n", *rows]))
        (folder / "steps.csv").write_text("step,epoch,forget_loss,retain_loss,seconds\n1,1,0.5,0.1,0.5\n2,1,0.6,0.1,0.9\n")
        write_evaluation(folder, scored_study)
    write_map(scored_study.results / "conflicts" / "one")
    write_map(scored_study.results / "conflicts")
    write_curricula(scored_study)
    return scored_study


def damage(study, how) -> int:
    """Every file of its results and runs; returns how many."""
    files = [f for place in (study.results, runs.runs_folder(study)) for f in place.rglob("*") if f.is_file()]
    for file in files:
        file.write_bytes(how(file.read_bytes()))
    return len(files)


@pytest.mark.slow
@pytest.mark.parametrize("how", DAMAGE)
def test_every_page_goes_on(how, whole_study, open_page, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert damage(whole_study, DAMAGE[how]) > 20
    failed = {}
    for name in PAGES:
        page = open_page(name, run="npo-1")
        failed |= {name: [e.value for e in page.exception]} if page.exception else {}
    overview = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
    overview.query_params["study"] = "made"
    failed |= {"overview": [e.value for e in overview.exception]} if overview.run().exception else {}
    assert not failed
    said = words(open_page("difficulty"))
    assert "expected scores.csv and scores.json" in said or "circuits on disk are not shown" in said


@pytest.mark.slow
def test_a_study_whose_sets_are_gone_is_said(whole_study, open_page):
    shutil.rmtree(whole_study.results)
    whole_study.forget.write_bytes(b"\xff\xfe\x00")
    whole_study.retain.unlink()
    for name in PAGES:
        assert not open_page(name).exception, name
