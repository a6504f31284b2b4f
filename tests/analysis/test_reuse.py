"""Edge scores and MRD are computed once: by whom and for what else does not matter, but all that decides them does."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis import attribution, facts, reuse
from analysis.attribution import AttributionConfig
from analysis.memory import DEFAULT_BUDGET
from analysis.mrd import MrdScores
from analysis.scoring import circuits_of
from analysis.tokens import TokenBatch, tokenize

CONFIG = AttributionConfig("EAP")
MRD = {"sigma": None, "n_pairs": 2, "seed": 0, "estimator": "antithetic", "scope": "answer", "max_pairs": 5}


@pytest.fixture
def computed(monkeypatch):
    """How many samples' edge scores were really computed, call by call."""
    sizes, real = [], attribution.edge_scores

    def counted(handle, batch, *args, **kwargs):
        sizes.append(len(batch))
        return real(handle, batch, *args, **kwargs)

    monkeypatch.setattr(attribution, "edge_scores", counted)
    return sizes


def scores(handle, batch, cache, config=CONFIG, report=lambda done, n: None, reference=None, corrupted=None):
    return reuse.edge_scores(
        handle, batch, config, cache, reference=reference, corrupted=corrupted, memory_budget=DEFAULT_BUDGET, report=report
    )


def test_a_second_time_nothing_is_computed_and_all_is_equal(handle, batch, computed, tmp_path):
    first = scores(handle, batch, tmp_path)
    assert np.array_equal(scores(handle, batch, tmp_path), first) and computed == [6]
    assert np.allclose(first, attribution.edge_scores(handle, batch, CONFIG), rtol=1e-9, atol=1e-12)
    scores(handle, batch, None)
    assert computed == [6, 6, 6]  # without a workspace all are


def test_a_killed_call_goes_on_where_it_was(handle, batch, computed, tmp_path, monkeypatch):
    whole = attribution.edge_scores(handle, batch, CONFIG)
    monkeypatch.setattr("analysis.memory.CPU_TOKENS", 1)  # one sample at a time

    def killed(done, n):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scores(handle, batch, tmp_path, report=killed)
    said = []
    found = scores(handle, batch, tmp_path, report=lambda done, n: said.append((done, n)))
    assert computed == [6, 6, 2] and said == [(5, 6), (6, 6)]
    assert np.allclose(found, whole, rtol=1e-9, atol=1e-12)


