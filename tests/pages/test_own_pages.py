"""Overview, Forget set and Difficulty on made-up studies: the full, the empty and the broken case."""

from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from analysis import atomic, store, studies
from tests.planted_study import planted_study

ROOT = Path(__file__).parents[2]


@pytest.fixture
def overview(monkeypatch):
    monkeypatch.setattr(st, "page_link", lambda *args, **kwargs: None)

    def opened():
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120)
        page.query_params["study"] = "made"
        return page.run()

    return opened


def words(page) -> str:
    parts = [*page.caption, *page.markdown, *page.info, *page.text, *page.warning, *page.error]
    return "\n".join(str(p.value) for p in parts)


def test_overview_without_results_says_what_is_missing(made_up_study, overview):
    page = overview()
    assert not page.exception
    assert [m.value for m in page.metric] == ["24", "-", "-", "-"]
    assert "not computed: needs scores and a run" in words(page) and "Nothing is unlearned here yet" in words(page)


def test_overview_with_scores_counts_them(scored_study, overview):
    page = overview()
    assert not page.exception
    assert [m.value for m in page.metric] == ["24", "-", "-", "-"]
    assert "24 scored" in words(page)


@pytest.mark.slow
def test_overview_says_in_words_that_equal_scores_predict_nothing(made_up_study, overview):
    planted_study(made_up_study.results)
    page = overview()
    assert 0.2 < float(page.metric[3].value) < 1 and "beyond baselines" in words(page)
    folder = made_up_study.results / "scores"
    atomic.write_csv(folder / "scores.csv", store.read_scores(folder)[0].assign(cud=0.5, rank_cud=40.5))
    page = overview()
    assert not page.exception and page.metric[3].value == "-"
    assert "CUD or the outcome is the same for all samples" in words(page) and "nan" not in words(page)


def test_overview_survives_a_broken_set(made_up_study, overview):
    made_up_study.forget.write_text("not json")
    page = overview()
    assert not page.exception
    assert "row 1: not JSON" in words(page)


def test_forget_set_lists_samples_and_row_errors(made_up_study, open_page):
    made_up_study.forget.write_text('{"question": "Q?", "answer": "A"}\n{"question": "R?"}\n')
    page = open_page("forget_set")
    assert not page.exception
    assert "1 samples can be used; 1 rows cannot" in words(page)
    assert page.dataframe[0].value["question"].tolist() == ["Q?"]


@pytest.mark.parametrize(("title", "model", "message"), [
    ("", "gpt2", "expected a name"), ("embedded", "gpt2", "already a study"), ("mine", "", "name a model"),
    ("mine", "/nowhere", "no such folder"), ("mine", "embedded", "give both files"),
])
def test_a_study_form_says_what_is_wrong(made_up_study, open_page, title, model, message):
    page = open_page("forget_set")
    field = {f.label: f for f in page.text_input}
    field["Name of the study"].set_value(title)
    field["Model"].set_value(model)
    page.button(key="own_make").click().run()
    assert not page.exception
    assert message in words(page)
    assert [s.slug for s in studies.known()] == ["embedded", "made"]


def test_difficulty_without_scores_offers_the_commands(made_up_study, open_page):
    page = open_page("difficulty")
    assert not page.exception
    assert "python -m analysis score" in page.code[0].value
    assert "python -m analysis circuits" in page.code[0].value


def test_difficulty_shows_ranks_cohorts_and_agreement(scored_study, open_page):
    page = open_page("difficulty", sample="sample05")
    assert not page.exception
    table = page.dataframe[0].value
    assert table["rank_cud"].is_monotonic_increasing
    assert table["cohort"].value_counts().to_dict() == {"middle": 12, "hard": 6, "easy": 6}
    assert "Question 5?" in words(page) and "CUD is held out" in words(page)
    assert "Spearman 1.00" in words(open_page("difficulty", show="CUD against MRD"))


@pytest.mark.slow
def test_moving_the_share_moves_the_cohorts(scored_study, open_page):
    page = open_page("difficulty")
    page.slider(key="cohort_share").set_value(50).run()
    assert page.dataframe[0].value["cohort"].value_counts().to_dict() == {"hard": 12, "easy": 12}


IMAGE = "![x](http://a/b.png)"


def markup(page) -> str:
    return "\n".join(str(p.value) for p in [*page.caption, *page.markdown, *page.info, *page.warning, *page.error])


@pytest.mark.parametrize("name", ["forget_set", "difficulty", "circuits", "easy_vs_hard", "unlearn", "outcomes", "conflicts"])
def test_titles_models_and_columns_are_text(made_up_study, open_page, name):
    atomic.write_json(made_up_study.forget.with_name("study.json"), {
        "title": IMAGE, "model": IMAGE, "forget": "forget.jsonl", "retain": "retain.jsonl",
    })
    made_up_study.forget.write_text(f'{{"{IMAGE}": "Q?", "answer": "A"}}\n')
    page = open_page(name)
    assert not page.exception and IMAGE not in markup(page)


def test_one_odd_study_breaks_no_page(made_up_study, open_page):
    for content in ("{}", "[]", '{"title": 1, "model": "m", "forget": "f", "retain": "r"}',
                    '{"title": "t", "model": "m", "forget": "../../x", "retain": "r"}', "not json"):
        for folder in ("odd", "Not A Slug", "embedded"):
            atomic.write_bytes(made_up_study.forget.parents[1] / folder / "study.json", content.encode())
        assert [s.slug for s in studies.known()] == ["embedded", "made"], content
        with pytest.raises(ValueError, match="odd/study.json: expected"):
            studies.named("odd")
    page = open_page("forget_set", study="odd")
    assert not page.exception and "Showing the embedded one" in words(page)


@pytest.mark.parametrize("config", ["not json", "[1]", '{"n_layer": "many", "n_head": [2], "model_type": 7, "hidden_size": null}'])
def test_an_odd_model_config_is_not_shown(made_up_study, open_page, tmp_path, config):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(config)
    atomic.write_json(made_up_study.forget.with_name("study.json"), {
        "title": "t", "model": str(tmp_path / "model"), "forget": "forget.jsonl", "retain": "retain.jsonl",
    })
    page = open_page("forget_set")
    assert not page.exception and [m.value for m in page.metric] == ["known once loaded", "CPU"]


@pytest.mark.parametrize(("left", "warned"), [(0.98, True), (0.2, False)])
def test_anchor_runs_that_hardly_forgot_are_named(scored_study, open_page, left, warned):
    atomic.write_json(scored_study.results / "scores" / "scores.json", {"anchor_forget_probability": {"NPO": left}})
    page = open_page("difficulty")
    assert not page.exception
    assert ("NPO 0.98" in words(page)) is warned


def test_equal_ranks_give_a_warning_and_no_cohorts(scored_study, open_page):
    table, details = store.read_scores(scored_study.results / "scores")
    atomic.write_csv(scored_study.results / "scores" / "scores.csv", table.assign(cud=0.5, rank_cud=12.5))
    page = open_page("difficulty")
    assert not page.exception and "nan" not in words(page)
    assert set(page.dataframe[0].value["cohort"]) == {"middle"}
    page = open_page("difficulty", show="CUD against MRD")
    assert not page.exception and "ranks nothing" in words(page) and "nan" not in words(page)
