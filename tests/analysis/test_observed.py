"""Observed difficulty by every read-out, ranks worked out by hand; what does not count; samples that were never forgotten."""

import math
from pathlib import Path

import pandas as pd
import pytest

from analysis import atomic
from analysis.observed import alone_difficulty, counts, observed_difficulty, read_alone
from analysis.runs import Run, read_run
from tests.planted_study import write_run


def made_run(method: str, *nll_after: float, sampling: str = "Uniform", folder: Path, **columns) -> Run:
    """A run of samples s0, s1, ...; `columns` replace those of samples.csv."""
    write_run(folder, [f"s{i}" for i in range(len(nll_after))], pd.Series(nll_after), method)
    samples = pd.read_csv(folder / "samples.csv").assign(**columns)
    atomic.write_csv(folder / "samples.csv", samples)
    if sampling != "Uniform":
        text = (folder / "config.yaml").read_text()
        atomic.write_bytes(folder / "config.yaml", f"{text}sampling: {sampling}\n".encode())
    return read_run(folder)


@pytest.fixture
def made(tmp_path):
    """made(method, *nll_after, **options) -> Run"""
    numbers = iter(range(100))
    return lambda *given, **options: made_run(*given, folder=tmp_path / f"run{next(numbers)}", **options)


def test_observed_difficulty_is_the_rank_of_what_is_left_with_ties_shared(made):
    first = made("NPO", 3.0, 1.0, 2.0)  # places 3/3, 1/3, 2/3
    assert observed_difficulty([first]).to_dict() == {"s0": 3.0, "s1": 1.0, "s2": 2.0}
    second = made("RMU", 2.0, 3.0, 1.0)  # places 2/3, 3/3, 1/3: means 5/6, 4/6, 3/6
    assert observed_difficulty([first, second]).to_dict() == {"s0": 3.0, "s1": 2.0, "s2": 1.0}
    third = made("RMU", 1.0, 3.0, 2.0)  # RMU's means 1/2, 1, 1/2; over methods 3/4, 2/3, 7/12
    assert observed_difficulty([first, second, third]).to_dict() == {"s0": 3.0, "s1": 2.0, "s2": 1.0}
    opposite = made("SimNPO", 1.0, 3.0, 2.0)  # with the first: 2/3 each
    assert observed_difficulty([first, opposite]).to_dict() == {"s0": 2.0, "s1": 2.0, "s2": 2.0}


def test_many_runs_of_one_method_weigh_no_more_than_one_of_another(made):
    npo = [made("NPO", 1.0, 2.0, 3.0) for _ in range(3)]
    assert set(observed_difficulty([*npo, made("RMU", 3.0, 2.0, 1.0)])) == {2.0}


def test_samples_of_a_smaller_run_are_placed_by_their_share_of_it(made):
    # places 1/4, 2/4, 3/4, 1 and 1, 1/2: means 5/8, 1/2, 3/4, 1
    runs = [made("NPO", 1.0, 2.0, 3.0, 4.0), made("RMU", 4.0, 2.0)]
    assert observed_difficulty(runs).to_dict() == {"s0": 2.0, "s1": 1.0, "s2": 3.0, "s3": 4.0}


def test_what_was_added_is_not_what_is_left(made):
    run = made("NPO", 3.0, 2.0, 1.0, nll_before=[2.9, 0.0, 0.0])  # added: 0.1, 2, 1
    assert observed_difficulty([run], "final loss").to_dict() == {"s0": 3.0, "s1": 2.0, "s2": 1.0}
    assert observed_difficulty([run], "loss increase").to_dict() == {"s0": 1.0, "s1": 3.0, "s2": 2.0}


