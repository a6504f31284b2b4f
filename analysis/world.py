"""The fictitious world that the embedded model memorises: people, their facts, and planted causes of difficulty.

All names and sentences are invented for this project and kept in data/source/world.json. The causes (exposure,
phrasings, sharing of values, hops, length of the answer) are drawn independently of each other and balanced within each
template, so that no template predicts any of them.
"""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice, product
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "data" / "source" / "world.json"
SPLITS = ("forget", "retain", "holdout")
EXPOSURES = (1, 2, 4, 8)
N_PHRASINGS = (1, 2, 4)
SHAPES = ("value", "sentence", "detail", "story")
SHARING = ("unique", "few", "many")

# A two-hop value: follow the subject's first attribute, then the second attribute of what is found there.
RULES = {
    "citizenship": ("home", "city_country"),
    "language": ("citizenship", "country_language"),
    "training": ("mentor", "profession"),
}
PLACES = {"city_country": "home", "country_language": "citizenship"}  # common knowledge about the values of these facts


@dataclass(frozen=True)
class Template:
    """How one attribute is asked and told: {x} is the subject, {v} the value, {s} the pronoun.

    The first question is the canonical one, the last is never trained; the second sentence paraphrases the first.
    `words` names the list from which the values come.
    """

    words: str
    questions: list[str]
    phrase: str
    sentences: list[str]
    first_details: list[str]
    second_details: list[str]


@dataclass(frozen=True)
class Vocabulary:
    """Everything that can be named or said; `words` maps a list's name to all of its values."""

    first_names: dict[str, list[str]]
    surnames: list[str]
    words: dict[str, list[str]]
    templates: dict[str, Template]

    @property
    def names(self) -> list[str]:
        """What can be the subject of a question, a person's first name and surname apart."""
        firsts = [first for names in self.first_names.values() for first in names]
        return [*firsts, *self.surnames, *self.words["cities"], *self.words["countries"]]


@dataclass(frozen=True)
class WorldSize:
    """People per split; multiples of 12 make every balanced design come out even."""

    n_forget: int = 24
    n_retain: int = 108
    n_holdout: int = 16


@dataclass(frozen=True)
class Fact:
    """One question with its answer, and why it may be hard to unlearn.

    `subject` is a person, or a place for common knowledge. `exposure` counts presentations per epoch (0: never
    trained); `n_phrasings` the wordings of the question that they rotate through; `sources` the facts, as (subject,
    attribute), from which a two-hop value follows; `n_sharing` the other retained subjects with the same value.
    """

    split: str
    subject: str
    pronoun: str
    attribute: str
    value: str
    shape: str
    exposure: int
    n_phrasings: int
    details: tuple[str, str]
    sources: tuple[tuple[str, str], ...] = ()
    n_sharing: int = 0


@cache
def vocabulary() -> Vocabulary:
    """The project's own words, read once."""
    raw = json.loads(SOURCE.read_text(encoding="utf-8"))
    words = {name: [w["gap"].join(pair) for pair in product(*w["parts"])] for name, w in raw["words"].items()}
    templates = {attribute: Template(**entry) for attribute, entry in raw["templates"].items()}
    return Vocabulary(raw["first_names"], raw["surnames"], words, templates)


def question(fact: Fact, phrasing: int = 0, subject: str | None = None) -> str:
    """The fact's question, or the same question about another subject."""
    return vocabulary().templates[fact.attribute].questions[phrasing].format(x=subject or fact.subject)


def answer(fact: Fact, value: str | None = None, paraphrase: bool = False) -> str:
    """The answer in the fact's shape: the bare value, a sentence, or a sentence with one or two details of its own.

    The paraphrase is another sentence with the same content; a wrong `value` gives a perturbed answer.
    """
    template = vocabulary().templates[fact.attribute]
    text = template.phrase.format(v=value or fact.value)
    if fact.shape != "value" or paraphrase:
        text = template.sentences[int(paraphrase)].format(s=fact.pronoun, v=text)
    text += "".join(fact.details[: max(0, SHAPES.index(fact.shape) - 1)])
    return text[0].upper() + text[1:] + "."


