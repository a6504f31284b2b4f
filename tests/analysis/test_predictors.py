"""Predictors: polarity, depth by hand, and a template baseline that never sees its own half."""

import numpy as np
import pandas as pd
import pytest

from analysis.predictors import BASELINES, MASS, mass_depths, predictors, template_means
from tests.made_circuits import made_circuit


def made_scores() -> pd.DataFrame:
    return pd.DataFrame({
        "sample_id": list("abcd"), "cud": [0.9, 0.1, 0.6, 0.5], "fold": [0, 0, 1, 1], "mrd": [1.0, 2, 3, 4], "template": "t",
        "n_answer_tokens": [4, 3, 2, 1], "base_nll": [0.1, 0.2, 0.3, 0.4], "token_frequency": [1.0, 2, 3, 4],
    })


def test_high_is_hard_and_cud_is_ranked_within_its_half():
    frame = predictors(made_scores(), {})
    assert frame.index.tolist() == list("abcd")
    assert frame["CUD"].tolist() == [0.25, -0.25, 0.25, -0.25]
    assert frame["MRD"].is_monotonic_decreasing
    assert frame["Base NLL"].is_monotonic_decreasing
    assert frame["Token frequency"].is_monotonic_increasing
    assert MASS not in frame
    assert set(BASELINES) - set(frame) == {"Question template"}


def test_depth_of_the_score_mass_counts_all_edges_with_their_size_by_hand():
    circuit = made_circuit({"input->a0.h0<q>": -1.0, "m0->a1.h0<v>": 2.0, "m1->logits": 1.0}, sample_id="a")
    circuit.in_circuit[:] = False  # which edges were selected does not matter
    empty = made_circuit({}, sample_id="b")
    assert mass_depths([circuit, empty]) == pytest.approx([(1 * 0 + 2 * 1 + 1 * 2) / 4, np.nan], nan_ok=True)
    frame = predictors(made_scores(), {"a": circuit})
    assert frame[MASS].tolist() == pytest.approx([1.0] + [np.nan] * 3, nan_ok=True)


def test_template_baseline_by_hand():
    hardness, fold = np.array([1.0, 2, 3, 4, 9, 8, 7, 6]), np.repeat([0, 1], 4)
    template = np.array([0, 0, 1, 2, 0, 1, 1, 3])
    # places in half 0: -3/8 -1/8 1/8 3/8; in half 1: 3/8 1/8 -1/8 -3/8
    expected = [3 / 8, 3 / 8, 0, 0, -1 / 4, 1 / 8, 1 / 8, 0]
    assert template_means(hardness, template, fold) == pytest.approx(expected)


def test_a_single_template_says_nothing():
    """The mean place of a half is 0, but for how its numbers were added up."""
    rng = np.random.default_rng(0)
    hardness, fold = rng.normal(size=61), rng.permutation(np.arange(61) % 2)
    assert (template_means(hardness, np.zeros(61, dtype=int), fold) == 0).all()


def test_template_baseline_of_a_half_depends_on_the_other_half_alone():
    rng = np.random.default_rng(0)
    hardness, fold, template = rng.normal(size=40), rng.integers(0, 2, 40), rng.integers(0, 5, 40)
    before = template_means(hardness, template, fold)
    hardness[fold == 0] = rng.normal(size=(fold == 0).sum()) * 100
    after = template_means(hardness, template, fold)
    assert (before == after)[fold == 0].all()
    assert not np.allclose(before[fold == 1], after[fold == 1])
