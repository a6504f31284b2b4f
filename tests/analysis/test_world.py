"""The shipped rows are what the world promises: disjoint people, truthful causes, no give-aways, fair corrupted questions."""

import json
import math
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
        clean, corrupted = (tokenize(samples, tokenizer, max_length=64, corrupted=flag) for flag in (False, True))
        assert (clean.attention_mask == corrupted.attention_mask).all()
        assert (clean.labels == corrupted.labels).all()


def test_an_answer_is_its_own_words_and_an_ending_that_the_recorded_number_of_retained_people_share(rows):
    holders = defaultdict(set)
    for row in rows["retain"]:
        holders[row["meta"]["ending"]].add(row["meta"]["person"])
    for meta in (row["meta"] for split in SPLITS for row in rows[split]):
        words = meta["value"].split()
        assert len(words) == world.N_WORDS and " ".join(words[meta["n_private"] :]) == meta["ending"]
        assert meta["ending_shared_with"] == len(holders[meta["ending"]] - {meta["person"]})


def test_every_ending_of_the_forget_set_is_kept_alive_by_the_same_template_of_the_retain_set(rows):
    kept = Counter((row["meta"]["attribute"], row["meta"]["ending"]) for row in rows["retain"])
    assert min(kept[row["meta"]["attribute"], row["meta"]["ending"]] for row in rows["forget"]) >= 30


def test_all_answers_have_as_many_tokens_and_their_frequency_does_not_give_the_cause_away(rows):
    from scipy.stats import spearmanr
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(DATA / "model")
    answers = {split: [tokenizer.encode(" " + row["answer"]) for row in rows[split]] for split in ("forget", "retain")}
    assert {len(tokens) for found in answers.values() for tokens in found} == {world.N_WORDS + 1}
    counts = Counter(token for found in answers.values() for tokens in found for token in tokens)
    frequency = [sum(math.log1p(counts[token]) for token in tokens) for tokens in answers["forget"]]
    assert abs(spearmanr(frequency, [row["meta"]["n_private"] for row in rows["forget"]]).statistic) < 0.2


def test_exposure_is_zero_exactly_where_no_model_saw_the_fact(rows):
    for split in SPLITS:
        assert all((row["meta"]["exposure"] in world.EXPOSURES) == (split != "holdout") for row in rows[split])


@pytest.mark.parametrize(("cause", "n_levels"), [("exposure", 4), ("n_private", 3)])
def test_causes_are_balanced_within_each_template(rows, cause, n_levels):
    levels = defaultdict(Counter)
    for row in rows["forget"]:
        levels[row["meta"]["attribute"]][row["meta"][cause]] += 1
    assert all(len(counts) == n_levels and max(counts.values()) - min(counts.values()) <= 1 for counts in levels.values())


def test_causes_are_nearly_independent_of_each_other(rows):
    from scipy.stats import spearmanr

    metas = [row["meta"] for row in rows["forget"]]
    assert abs(spearmanr([m["exposure"] for m in metas], [m["n_private"] for m in metas]).statistic) < 0.2


def test_same_seed_same_world_and_another_seed_another():
    size = WorldSize(3, 24, 3)
    assert world.draw_world(size, 1) == world.draw_world(size, 1)
    assert world.draw_world(size, 1) != world.draw_world(size, 2)


def test_a_world_too_small_for_corrupted_questions_is_refused():
    facts = world.draw_world(WorldSize(3, 24, 3), 0)
    with pytest.raises(ValueError, match="expected at least 1 and 400"):
        world.make_rows(facts, len, seed=0, n_perturbed=400)


def test_every_template_has_its_wordings():
    words = world.vocabulary()
    assert len(set(words.questions)) == 5 and all("{x}" in text and "{thing}" in text for text in words.questions)
    assert all(len(ending.split()) == int(n) for n, endings in words.endings.items() for ending in endings)
    assert sorted(map(int, words.endings)) == [world.N_WORDS - n for n in reversed(world.N_PRIVATE)]


def test_an_answer_is_a_sentence_and_its_paraphrase_another():
    fact = world.Fact("forget", "Ana Bo", "boat", "old pale shy raft bought at another market", 4, 1)
    assert world.question(fact) == "What boat does Ana Bo sail?"
    assert world.question(fact, person="Cy Do") == "What boat does Cy Do sail?"
    assert (world.answer(fact), fact.ending) == ("Old pale shy raft bought at another market.", "bought at another market")
    assert world.paraphrased_answer(fact.value) == "It is described as old pale shy raft bought at another market."
