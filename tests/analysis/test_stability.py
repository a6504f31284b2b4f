"""Variations of CUD on planted circuits: real anchors work, random ones do not, and other templates' anchors are others."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from analysis import runs, stability, store
from analysis.cross_fitting import cross_fitted, folds
from analysis.observed import observed_difficulty
from analysis.stability import from_other_templates, recipe_of, stability_part
from analysis.statistics import percent_ranks
from tests.planted_study import CONFIG, METHODS, planted_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    results = planted_study(tmp_path_factory.mktemp("stability"), n=60)
    found = [runs.read_run(folder) for folder in sorted((results / "runs").iterdir())]
    return *store.read_scores(results / "scores"), store.read_circuits(results / "circuits")[0], found


@pytest.fixture(scope="module")
def table(study):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stability, "N_SPLITS", 5)
        return stability_part(*study)


@pytest.mark.slow
def test_every_variation_with_real_anchors_finds_the_planted_difficulty(table):
    real = table[table["analysis"] != "control"]
    assert (real["spearman"] > 0.3).all()
    assert (real.loc[real["analysis"] != "seed", "low"] > 0).all()
    assert table.loc[table["analysis"] == "method", "target"].tolist() == list(METHODS)
    assert len(table[table["analysis"] == "similarity"]) == 6
    settings = set(table["setting"])
    assert {"6 + 6", "12 + 12", "NPO alone", "from other templates", "20 edges", "50 edges", "increase"} <= settings
    assert "24 + 24" not in settings  # more than a half has


def test_random_anchors_find_nothing_on_average(table):
    control = table.loc[table["analysis"] == "control", "spearman"]
    assert len(control) == 40
    assert abs(control.mean()) < 2.5 * control.std() / np.sqrt(40)
    assert control.mean() < table.loc[table["analysis"] == "seed", "spearman"].min()


def test_the_recipe_makes_the_shipped_score_again(study, table):
    scores, details, circuits, found = study
    recipe = recipe_of(scores, details, circuits, found)
    again = recipe.cud(recipe.config, recipe.circuits(recipe.config.n_edges))
    assert again == pytest.approx(percent_ranks(scores["cud"].to_numpy(), scores["fold"].to_numpy()))
    assert recipe.config == CONFIG
    shipped = table.set_index("setting").loc["jaccard, weighted", "spearman"]
    assert shipped == pytest.approx(table.set_index("setting").loc["6 + 6", "spearman"])


def test_what_is_changed_is_what_the_row_says(study, table):
    """Other sizes of every circuit, other halves with the full runs' losses, another outcome: against the steps one by one."""
    scores, details, circuits, found = study
    ids, rows = scores["sample_id"], table.set_index("setting")["spearman"]
    matrices, index = np.stack([circuits[name].scores for name in ids]), circuits[ids[0]].index
    observed = -observed_difficulty(found)[ids].to_numpy()

    def expected(fold, losses, n_edges) -> float:
        config = replace(CONFIG, n_edges=n_edges)
        made = cross_fitted(matrices, index, fold, losses.loc[ids], scores["base_nll"].to_numpy(), config)
        return spearmanr(percent_ranks(made.cud, fold), observed).statistic

    full = pd.DataFrame({run.record.method: run.samples.set_index("sample_id")["nll_after"] for run in found})
    shipped, halves = scores["fold"].to_numpy(), pd.DataFrame(details["anchor_losses"])
    assert rows["50 edges"] == pytest.approx(expected(shipped, halves, 50))
    assert rows["split 3"] == pytest.approx(expected(folds(len(ids), 3), full, CONFIG.n_edges))
    ranked = percent_ranks(scores["cud"].to_numpy(), shipped)
    for _, row in table[table["analysis"] == "method"].iterrows():
        assert row["spearman"] == pytest.approx(spearmanr(ranked, -full.loc[ids, row["target"]]).statistic)


def test_anchors_from_other_templates_never_share_the_samples_own(study):
    """The outcomes of a template's samples in one half move no score of that template in the other."""
    scores, details, circuits, found = study
    recipe = recipe_of(scores, details, circuits, found)
    kept = recipe.circuits(recipe.config.n_edges)
    moved = recipe.losses.copy()
    barred = (recipe.template == 2) & (recipe.fold == 1)
    moved.loc[barred] = np.random.default_rng(0).normal(size=(barred.sum(), len(METHODS))) * 9
    own = (recipe.template == 2) & (recipe.fold == 0)
    arguments = recipe.scores, recipe.index, recipe.fold
    plain = [cross_fitted(*arguments, losses, recipe.base_nll, recipe.config, kept).cud[own] for losses in (recipe.losses, moved)]
    assert (np.argsort(plain[0]) != np.argsort(plain[1])).any()  # control: with all anchors they do
    ends = []
    for losses in (recipe.losses, moved):
        changed = type(recipe)(**{**recipe.__dict__, "losses": losses})
        ends.append(from_other_templates(changed, kept))
    order = [np.argsort(end[own]) for end in ends]
    assert (order[0] == order[1]).all()


def test_other_templates_need_enough_samples(study):
    scores, details, circuits, found = study
    alone = recipe_of(scores.assign(template="one for all"), details, circuits, found)
    assert from_other_templates(alone, alone.circuits(20)) is None


def test_losses_of_other_samples_are_refused(study):
    scores, details, circuits, found = study
    lacking = details | {"anchor_losses": {"NPO": dict.fromkeys(scores["sample_id"][:3], 1.0)}}
    with pytest.raises(ValueError, match="anchor losses of every scored sample"):
        stability_part(scores, lacking, circuits, found)
    with pytest.raises(ValueError, match="expected circuits"):
        stability_part(scores, details, {}, found)


@pytest.mark.slow
def test_with_shuffled_outcomes_nothing_is_found(study, monkeypatch):
    """All rows but those of the splits rest on the halves' own runs, and these know nothing of a shuffled outcome."""
    for name in ("N_SPLITS", "N_CONTROLS"):
        monkeypatch.setattr(stability, name, 0)
    monkeypatch.setattr(stability, "SIZES", (50,))
    scores, details, circuits, found = study
    rng = np.random.default_rng(1)
    order = rng.permutation(len(found[0].samples))
    mixed = [type(run)(**{**run.__dict__, "samples": run.samples.assign(nll_after=run.samples["nll_after"].to_numpy()[order])})
             for run in found]
    rows = stability_part(scores, details, circuits, mixed)
    method = pd.concat([rows[rows["analysis"] == kind] for kind in ("method", "similarity", "size")])
    assert (method["low"] < 0).mean() > 0.8


@pytest.mark.slow
def test_outcomes_of_some_samples_are_enough_as_every_scored_sample_may_be_an_anchor(study, table, monkeypatch):
    for name in ("N_SPLITS", "N_CONTROLS"):
        monkeypatch.setattr(stability, name, 1)
    scores, details, circuits, found = study
    some = [type(run)(**{**run.__dict__, "samples": run.samples.iloc[:20]}) for run in found]
    rows = stability_part(scores, details, circuits, some).set_index("setting")
    assert (rows["n"] == 20).all()
    shipped = percent_ranks(scores["cud"].to_numpy(), scores["fold"].to_numpy())[:20]
    observed = -observed_difficulty(some)[scores["sample_id"][:20]]
    assert rows.loc["6 + 6", "spearman"] == pytest.approx(spearmanr(shipped, observed).statistic)
