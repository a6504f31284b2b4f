"""The sample card's words, and the numbers in them."""

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis.sample_record import RUN_COLUMNS, Place, SampleRecord
from components import card_facts, palette, sample_strip, sample_thumbnail
from components.formats import hardest, labels, shortened
from tests.made_circuits import made_circuit

EMPTY = {
    "sample_id": "a", "question": "Q?", "answer": "A", "row": 0, "causes": {}, "template": None, "cud_role": None, "fold": None,
    "n_answer_tokens": None, "mrd_stderr": None, "rank_cud": None, "rank_mrd": None, "scores": {}, "depths": {}, "observed_rank": None,
    "n_observed": 0, "n_runs_observed": 0, "runs": pd.DataFrame(columns=RUN_COLUMNS), "alone": None, "conflict_nodes": None,
    "n_nodes": None,
}


def record(**known) -> SampleRecord:
    return SampleRecord(**EMPTY | known)


def test_each_missing_part_says_what_it_needs():
    empty = record()
    parts = [card_facts.what(empty), card_facts.difficulty(empty), card_facts.circuit(empty, 1), card_facts.outcome(empty)]
    said = "\n".join(parts).lower()
    for need in ("scores", "circuits", "an unlearning run that forgot", "the command `alone`", "an unlearning run of this study"):
        assert f"not computed: needs {need}" in said
    assert card_facts.headlines(empty, None, "") == []
    assert "None" not in said and "nan" not in said


def test_what_is_known_is_said_with_its_place():
    known = record(
        scores={"cud": Place(0.5, 8, 0.25), "mrd": Place(0.04, 8, 0.5), "base_nll": Place(0.0123, 8, 0.75)}, rank_cud=2.0, rank_mrd=7.0,
        mrd_stderr=0.0031, fold=0, cud_role="anchor_hard", depths={"late_share": Place(0.256, 8, 0.5), "n_edges": Place(12.0, 8, 1.0)},
        conflict_nodes=("m0", "a1.h2"), n_nodes=5, causes={"n_private": 4}, observed_rank=1.5, n_observed=8, n_runs_observed=3,
        runs=pd.DataFrame([["npo", "NPO", 0, 1, 0.2, 2, [], None, None, 0.42], ["rmu", "RMU", 0, 1, 0.4, None, [], None, 0.5, None],
                           ["rmu", "RMU", 1, 1, 0.1, 3, [], None, None, None]],
                          columns=RUN_COLUMNS),
        alone=pd.DataFrame({"method": ["NPO", "RMU"], "updates": [5, 60], "forgotten": [True, False]}),
    )
    heads = {line.label: (line.value, line.meaning) for line in card_facts.headlines(known, "hard", "quarters by CUD rank")}
    assert heads["Cohort"] == ("hard", "Cohorts: quarters by CUD rank.") and heads["Forgotten"][0] == "in 2 of 3 runs"
    assert heads["CUD 0.500"][0] == "hardest 2 of 8" and "half 2's anchors; a hard anchor for them" in heads["CUD 0.500"][1]
    assert heads["MRD 0.04 ± 0.003"][0] == "easiest 2 of 8"
    assert heads["Observed"][0] == "hardest 1 of 8" and "3 runs" in heads["Observed"][1]
    assert "**0.012** nats a token, above 75% of samples" in card_facts.difficulty(known)
    said = card_facts.circuit(known, 3)
    assert "**26%** of its score mass ends late, from layer 3 on: above 50%" in said and "2 of 5 nodes in conflict: m0, a1.h2." in said
    assert "private words in its answer: 4" in card_facts.what(known)
    said = card_facts.outcome(known)
    assert "NPO 5, RMU 60 (not forgotten)" in said and "share: npo 42%." in said and "relearning" not in said