def test_another_set_computes_only_what_is_new_to_it(handle, batch, computed, tmp_path):
    scores(handle, batch.select([0, 1, 2]), tmp_path)
    found = scores(handle, batch.select([4, 2, 0]), tmp_path)
    assert computed == [3, 1]
    assert np.allclose(found, attribution.edge_scores(handle, batch.select([4, 2, 0]), CONFIG), rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_all_that_decides_edge_scores_is_a_fact(make_handle, handle, batch, samples, tokenizer, computed, tmp_path):
    def n_new(*args, **kwargs) -> int:
        before = sum(computed)
        scores(*args, tmp_path, **kwargs)
        return sum(computed) - before

    assert n_new(handle, batch) == 6
    assert n_new(handle, batch) == 0
    assert n_new(handle, batch, config=replace(CONFIG, metric="probability")) == 6
    assert n_new(handle, batch, config=AttributionConfig("EAP-IG-inputs", ig_steps=2)) == 6
    assert n_new(handle, batch, reference=batch.select([0])) == 0  # zero ablation has no reference
    mean = replace(CONFIG, ablation="mean")
    assert n_new(handle, batch, config=mean) == 6
    assert n_new(handle, batch.select([0, 1]), config=mean, reference=batch) == 0
    assert n_new(handle, batch, config=mean, reference=batch.select([0, 1])) == 6
    assert n_new(make_handle("gpt2", 1), batch) == 6
    other = tokenize([replace(s, answer=s.answer + "?") if s.row == 5 else s for s in samples], tokenizer)
    assert n_new(handle, other) == 1


def test_reference_code_versions_and_device_are_facts(handle, batch, monkeypatch):
    def about(config=CONFIG, reference=batch, of=handle):
        return reuse.scores_facts(of, batch, config, reference, None)[0]

    mean = replace(CONFIG, ablation="mean")
    assert about(mean) != about(mean, batch.select([0])) and about() == about(reference=batch.select([0]))
    assert about() != about(of=replace(handle, device=torch.device("meta")))
    narrow = TokenBatch(*(tensor.reshape(tensor.shape[::-1]) for tensor in (batch.input_ids, batch.attention_mask, batch.labels)))
    assert facts.of_tokens(narrow) != facts.of_tokens(batch)
    for name, changed in (("version", lambda package: "of tomorrow"), ("of_code", lambda names: "of tomorrow")):
        before = about()
        with monkeypatch.context() as patch:
            patch.setattr(facts, name, changed)
            assert about() != before


def test_settings_and_code_are_facts_of_mrd(handle, batch, tmp_path, monkeypatch):
    asked, found = [], MrdScores(np.ones(6), np.ones(6), "antithetic", 1e-3, 2, True, None)
    monkeypatch.setattr(reuse, "mrd", lambda *_, **__: found)
    monkeypatch.setattr(reuse.objects, "get", lambda root, kind, fact: asked.append(reuse.objects.key(fact)))
    for seed, code in ((0, "a"), (1, "a"), (0, "b"), (0, "a")):
        monkeypatch.setattr(facts, "of_code", lambda names, code=code: code)
        reuse.removal_difficulty(handle, batch, tmp_path, lambda *_: None, **MRD | {"seed": seed})
    assert len(set(asked)) == 3 and asked[0] == asked[3]


@pytest.mark.parametrize(("kind", "start"), [(reuse.SCORES, "attribution"), (reuse.MRD, "mrd")])
def test_the_key_holds_every_file_that_computes(kind, start):
    """Left out: what the weights' fingerprint, the architecture and the tokens say already, and how much is computed at once."""
    folder, found, open_ = Path(reuse.__file__).parent, set(), [start]
    while open_:
        name = open_.pop()
        found.add(name)
        imported = re.findall(r"^from analysis(?:\.| import )(\w+)", (folder / f"{name}.py").read_text(), re.MULTILINE)
        open_ += set(imported) - found - {"architectures", "memory", "model", "tokens"}
    assert found == set(reuse.CODE[kind])


def test_another_corrupted_prompt_is_another_fact(handle, samples, tokenizer, computed, tmp_path):
    patching = replace(CONFIG, ablation="patching")
    pairs = [replace(s, corrupted_question=s.question[:-1] + end) for s, end in zip(samples[:2], "!!", strict=True)]
    clean, first = (tokenize(pairs, tokenizer, corrupted=corrupted) for corrupted in (False, True))
    second = tokenize([pairs[0], replace(pairs[1], corrupted_question=samples[1].question[:-1] + ";")], tokenizer, corrupted=True)
    for corrupted in (first, first, second):
        scores(handle, clean, tmp_path, patching, corrupted=corrupted)
    assert computed == [2, 1]


def test_circuits_of_kept_scores_are_the_same_circuits(handle, samples, computed, tmp_path):
    first, error = circuits_of(handle, samples, CONFIG, 12, cache=tmp_path)
    again, error_again = circuits_of(handle, samples, CONFIG, 12, cache=tmp_path)
    plain, _ = circuits_of(handle, samples, CONFIG, 12)
    assert computed == [6, 6] and error_again == error
    for one, two, three in zip(first, again, plain, strict=True):
        assert np.array_equal(one.scores, two.scores) and np.array_equal(one.in_circuit, two.in_circuit)
        assert np.array_equal(one.in_circuit, three.in_circuit)
    fewer, _ = circuits_of(handle, samples, CONFIG, 5, cache=tmp_path)  # another size costs nothing
    assert computed == [6, 6] and fewer[0].n_edges <= 5



@pytest.mark.slow
def test_mrd_is_measured_once_with_all_that_is_said_of_it(handle, batch, tmp_path, monkeypatch):
    calls, real = [], reuse.mrd
    monkeypatch.setattr(reuse, "mrd", lambda *args, **kwargs: calls.append(1) or real(*args, **kwargs))
    batch = batch.select([0, 1])
    first, again = (reuse.removal_difficulty(handle, batch, tmp_path, lambda *_: None, **MRD) for _ in range(2))
    assert len(calls) == 1
    assert np.array_equal(first.value, again.value) and np.array_equal(first.stderr, again.stderr)
    assert again.sweep.equals(first.sweep) and replace(again, value=first.value, stderr=first.stderr, sweep=first.sweep) == first
    given = MRD | {"sigma": 1e-3}
    other = given | {"seed": 1}
    for part, cache, settings in ((batch, tmp_path, given), (batch, tmp_path, other), (batch.select([1]), tmp_path, given),
                                  (batch, None, given), (batch, tmp_path, given)):
        reuse.removal_difficulty(handle, part, cache, lambda *_: None, **settings)
    assert len(calls) == 5
