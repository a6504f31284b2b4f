"""Anchor runs: each half is unlearned by itself, and no run is done twice."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis import anchor_runs, facts
from analysis.anchor_runs import anchor_losses
from analysis.methods import GradDiff, SimNPO
from analysis.tokens import tokenize
from analysis.unlearning import UnlearningConfig, final_nll

FOLD = np.array([0, 1, 0, 1, 0, 1])
RUNS = {"GradDiff": UnlearningConfig(GradDiff(), 1e-3, 1, 2), "SimNPO": UnlearningConfig(SimNPO(), 1e-3, 1, 2)}


def kept(workspace: Path) -> list[Path]:
    return sorted((workspace / "objects").glob("*/*/*"))


@pytest.fixture
def trained(monkeypatch):
    """How many runs were really done so far."""
    done = []

    def counted(handle, forget, retain, config):
        done.append(config)
        return final_nll(handle, forget, retain, config)

    monkeypatch.setattr(anchor_runs, "final_nll", counted)
    return done


def test_each_half_is_unlearned_without_the_other(handle, batch):
    losses = anchor_losses(handle, batch, batch.select([1, 2]), FOLD, RUNS)
    assert list(losses) == ["GradDiff", "SimNPO"] and losses.notna().all(axis=None)
    alone = final_nll(handle, batch.select([0, 2, 4]), batch.select([1, 2]), RUNS["SimNPO"]).forget_nll
    assert losses["SimNPO"].to_numpy()[FOLD == 0] == pytest.approx(alone, rel=1e-9)
    together = final_nll(handle, batch, batch.select([1, 2]), RUNS["SimNPO"]).forget_nll
    assert not np.allclose(losses["SimNPO"], together, rtol=1e-3)


def test_a_second_call_trains_nothing_and_gives_the_same_numbers(handle, batch, trained, tmp_path):
    first = anchor_losses(handle, batch, batch, FOLD, RUNS, tmp_path)
    assert len(trained) == len(kept(tmp_path)) == 4
    again = anchor_losses(handle, batch, batch, FOLD, RUNS, tmp_path)
    assert len(trained) == 4 and again.equals(first)
    anchor_losses(handle, batch, batch, FOLD, RUNS)
    assert len(trained) == 8  # without a cache all are done, and none is kept
    assert len(kept(tmp_path)) == 4


def test_a_killed_call_goes_on_where_it_was(handle, batch, trained, tmp_path):
    def killed(phase, done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        anchor_losses(handle, batch, batch, FOLD, RUNS, tmp_path, killed)
    assert len(trained) == 3
    anchor_losses(handle, batch, batch, FOLD, RUNS, tmp_path)
    assert len(trained) == 4


@pytest.mark.slow
def test_whatever_decides_the_numbers_makes_another_run(make_handle, handle, batch, samples, tokenizer, trained, tmp_path, monkeypatch):
    def n_new(of, forget, retain, config=RUNS["GradDiff"]) -> int:
        before = len(trained)
        anchor_losses(of, forget, retain, np.array([0, 0, 0, 1, 1, 1]), {"GradDiff": config}, tmp_path)
        return len(trained) - before

    assert n_new(handle, batch, batch) == 2
    assert n_new(handle, batch, batch) == 0
    assert n_new(handle, batch, batch, replace(RUNS["GradDiff"], seed=1)) == 2
    assert n_new(handle, batch, batch, replace(RUNS["GradDiff"], method=GradDiff(gamma=0.5))) == 2
    assert n_new(handle, batch, batch.select([0, 1, 2, 3, 4])) == 2
    assert n_new(make_handle("gpt2", 1), batch, batch) == 2
    by_heads = make_handle("gpt_neox"), make_handle("gpt_neox sequential")
    assert by_heads[0].fingerprint == by_heads[1].fingerprint  # the same weights, wired in two ways
    assert [n_new(of, batch, batch) for of in by_heads] == [2, 2]
    other = tokenize([replace(s, answer=s.answer + "?") if s.row == 5 else s for s in samples], tokenizer)
    assert n_new(handle, other, batch) == 1  # one sample changed: its half alone
    shorter = batch.labels.clone()
    shorter[5, (shorter[5] != -100).nonzero()[0]] = -100
    assert n_new(handle, replace(batch, labels=shorter), batch) == 1  # the same tokens, but the answer starts one later
    monkeypatch.setattr(anchor_runs, "CODE", ("losses",))
    assert n_new(handle, batch, batch) == 2


@pytest.mark.parametrize(("file", "content"), [("manifest.json", "not json"), ("manifest.json", "[]"), ("manifest.json", "{}"),
                                              ("losses.parquet", "PAR1")])
def test_a_file_changed_by_hand_is_run_again(handle, batch, trained, tmp_path, file, content):
    config = {"GradDiff": RUNS["GradDiff"]}
    first = anchor_losses(handle, batch, batch, FOLD, config, tmp_path)
    (kept(tmp_path)[0] / file).write_text(content)
    assert anchor_losses(handle, batch, batch, FOLD, config, tmp_path).equals(first)
    assert len(trained) == 3 and len(kept(tmp_path)) == 2
    assert (next((tmp_path / "damaged").glob("objects/*/*/*")) / file).read_text() == content


def test_the_key_holds_every_file_that_training_and_measuring_import():
    """Left out: what the weights' fingerprint, the architecture and the tokens say already, and what only finds sigma or ends early."""
    folder, found, open_ = Path(anchor_runs.__file__).parent, set(), ["unlearning"]
    while open_:
        name = open_.pop()
        found.add(name)
        imported = re.findall(r"^from analysis\.(\w+) import", (folder / f"{name}.py").read_text(), re.MULTILINE)
        open_ += set(imported) - found - {"dataset", "model", "statistics", "sweep"}
    assert found == set(anchor_runs.CODE)


@pytest.mark.parametrize("kind", ["device", "versions"])
def test_another_device_or_version_makes_another_key(kind, handle, batch, monkeypatch):
    before = anchor_runs.run_facts(handle, batch, batch, RUNS["SimNPO"])
    if kind == "device":
        handle = replace(handle, device=torch.device("meta"))
    else:
        monkeypatch.setattr(facts, "version", lambda package: f"{package} of tomorrow")
    after = anchor_runs.run_facts(handle, batch, batch, RUNS["SimNPO"])
    assert {part for part in before if before[part] != after[part]} == {kind}
