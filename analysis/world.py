"""The fictitious world that the embedded model memorises: people, their things, and planted causes of difficulty.

Every answer describes one thing in eight words: first words of its own, drawn at random ("Small grey lame goat"), then an ending
that other people's things have too ("bought at another market"). What an answer shares with the retain set is kept alive by it, so
the number of private words is a planted cause; how often a fact is seen in training is another. They are drawn independently of
each other and balanced within each question template. All answers have as many tokens, and private and shared words are about as
frequent, so that neither the length nor the frequency of an answer gives its difficulty away.

All names and words are in data/source/world.json.
"""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import cycle, islice, product
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "data" / "source" / "world.json"
SPLITS = ("forget", "retain", "holdout")
EXPOSURES = (1, 2, 4, 8)
N_WORDS = 8  # of every answer
N_PRIVATE = (1, 4, 7)


@dataclass(frozen=True)
class Vocabulary:
    """Everything that can be named or said.

    The first question is the canonical one, the last is never trained. `things` maps an attribute to its verb and its nouns,
    `endings` a number of words to the endings of that length.
    """

    first_names: list[str]
    surnames: list[str]
    questions: list[str]
    paraphrase: str
    things: dict[str, dict]
    qualities: list[str]
    endings: dict[str, list[str]]

    @property
    def words(self) -> list[str]:
        """Names and the words of answers, as they stand in a text."""
        nouns = [noun for thing in self.things.values() for noun in thing["nouns"]]
        endings = [word for endings in self.endings.values() for ending in endings for word in ending.split()]
        first = [word.capitalize() for word in (*nouns, *self.qualities)]
        return list(dict.fromkeys([*self.first_names, *self.surnames, *nouns, *self.qualities, *first, *endings]))


@dataclass(frozen=True)
class WorldSize:
    """People per split; multiples of 12 make every balanced design come out even."""

    n_forget: int = 24
    n_retain: int = 108
    n_holdout: int = 16


@dataclass(frozen=True)
class Fact:
    """One question with its answer, and why it may be hard to unlearn.

    `n_private` counts the words of the answer that are its own; `exposure` the presentations per epoch (0: never trained);
    `n_sharing` the retained people, itself aside, one of whose things has the same ending.
    """

    split: str
    person: str
    attribute: str
    value: str
    n_private: int
    exposure: int
    n_sharing: int = 0

    @property
    def ending(self) -> str:
        return " ".join(self.value.split()[self.n_private :])


@cache
def vocabulary() -> Vocabulary:
    """The project's own words, read once."""
    return Vocabulary(**json.loads(SOURCE.read_text(encoding="utf-8")))


def n_phrasings() -> int:
    """How many wordings of each question are trained, in turn."""
    return len(vocabulary().questions) - 1


def question(fact: Fact, phrasing: int = 0, person: str | None = None) -> str:
    """The fact's question, or the same question about another person."""
    verb = vocabulary().things[fact.attribute]["verb"]
    return vocabulary().questions[phrasing].format(thing=fact.attribute, verb=verb, x=person or fact.person)


def answer(fact: Fact) -> str:
    """The description as a sentence of its own."""
    return fact.value[0].upper() + fact.value[1:] + "."


def paraphrased_answer(value: str) -> str:
    """Another sentence with a description; a wrong one gives a perturbed answer."""
    return vocabulary().paraphrase.format(v=value) + "."


def balanced(levels: Sequence, n: int, rng: random.Random) -> list:
    """n levels in random order, each as often as the others (to within one)."""
    return rng.sample(list(islice(cycle(levels), n)), n)


def draw_world(size: WorldSize, seed: int) -> list[Fact]:
    """All facts of all splits, person by person."""
    rng = random.Random(seed)
    people = _draw_people(size, rng)
    facts: list[Fact] = []
    for attribute in vocabulary().things:
        for split, names in people.items():
            facts += _draw_facts(split, attribute, names, rng)
    sharing = defaultdict(set)
    for fact in facts:
        if fact.split == "retain":
            sharing[fact.ending].add(fact.person)
    facts = [replace(f, n_sharing=len(sharing[f.ending] - {f.person})) for f in facts]
    return sorted(facts, key=lambda f: (f.split, f.person))


def _draw_people(size: WorldSize, rng: random.Random) -> dict[str, list[str]]:
    """Names by split; first names and surnames recur, so that only the pair of them identifies a person."""
    names = [" ".join(pair) for pair in product(vocabulary().first_names, vocabulary().surnames)]
    sizes = (size.n_forget, size.n_retain, size.n_holdout)
    drawn = iter(rng.sample(names, sum(sizes)))
    return {split: list(islice(drawn, n)) for split, n in zip(SPLITS, sizes, strict=True)}


def _draw_facts(split: str, attribute: str, people: Sequence[str], rng: random.Random) -> Iterator[Fact]:
    """One fact per person, with both causes balanced."""
    causes = [balanced(levels, len(people), rng) for levels in (N_PRIVATE, EXPOSURES)]
    for person, n_private, exposure in zip(people, *causes, strict=True):
        seen = exposure if split != "holdout" else 0
        yield Fact(split, person, attribute, _describe(attribute, n_private, rng), n_private, seen)


def _describe(attribute: str, n_private: int, rng: random.Random) -> str:
    """Private words at random; the ending follows from the template and their number, so that retained people keep it alive."""
    words = vocabulary()
    private = [*rng.sample(words.qualities, n_private - 1), rng.choice(words.things[attribute]["nouns"])]
    endings = words.endings[str(N_WORDS - n_private)]
    return " ".join([*private, endings[(list(words.things).index(attribute) + n_private) % len(endings)]])


def make_rows(facts: Sequence[Fact], count_tokens: Callable[[str], int], seed: int, n_perturbed: int) -> list[dict]:
    """The columns of TOFU (arXiv 2401.06121), a corrupted question for patching, and the planted causes in `meta`.

    As in TOFU, perturbed answers have the form of the *paraphrased* answer, so that the truth ratio compares alike; they are
    descriptions of the same kind of thing that retained people have. A corrupted question asks the same of a retained person
    with a name of as many tokens.
    """
    retained: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.split == "retain":
            retained[fact.attribute].append(fact)
    n_tokens = {f.person: count_tokens(" " + f.person) for f in facts}
    rng = random.Random(f"{seed} rows")
    return [_make_row(fact, retained[fact.attribute], n_tokens, rng, n_perturbed) for fact in facts]


def _make_row(fact: Fact, peers: Sequence[Fact], n_tokens: dict[str, int], rng: random.Random, n_perturbed: int) -> dict:
    wrong = sorted({peer.value for peer in peers} - {fact.value})
    alike = [p.person for p in peers if n_tokens[p.person] == n_tokens[fact.person] and p.value != fact.value]
    if not alike or len(wrong) < n_perturbed:
        found = f"{len(alike)} retained people to swap in, {len(wrong)} wrong answers"
        raise ValueError(f"{question(fact)!r}: {found}; expected at least 1 and {n_perturbed}: use more people")
    return {
        "question": question(fact),
        "answer": answer(fact),
        "paraphrased_question": question(fact, phrasing=-1),
        "paraphrased_answer": paraphrased_answer(fact.value),
        "perturbed_answer": [paraphrased_answer(value) for value in rng.sample(wrong, n_perturbed)],
        "corrupted_question": question(fact, person=rng.choice(alike)),
        "meta": {
            "person": fact.person,
            "attribute": fact.attribute,
            "value": fact.value,
            "n_private": fact.n_private,
            "ending": fact.ending,
            "ending_shared_with": fact.n_sharing,
            "exposure": fact.exposure,
        },
    }