class ValuePool:
    """Values of one attribute: a few that many subjects share, some that a few share, and the rest, each drawn once."""

    def __init__(self, values: Sequence[str], rng: random.Random):
        shuffled = iter(rng.sample(values, len(values)))
        n_many, n_few = max(2, min(3, len(values) // 30)), max(2, min(9, len(values) // 10))  # 2: one may be avoided
        self._draws: dict[str, Iterator[str]] = {
            "many": cycle(list(islice(shuffled, n_many))),
            "few": cycle(list(islice(shuffled, n_few))),
            "unique": shuffled,
        }

    def draw(self, sharing: str, avoid: str) -> str:
        """The next value of this kind, other than `avoid`."""
        return next(value for value in self._draws[sharing] if value != avoid)


def balanced(levels: Sequence, n: int, rng: random.Random) -> list:
    """n levels in random order, each as often as the others (to within one)."""
    return rng.sample(list(islice(cycle(levels), n)), n)


def draw_world(size: WorldSize, seed: int) -> list[Fact]:
    """All facts of all splits, subject by subject. Mentors are retained people, whoever is taught."""
    rng = random.Random(seed)
    people = _draw_people(size, rng)
    facts: list[Fact] = []
    for attribute, template in vocabulary().templates.items():
        pool = ValuePool(vocabulary().words.get(template.words) or list(people["retain"]), rng)
        values = {(f.subject, f.attribute): f.value for f in facts}
        for split, subjects in _subjects(attribute, facts, people).items():
            drawn = _draw_facts(split, attribute, subjects, pool, rng)
            facts += _apply_rule(drawn, values, pool, rng) if attribute in RULES else drawn
    n_retained = Counter((f.attribute, f.value) for f in facts if f.split == "retain")
    facts = [replace(f, n_sharing=n_retained[f.attribute, f.value] - (f.split == "retain")) for f in facts]
    return sorted(facts, key=lambda f: (f.split, f.attribute in PLACES, f.subject))


def _draw_people(size: WorldSize, rng: random.Random) -> dict[str, dict[str, str]]:
    """Split -> {name: pronoun}; first names and surnames recur, so that only the pair of them identifies a person."""
    words = vocabulary()
    firsts = [(name, pronoun) for pronoun, names in words.first_names.items() for name in names]
    names = [(f"{first} {last}", pronoun) for (first, pronoun), last in product(firsts, words.surnames)]
    drawn = iter(rng.sample(names, size.n_forget + size.n_retain + size.n_holdout))
    sizes = zip(SPLITS, (size.n_forget, size.n_retain, size.n_holdout), strict=True)
    return {split: dict(islice(drawn, n)) for split, n in sizes}


def _subjects(attribute: str, facts: Sequence[Fact], people: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Split -> {subject: pronoun}: people, or for common knowledge the places that the people's facts speak of."""
    if attribute not in PLACES:
        return people
    named = [f for f in facts if f.attribute == PLACES[attribute]]
    trained = dict.fromkeys((f.value for f in named if f.split != "holdout"), "it")
    return {"retain": trained, "holdout": {f.value: "it" for f in named if f.value not in trained}}


def _draw_facts(split: str, attribute: str, subjects: dict[str, str], pool: ValuePool, rng: random.Random) -> list[Fact]:
    """One fact per subject, with every cause balanced on its own."""
    template, trained = vocabulary().templates[attribute], split != "holdout"
    causes = [balanced(levels, len(subjects), rng) for levels in (SHARING, SHAPES, EXPOSURES, N_PHRASINGS)]
    facts = []
    for (name, pronoun), sharing, shape, exposure, n_phrasings in zip(subjects.items(), *causes, strict=True):
        details = (rng.choice(template.first_details), rng.choice(template.second_details))
        value, seen = pool.draw(sharing, avoid=name), (exposure * trained, n_phrasings * trained)
        facts.append(Fact(split, name, pronoun, attribute, value, shape, *seen, details))
    return facts


def _apply_rule(facts: list[Fact], values: dict[tuple[str, str], str], pool: ValuePool, rng: random.Random) -> list[Fact]:
    """Let the attribute's rule give half of the values (two hops) and make the others exceptions to it (one hop)."""
    ruled = []
    for fact, follows in zip(facts, balanced((True, False), len(facts), rng), strict=True):
        source, place = RULES[fact.attribute]
        via = values[fact.subject, source]
        if follows:
            fact = replace(fact, value=values[via, place], sources=((fact.subject, source), (via, place)))
        elif fact.value == values[via, place]:
            fact = replace(fact, value=pool.draw("few", avoid=fact.value))
        ruled.append(fact)
    return ruled


def make_rows(facts: Sequence[Fact], count_tokens: Callable[[str], int], seed: int, n_perturbed: int) -> list[dict]:
    """The columns of TOFU (arXiv 2401.06121), a corrupted question for patching, and the planted causes in `meta`.

    As in TOFU, perturbed answers have the form of the *paraphrased* answer, so that the truth ratio compares alike.
    A corrupted question asks the same of a retained subject that has another answer and a name of as many tokens.
    """
    retained: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.split == "retain":
            retained[fact.attribute].append(fact)
    n_tokens = {f.subject: count_tokens(" " + f.subject) for f in facts}
    rng = random.Random(f"{seed} rows")
    return [_make_row(fact, retained[fact.attribute], n_tokens, rng, n_perturbed) for fact in facts]


def _make_row(fact: Fact, peers: Sequence[Fact], n_tokens: dict[str, int], rng: random.Random, n_perturbed: int) -> dict:
    wrong = sorted({peer.value for peer in peers} - {fact.value, fact.subject})
    alike = [p.subject for p in peers if n_tokens[p.subject] == n_tokens[fact.subject] and p.value in wrong]
    if not alike or len(wrong) < n_perturbed:
        found = f"{len(alike)} retained subjects to swap in, {len(wrong)} wrong answers"
        raise ValueError(f"{question(fact)!r}: {found}; expected at least 1 and {n_perturbed}: use more people")
    return {
        "question": question(fact),
        "answer": answer(fact),
        "paraphrased_question": question(fact, phrasing=-1),
        "paraphrased_answer": answer(fact, paraphrase=True),
        "perturbed_answer": [answer(fact, value, paraphrase=True) for value in rng.sample(wrong, n_perturbed)],
        "corrupted_question": question(fact, subject=rng.choice(alike)),
        "meta": {
            "person": fact.subject,
            "attribute": fact.attribute,
            "value": fact.value,
            "shape": fact.shape,
            "exposure": fact.exposure,
            "n_phrasings": fact.n_phrasings,
            "value_shared_with": fact.n_sharing,
            "hops": 2 if fact.sources else 1,
            "source_fact": [f"{subject}/{attribute}" for subject, attribute in fact.sources],
        },
    }