def test_the_pictures_tell_what_stays_from_what_went_and_early_from_late():
    runs = pd.DataFrame([["a", "RMU", 0, 1, 0.2, 2, [], None, None, None], ["<b>", "GradAscent", 0, 1, 0.3, 2, [], None, None, None]],
                        columns=RUN_COLUMNS)
    chart = sample_thumbnail.outcomes(runs)
    assert {trace.name: list(trace.x) for trace in chart.data} == {"stays": [0.3], "forgotten": [0.2]}
    assert list(chart.layout.yaxis.categoryarray) == ["GradAscent", "RMU"] and "<b>" not in chart.to_json().replace("\\u003c", "<")
    chart = sample_thumbnail.circuit(made_circuit({"input->m0": 1.0, "m0->m1": 2.0, "m1->logits": 3.0}), 1)
    n = {(trace.line.dash, trace.line.color): sum(x is None for x in trace.x) for trace in chart.data[:-1] if len(trace.x)}
    c = palette.colours()
    assert n == {("solid", c["early"]): 1, ("4px,3px", c["late"]): 2}


def test_data_are_text_in_it():
    image = "![x](http://a/b.png)<img>"
    alone = pd.DataFrame({"method": [image], "updates": [1], "forgotten": [True]})
    known = record(template=image, causes={"exposure": image}, alone=alone, scores={"cud": Place(0.5, 1, 0.5)}, cud_role=image)
    heads = "".join(line.meaning for line in card_facts.headlines(known, "hard", image))
    said = card_facts.what(known) + card_facts.difficulty(known) + card_facts.outcome(known) + heads
    assert image not in said and "<img>" not in said.replace("\\<img\\>", "")


@pytest.mark.parametrize(("low_is_hard", "column"), [(False, "cud"), (True, "mrd")])
def test_hard_lies_on_the_right_of_either_strip(low_is_hard, column):
    scores = pd.DataFrame({"sample_id": ["a", "b"], "cud": [0.1, 0.9], "mrd": [0.3, 0.2]})
    chart = sample_strip.figure(scores, "b")
    place = list(sample_strip.STRIPS).index(column)
    ticks, mine = chart.data[2 * place : 2 * place + 2]
    assert list(ticks.x) == scores[column].tolist() and list(mine.x) == [scores[column][1]]
    axis = (chart.layout.xaxis, chart.layout.xaxis2)[place]
    assert (axis.autorange == "reversed") is low_is_hard


def test_two_samples_that_look_the_same_are_told_apart():
    long = "w" * 10_000
    names = labels(pd.Series({"a": "Who?", "b": "Who?", "c": long, "d": long + "x"}))
    assert len(set(names.values())) == 4 and max(map(len, names.values())) < 160
    assert names["a"] == "Who?" and names["b"] == "Who? (2)"


def test_shortened_text_is_one_line():
    assert shortened("a\nb") == "a b" and shortened("x" * 50, 10) == "x" * 9 + "…" and shortened("x" * 10, 10) == "x" * 10


@pytest.mark.parametrize(("rank", "words"), [(1.0, "hardest 1 of 4"), (1.5, "hardest 1 of 4"), (4.0, "easiest 1 of 4")])
def test_a_rank_is_told_from_the_nearer_end(rank, words):
    assert hardest(rank, 4) == words


def picker() -> None:
    import pandas as pd
    import streamlit as st

    from components import sample_picker

    asked = pd.Series({"a": "First?", "b": "Second?", "c": "Third?"})
    st.text(sample_picker.choose(asked, key="sample"))


def test_next_and_previous_go_on_in_order_and_stop_at_the_ends():
    page = AppTest.from_function(picker).run()
    seen = [page.text[0].value]
    for label in ("Next", "Next", "Previous"):
        seen.append(page.button(key=f"sample_{label}").click().run().text[0].value)
    assert seen == ["a", "b", "c", "b"] and page.query_params["sample"] == "b"
    ends = page.button(key="sample_Next").click().run()
    assert ends.button(key="sample_Next").disabled and not ends.button(key="sample_Previous").disabled
