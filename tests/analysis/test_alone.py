"""Updates until forgotten: counts and crossings by hand, each chunk against the plain run, controls that forget nothing."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from analysis import alone_command
from analysis.alone import COLUMNS, RATE, AloneConfig, alone, crossings
from analysis.methods import NPO, GradDiff
from analysis.model import fingerprint
from analysis.presets import preset
from analysis.sampling import CGA
from analysis.tokens import tokenize
from analysis.unlearning import UnlearningConfig, unlearn

HOW = UnlearningConfig(GradDiff(), learning_rate=2e-2, batch_size=2)
CONFIG = AloneConfig(HOW, max_updates=6, relative_drop=0.5)  # a random model knows nothing, so the drop is relative


def test_updates_and_crossings_by_hand():
    probability = np.array([  # at once, slowly, never, on the limit but not below it, unknown from the start
        [0.9, 0.9, 0.9, 0.9, 0.2],
        [0.1, 0.5, 0.8, 0.3, 0.1],
        [0.0, 0.2, 0.7, 0.2, 0.5],
        [0.4, 0.1, 0.6, 0.1, 0.6],
    ])
    updates, crossing, forgotten = crossings(probability, np.full(5, 0.3))
    assert updates.tolist() == [1, 2, 3, 2, 0] and forgotten.tolist() == [True, True, False, True, True]
    expected = [0.6 / 0.8, 1 + 0.2 / 0.3, np.nan, 1.0, 0.0]
    assert crossing == pytest.approx(expected, nan_ok=True)
    own = crossings(probability[:, :1], np.array([0.05]))  # another limit, another count
    assert own[0].tolist() == [2] and own[1] == pytest.approx([1 + 0.05 / 0.1])


def test_a_relative_drop_is_the_share_that_must_be_gone():
    before = np.array([0.5, 1.0])
    assert AloneConfig(HOW, relative_drop=0.2).limit(before) == pytest.approx([0.4, 0.8])
    assert AloneConfig(HOW, threshold=0.25).limit(before).tolist() == [0.25, 0.25]


def test_each_sample_is_counted_as_in_a_run_of_its_own_and_the_model_stays(handle, samples):
    forget, retain = samples[:3], samples[3:]
    table = alone(handle, forget, retain, CONFIG)
    assert list(table) == COLUMNS and table["sample_id"].tolist() == ["s0", "s1", "s2"] and set(table["method"]) == {"GradDiff"}
    batch, beside = tokenize(forget, handle.tokenizer), tokenize(retain, handle.tokenizer)
    for i, row in table.iterrows():
        run = unlearn(handle, batch.select([i]), beside, beside, replace(HOW, n_epochs=6))
        probability = np.exp([-record.evaluation.forget_nll[0] for record, _ in run])
        below = np.flatnonzero(probability < probability[0] / 2)
        assert row["forgotten"] == bool(len(below)) and row["updates"] == (below[0] if len(below) else 6)
        assert row[["probability_before", "probability_after"]].tolist() == pytest.approx(probability[[0, row["updates"]]].tolist())
        assert np.exp(-row["nll_after"]) == pytest.approx(row["probability_after"])
    assert table["forgotten"].all() and table["updates"].min() >= 1
    assert ((table["updates"] - table["crossing"]).between(0, 1)).all()
    assert fingerprint(handle.model) == handle.fingerprint and not any(p.requires_grad for p in handle.model.parameters())


def test_without_a_learning_rate_nothing_is_forgotten_and_all_are_at_the_cap(handle, samples):
    still = replace(CONFIG, unlearning=replace(HOW, learning_rate=1e-12), max_updates=3)
    table = alone(handle, samples[:3], samples[3:], still)
    assert not table["forgotten"].any() and (table["updates"] == 3).all() and table["crossing"].isna().all()
    assert table["nll_after"].to_numpy() == pytest.approx(table["nll_before"].to_numpy(), abs=1e-6)


def test_what_the_retain_set_holds_goes_later_than_what_nothing_holds(handle, samples):
    """Planted: one forget sample is in the retain set too, and the retain loss weighs as much as it takes to hold it."""
    held = replace(CONFIG, unlearning=replace(HOW, method=GradDiff(alpha=3.0)), max_updates=8)
    table = alone(handle, samples[:2], [samples[0]], held).set_index("sample_id")
    assert table.loc["s1", "forgotten"] and not table.loc["s0", "forgotten"] and table.loc["s0", "updates"] == 8


def test_a_chunk_is_unlearned_together_and_each_of_it_has_its_own_count(handle, samples):
    together = alone(handle, samples[:3], samples[3:], replace(CONFIG, chunk=3, max_updates=8))
    batch, beside = tokenize(samples[:3], handle.tokenizer), tokenize(samples[3:], handle.tokenizer)
    run = unlearn(handle, batch, beside, beside, replace(HOW, n_epochs=8, batch_size=3))
    probability = np.exp(-np.stack([record.evaluation.forget_nll for record, _ in run]))
    below = probability < probability[0] / 2
    assert below.any(0).all() and len(set(below.argmax(0))) > 1  # else the chunk would tell nobody apart
    assert together["updates"].tolist() == below.argmax(0).tolist()
    assert together["probability_after"].tolist() == pytest.approx(probability[below.argmax(0), range(3)].tolist())
    single = alone(handle, samples[:3], samples[3:], CONFIG)
    assert not np.allclose(single["crossing"], together["crossing"])
    how = replace(HOW, n_epochs=3, n_accumulation=2, sampling=CGA(), retain_floor=1e-6)  # none of it counts here
    same = replace(CONFIG, chunk=3, max_updates=8, unlearning=how)
    pd.testing.assert_frame_equal(alone(handle, samples[:3], samples[3:], same), together)
    more = alone(handle, samples[:3], samples[3:], replace(CONFIG, chunk=2))  # 2 + 1: none is lost
    assert more["sample_id"].tolist() == ["s0", "s1", "s2"]


def test_a_sample_below_the_threshold_from_the_start_takes_no_update(handle, samples):
    table = alone(handle, samples[:2], samples[3:], AloneConfig(HOW))
    assert (table["probability_before"] < 0.3).all()
    assert table[["updates", "crossing"]].eq(0).all(axis=None) and table["forgotten"].all()


@pytest.mark.slow
def test_processes_give_what_one_process_gives(handle, samples):
    said = []
    here = alone(handle, samples[:3], samples[3:], CONFIG)
    there = alone(handle, samples[:3], samples[3:], CONFIG, 2, lambda *words: said.append(words))
    pd.testing.assert_frame_equal(here, there)
    assert said == [("GradDiff: chunk", done, 3) for done in (1, 2, 3)]
    assert fingerprint(handle.model) == handle.fingerprint


@pytest.mark.parametrize(("wrong", "said"), [
    ({"max_updates": 0}, "max_updates must be at least 1, got 0"), ({"chunk": 0}, "chunk must be at least 1"),
    ({"threshold": 1.5}, "threshold must be above 0 and below 1, got 1.5"), ({"relative_drop": 0.0}, "relative_drop must be above 0"),
])
def test_settings_that_mean_nothing_are_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        AloneConfig(HOW, **wrong)


@pytest.fixture
def command(handle, samples, tmp_path, monkeypatch):
    """Runs `alone` on the tiny model; returns its result and its output folder."""
    for name, part in (("forget", samples[:3]), ("retain", samples[3:])):
        rows = [json.dumps({"question": s.question, "answer": s.answer}) for s in part]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    monkeypatch.setattr(alone_command, "load", lambda *_: handle)
    files = ["--forget", str(tmp_path / "forget.jsonl"), "--retain", str(tmp_path / "retain.jsonl"), "--output", str(tmp_path / "out")]
    return lambda *given: (CliRunner().invoke(alone_command.app, ["--model", "m", *files, "--workers", "1", *given]), tmp_path / "out")


def test_the_command_writes_a_row_per_sample_and_method_and_what_decided_it(command):
    result, folder = command("--method", "NPO", "--method", "GradDiff", "--limit", "2", "--max-updates", "2", "--relative-drop", "0.9")
    assert result.exit_code == 0, result.output
    table = pd.read_csv(folder / "alone.csv", dtype={"sample_id": str})
    assert list(table) == COLUMNS and table["method"].tolist() == ["NPO"] * 2 + ["GradDiff"] * 2
    record = json.loads((folder / "alone.json").read_text())
    assert record["data"]["forget"]["n"] == 2 and [c["method"] for c in record["configs"]] == ["NPO", "GradDiff"]
    first = record["configs"][0]
    assert (first["max_updates"], first["chunk"], first["relative_drop"]) == (2, 1, 0.9) and "threshold" not in first
    assert first["learning_rate"] == pytest.approx(RATE * preset("default", "NPO").learning_rate)
    assert "NPO: 0 of 2 forgotten within 2 updates" in result.output


@pytest.mark.parametrize(("given", "said"), [
    (("--threshold", "0.2", "--relative-drop", "0.5"), "expected --threshold or --relative-drop, not both"),
    (("--method", "Magic"), "method: expected one of"), (("--preset", "huge"), "preset: expected one of"),
    (("--chunk", "0"), "chunk must be at least 1, got 0"), (("--learning-rate", "0"), "learning_rate must be positive"),
])
def test_bad_options_are_one_line_and_leave_nothing(command, given, said):
    result, folder = command(*given)
    assert result.exit_code == 2 and result.output.startswith("error: ") and said in result.output
    assert not folder.exists()


def test_the_original_method_is_not_prepared_by_a_run(handle, samples):
    method = NPO()
    alone(handle, samples[:1], samples[3:], replace(CONFIG, unlearning=replace(HOW, method=method), max_updates=1))
    assert method == NPO()
