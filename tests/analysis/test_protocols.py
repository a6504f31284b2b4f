"""Scores against every read-out: planted difficulty is found in each, noise in none; MRD's sign is turned for words only."""

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, store
from analysis.protocols import protocol_part, said_of_updates
from analysis.runs import read_run
from analysis.validity import COLUMNS, main_part
from tests.planted_study import planted_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """scores, circuits and runs in which MRD is the planted easiness itself, with a little noise."""
    results = planted_study(tmp_path_factory.mktemp("protocols"))
    scores, circuits = store.read_scores(results / "scores")[0], store.read_circuits(results / "circuits")[0]
    after = read_run(results / "runs" / "npo").samples.set_index("sample_id").loc[scores["sample_id"], "nll_after"].to_numpy()
    for folder in (results / "runs").iterdir():
        samples = pd.read_csv(folder / "samples.csv")
        samples["forgotten_epoch"] = np.where(samples["nll_after"] > 1.2, np.ceil(6 - samples["nll_after"]), np.nan)
        atomic.write_csv(folder / "samples.csv", samples)
    found = [read_run(folder) for folder in sorted((results / "runs").iterdir())]
    return scores.assign(mrd=after + np.random.default_rng(0).normal(0, 0.2, len(after))), circuits, found


def alone_of(scores: pd.DataFrame) -> pd.DataFrame:
    """The higher the planted easiness the fewer updates; the hardest are at the cap."""
    crossing = 12 - 3 * scores["mrd"]
    table = pd.DataFrame({"sample_id": scores["sample_id"], "method": "NPO", "updates": np.ceil(crossing), "crossing": crossing})
    return table.assign(forgotten=crossing < 8).assign(crossing=crossing.where(crossing < 8))


def test_every_read_out_finds_the_planted_difficulty_and_noise_is_found_by_none(study):
    scores, _, found = study
    table = protocol_part(scores, found, [alone_of(scores)])
    assert list(table) == COLUMNS and set(table["analysis"]) == {"protocol"}
    assert table["setting"].unique().tolist() == ["final loss", "loss increase", "joint updates", "alone updates"]
    rows = table.set_index(["setting", "predictor"])
    for readout in table["setting"].unique():
        assert rows.loc[(readout, "CUD"), "low"] > 0.2 and rows.loc[(readout, "MRD"), "low"] > 0.6
        assert rows.loc[(readout, "Token frequency"), "p"] > 0.01
        assert len(rows.loc[readout]) == 6
    assert rows.loc[("alone updates", "MRD"), "spearman"] > 0.9


def test_the_final_loss_says_what_the_main_part_says(study):
    scores, circuits, found = study
    main = main_part(scores, circuits, found).set_index("predictor")
    rows = protocol_part(scores, found, []).set_index(["setting", "predictor"]).loc["final loss"]
    columns = ["spearman", "low", "high", "within_template", "given_baselines"]
    pd.testing.assert_frame_equal(rows[columns], main.loc[rows.index, columns], check_dtype=False)


def test_without_samples_alone_there_are_no_rows_of_them(study):
    scores, _, found = study
    assert "alone updates" not in set(protocol_part(scores, found, [])["setting"])
    with pytest.raises(ValueError, match="5 are in both"):
        protocol_part(scores, found, [alone_of(scores).iloc[:5]])


@pytest.mark.slow
def test_words_give_the_sign_of_mrd_against_updates(study):
    scores, _, found = study
    table = protocol_part(scores, found, [alone_of(scores)])
    value = table.set_index(["setting", "predictor"]).loc[("alone updates", "MRD"), "spearman"]
    together, alone = said_of_updates(table)
    assert alone.startswith(f"Spearman of MRD and updates until forgotten, unlearned alone: {-value:.2f} (")
    assert alone.endswith("n=80: negative, as claimed") and "unlearned together: -" in together
    turned = said_of_updates(protocol_part(scores.assign(mrd=-scores["mrd"]), found, []))
    assert len(turned) == 1 and turned[0].endswith("n=80: positive, against the claim")
    noise = scores.assign(mrd=np.random.default_rng(1).normal(size=80))
    assert said_of_updates(protocol_part(noise, found, []))[0].endswith("not to be told from 0")
    same = said_of_updates(protocol_part(scores.assign(mrd=1.0), found, []))
    assert same[0].endswith("one does not vary")