def test_the_last_to_fall_is_the_hardest_and_those_that_never_did_are_harder_still(made):
    after = [5.0, 1.0, 1.0, 5.0, 5.0]
    epochs = made("NPO", *after, forgotten_epoch=pd.array([2, None, None, 1, 2], "Int64"))
    # hardest first: s1 and s2 share 1.5, then s0 and s4 of epoch 2 share 3.5, then s3
    assert observed_difficulty([epochs], "joint updates").to_dict() == {"s0": 3.5, "s1": 1.5, "s2": 1.5, "s3": 5.0, "s4": 3.5}
    finer = made("NPO", *after, forgotten_epoch=pd.array([2, None, None, 1, 2], "Int64"), forgotten_step=[40, None, None, 9, 33])
    assert observed_difficulty([finer], "joint updates").to_dict() == {"s0": 3.0, "s1": 1.5, "s2": 1.5, "s3": 5.0, "s4": 4.0}


def test_only_runs_that_forgot_plainly_count(made):
    good, lazy, lost = made("NPO", 1.0, 2.0), made("RMU", 0.6, 0.5), made("RMU", 4.0, math.nan)
    drawn = [made("NPO", 1.0, 2.0, sampling=name) for name in ("CGA", "Curriculum", "uniform")]
    masked = made("NPO", 1.0, 2.0)
    masked.config["mask"] = "0123456789abcdef"
    unmasked = made("NPO", 1.0, 2.0)
    unmasked.config["mask"] = None
    control = made("GradAscent", 9.0, 8.0)
    assert [counts(run) for run in (good, lazy, lost, control, masked, unmasked)] == [True, False, False, False, False, True]
    assert [counts(run) for run in drawn] == [False, False, True]
    assert (good.record.sampling, drawn[0].record.sampling) == ("Uniform", "CGA")
    assert observed_difficulty([good, lazy, lost, control]).to_dict() == {"s0": 1.0, "s1": 2.0}
    for none in ([], [lazy, lost, control]):
        with pytest.raises(ValueError, match="at least one finished run"):
            observed_difficulty(none)
    with pytest.raises(ValueError, match="read-out: expected one of final loss, loss increase, joint updates"):
        observed_difficulty([good], "alone updates")


def alone_table(method: str, *crossing: float | None) -> pd.DataFrame:
    """s0, s1, ...: None = not forgotten within 60 updates."""
    found = [c is not None for c in crossing]
    updates = [math.ceil(c) if c is not None else 60 for c in crossing]
    ids = [f"s{i}" for i in range(len(crossing))]
    return pd.DataFrame({"sample_id": ids, "method": method, "updates": updates, "crossing": crossing, "forgotten": found})


def test_alone_the_most_updates_are_the_hardest_by_fractions_and_those_at_the_cap_share_their_place():
    npo = alone_table("NPO", 3.2, None, 3.7, None)  # s0 and s2 took 4 updates each
    assert alone_difficulty([npo]).to_dict() == {"s0": 4.0, "s1": 1.5, "s2": 3.0, "s3": 1.5}
    # ease 1, 3/8, 3/4, 3/8 and 1/4, 1/2, 3/4, 1: means 5/8, 7/16, 3/4, 11/16
    both = pd.concat([npo, alone_table("RMU", 9.0, 8.0, 7.0, 6.0)], ignore_index=True)
    assert alone_difficulty([both]).to_dict() == {"s0": 2.0, "s1": 1.0, "s2": 4.0, "s3": 3.0}
    assert alone_difficulty([npo, alone_table("RMU", 9.0, 8.0, 7.0, 6.0)]).to_dict() == alone_difficulty([both]).to_dict()
    with pytest.raises(ValueError, match="unlearned alone"):
        alone_difficulty([])


def test_a_table_of_samples_alone_is_read_without_the_control(tmp_path):
    table = pd.concat([alone_table("NPO", 3.2, None), alone_table("GradAscent", 1.0, 1.5)])
    atomic.write_csv(tmp_path / "alone.csv", table)
    read = read_alone(tmp_path)
    assert read["method"].tolist() == ["NPO"] * 2 and read["forgotten"].tolist() == [True, False]
    with pytest.raises(ValueError, match="expected alone.csv with sample_id"):
        read_alone(tmp_path / "none")
    atomic.write_csv(tmp_path / "alone.csv", table.drop(columns="crossing"))
    with pytest.raises(ValueError, match="expected alone.csv with sample_id"):
        read_alone(tmp_path)
