"""The shipped rows are what the world promises: disjoint people, truthful causes, fair corrupted questions."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from analysis import world
from analysis.dataset import load_samples
from analysis.tokens import tokenize
from analysis.world import SPLITS, WorldSize

DATA = Path(__file__).parents[2] / "data"
COLUMNS = {
    "question",
    "answer",
    "paraphrased_question",
    "paraphrased_answer",
    "perturbed_answer",
    "corrupted_question",
    "meta",
}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    return {split: [json.loads(line) for line in (DATA / f"{split}.jsonl").open()] for split in SPLITS}


def test_counts_and_columns(rows):
    assert len(rows["forget"]) >= 120 and len(rows["retain"]) >= 900 and len(rows["holdout"]) >= 120
    assert all(set(row) == COLUMNS for split in SPLITS for row in rows[split])


def test_people_and_samples_are_disjoint_between_splits(rows):
    people = {split: {row["meta"]["person"] for row in rows[split]} for split in SPLITS}
    ids = [sample.id for split in SPLITS for sample in load_samples(DATA / f"{split}.jsonl")]
    assert not people["forget"] & people["retain"] and not people["holdout"] & (people["forget"] | people["retain"])
    assert len(ids) == len(set(ids))


def test_wrong_answers_are_wrong_distinct_and_of_the_paraphrase_form(rows):
    for row in (row for split in SPLITS for row in rows[split]):
        wrong, value = row["perturbed_answer"], row["meta"]["value"]
        assert 3 <= len(wrong) <= 5 and len(set(wrong)) == len(wrong)
        assert not {row["answer"], row["paraphrased_answer"]} & set(wrong)
        before = row["paraphrased_answer"].split(value)[0]
        assert all(answer.startswith(before) for answer in wrong)


def test_corrupted_question_asks_a_retained_subject_with_another_answer(rows):
    value = {(row["question"]): row["meta"]["value"] for row in rows["retain"]}
    for row in (row for split in SPLITS for row in rows[split]):
        assert value[row["corrupted_question"]] != row["meta"]["value"]


def test_corrupted_prompts_have_as_many_tokens():
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(DATA / "model")
    for split in SPLITS:
        samples = load_samples(DATA / f"{split}.jsonl")
        clean, corrupted = (tokenize(samples, tokenizer, max_length=96, corrupted=flag) for flag in (False, True))
        assert (clean.attention_mask == corrupted.attention_mask).all()
        assert (clean.labels == corrupted.labels).all()


def test_recorded_sharing_is_the_number_of_other_retained_subjects_with_the_value(rows):
    holders = defaultdict(set)
    for row in rows["retain"]:
        holders[row["meta"]["attribute"], row["meta"]["value"]].add(row["meta"]["person"])
    for meta in (row["meta"] for split in SPLITS for row in rows[split]):
        others = holders[meta["attribute"], meta["value"]] - {meta["person"]}
        assert meta["value_shared_with"] == len(others)


def test_recorded_hops_follow_from_other_facts_and_from_nothing_else(rows):
    value = {(m["person"], m["attribute"]): m["value"] for split in SPLITS for row in rows[split] for m in [row["meta"]]}
    for meta in (row["meta"] for split in SPLITS for row in rows[split]):
        follows = False
        if meta["attribute"] in world.RULES:
            source, place = world.RULES[meta["attribute"]]
            via = value[meta["person"], source]
            follows = value[via, place] == meta["value"]
            assert meta["source_fact"] == ([f"{meta['person']}/{source}", f"{via}/{place}"] if follows else [])
        assert meta["hops"] == (2 if follows else 1)


def test_exposure_is_zero_exactly_where_no_model_saw_the_fact(rows):
    for split in SPLITS:
        for meta in (row["meta"] for row in rows[split]):
            trained = split != "holdout"
            assert (meta["exposure"] in world.EXPOSURES) == trained and (meta["n_phrasings"] > 0) == trained


@pytest.mark.parametrize("cause", ["exposure", "n_phrasings", "shape"])
def test_causes_are_balanced_within_each_template(rows, cause):
    levels = defaultdict(Counter)
    for row in rows["forget"]:
        levels[row["meta"]["attribute"]][row["meta"][cause]] += 1
    assert all(len(set(counts.values())) == 1 and len(counts) >= 3 for counts in levels.values())


def test_causes_are_nearly_independent_of_each_other(rows):
    from scipy.stats import spearmanr

    metas = [row["meta"] for row in rows["forget"]]
    causes = [[m[key] for m in metas] for key in ("exposure", "n_phrasings", "value_shared_with", "hops")]
    causes.append([len(row["answer"]) for row in rows["forget"]])
    correlation = spearmanr(list(zip(*causes, strict=True))).statistic
    assert max(abs(correlation[i][j]) for i in range(5) for j in range(i)) < 0.2


def test_same_seed_same_world_and_another_seed_another():
    size = WorldSize(3, 24, 3)
    assert world.draw_world(size, 1) == world.draw_world(size, 1)
    assert world.draw_world(size, 1) != world.draw_world(size, 2)


def test_a_world_too_small_for_corrupted_questions_is_refused():
    facts = world.draw_world(WorldSize(3, 24, 3), 0)
    with pytest.raises(ValueError, match="expected at least 1 and 400"):
        world.make_rows(facts, len, seed=0, n_perturbed=400)


def test_every_template_has_its_wordings():
    for template in world.vocabulary().templates.values():
        assert len(set(template.questions)) == 5 and all("{x}" in question for question in template.questions)
        assert len(set(template.sentences)) == 2 and all("{v}" in sentence for sentence in template.sentences)


def test_answer_grows_with_its_shape_and_keeps_its_value():
    facts = world.draw_world(WorldSize(3, 24, 3), 0)
    fact = next(f for f in facts if f.attribute == "companion" and f.shape == "story")
    assert world.answer(fact).startswith(("She keeps a ", "He keeps a "))
    assert world.answer(fact).endswith(fact.details[0] + fact.details[1] + ".")
    assert world.answer(fact, value="tame goat", paraphrase=True).startswith("The animal of the house is a tame goat")
