"""Addresses: what they carry from page to page, what a page makes of one that is wrong, and the sample card that they open."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.state.query_params import QueryParams
from streamlit.testing.v1 import AppTest

from analysis import studies
from components import state

ROOT = Path(__file__).parents[2]
NAMES = ["app", *sorted(file.stem for file in (ROOT / "pages").glob("*.py"))]
WRITTEN = "\n".join(file.read_text() for room in ("pages", "components") for file in (ROOT / room).glob("*.py"))
PARAMETERS = {*re.findall(r'key="([a-z_]+)"', WRITTEN), *re.findall(r'parameter\("([a-z_]+)"', WRITTEN), *state.CARRIED, *state.BOUND,
              "left", "right", "tour"}
BAD = {"markup": "<img src=x onerror=alert(1)>", "long": "x" * 3000, "huge": "9" * 30}
SAMPLE = "c4ed0e738bb1"


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """opened(name, **query) -> a page on the embedded study; links to other pages are left out: they need the whole app."""
    monkeypatch.setenv("LETHE_WORKSPACE", str(tmp_path))
    monkeypatch.setattr(st, "page_link", lambda *args, **kwargs: None)

    def opened(name: str, **query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / ("app.py" if name == "app" else f"pages/{name}.py")), default_timeout=120)
        for key, value in query.items():
            page.query_params[key] = value
        return page.run()

    return opened


def markup(page: AppTest) -> str:
    return "\n".join(str(p.value) for kind in ("caption", "markdown", "info", "warning", "error", "success") for p in page.get(kind))


@pytest.mark.slow
@pytest.mark.parametrize("value", BAD.values(), ids=BAD.keys())
@pytest.mark.parametrize("name", NAMES)
def test_an_address_of_nonsense_shows_a_sane_page(opened, name, value):
    page = opened(name, **dict.fromkeys(PARAMETERS, value))
    assert not page.exception
    assert "not in this workspace" in markup(page)  # a study of that name
    said = [str(p.value) for kind in ("warning", "error") for p in page.get(kind)]
    assert all(len(line) < 300 and "\n" not in line for line in said), said
    assert page.title or page.header


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_sample_is_said_once_and_leaves_the_address(opened, name):
    page = opened(name, sample="nobody", node="<b>", card="1")
    assert not page.exception
    for key in ("sample", "node"):
        assert sum(f"The {key} named in this address" in str(w.value) for w in page.warning) == 1
        assert key not in page.query_params
    assert "card" not in page.query_params  # it would open at the next sample that is selected


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_card_opens_over_every_page_from_its_address(opened, name):
    sample = next(json.loads(line) for line in studies.embedded().forget.open())
    page = opened(name, sample=SAMPLE, card="1")
    assert not page.exception
    said = markup(page)
    assert sample["question"] in said and "What unlearning did to it" in said and "Nodes in conflict" not in said


@pytest.mark.slow
def test_the_card_stays_closed_without_its_parameter(opened):
    assert "What unlearning did to it" not in markup(opened("forget_set", sample=SAMPLE))


def bare(name: str, **session: Any) -> AppTest:
    """A page of no content that carries the selection, in a session that has it already."""

    def script(page):
        import streamlit as st

        from components import state

        state.carry(page)
        st.text(repr(state.carried()))

    app = AppTest.from_function(script, kwargs={"page": name})
    for key, value in session.items():
        app.session_state[key] = value
    return app


def test_what_was_selected_goes_into_the_address_of_the_next_page():
    app = bare("Difficulty", page="Outcomes", carried_sample="a", late_from=3)
    assert app.run().text[0].value == "{'sample': 'a', 'late_from': '3'}" and app.query_params["sample"] == "a"


@pytest.mark.parametrize(("given", "shown"), [
    ({"node": "m1"}, "m2"),  # the link was drawn when m1 was selected; since then a fragment selected m2
    ({"node": "m3"}, "m3"),  # a link to something else
    ({}, "m2"),
])
def test_a_link_that_was_drawn_before_the_selection_does_not_undo_it(given, shown):
    app = bare("Conflict map", page="Circuit explorer", carried_node="m2", linked={"node": "m1"})
    for key, value in given.items():
        app.query_params[key] = value
    app.run()
    assert app.query_params["node"] == shown


def test_an_address_that_has_the_selection_already_is_left_alone(monkeypatch):
    """Each change of it is an entry in the browser's history, through which Back would lead."""
    sent, send = [], QueryParams._send_query_param_msg
    monkeypatch.setattr(QueryParams, "_send_query_param_msg", lambda self: (sent.append(str(self)), send(self)))
    for given, n_sent in (("a", 0), (None, 1)):
        app = bare("Circuit explorer", page="Difficulty", carried_sample="a", linked={"sample": "a"})
        if given:
            app.query_params["sample"] = given
        sent.clear()
        assert app.run().query_params["sample"] == "a" and len(sent) == n_sent


def test_going_back_on_the_same_page_follows_the_address():
    app = bare("Circuit explorer", page="Circuit explorer", carried_node="m2", linked={"node": "m1"})
    app.query_params["node"] = "m1"
    assert app.run().query_params["node"] == "m1"


def selecting_after_the_frame() -> None:
    import streamlit as st

    from components import state

    state.carry("Easy vs hard")
    st.text(str(state.outdated()))
    state.select_sample("b")
    st.text(str(state.outdated()))


def test_a_selection_after_the_frame_was_drawn_is_noticed_until_it_is_drawn_again():
    page = AppTest.from_function(selecting_after_the_frame)
    page.query_params["sample"] = "a"
    assert [text.value for text in page.run().text] == ["False", "True"]
    assert [text.value for text in page.run().text] == ["False", "False"]


def another_study() -> None:
    import streamlit as st

    from components import state

    state.select_study("other")
    st.text(repr(sorted(st.query_params.to_dict().items())))


def test_another_study_leaves_behind_what_was_selected_in_the_last_one():
    page = AppTest.from_function(another_study)
    kept = {"cohort_by": "MRD", "view": "Memories"}
    of_a_study = ("left", "right", "pins", "path", "runs", "run", "job", "after_run", "after_base", "sample", "node", "pinned_hard")
    page.query_params.update(dict.fromkeys(of_a_study, "a") | kept)
    assert page.run().text[0].value == repr(sorted((kept | {"study": "other"}).items()))
