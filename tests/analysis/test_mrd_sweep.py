"""How many pairs, which sigma, and how MRD depends on both."""

import numpy as np
import pandas as pd
import pytest

from analysis import mrd as module
from analysis.mrd import RELEASED, mrd, settled
from analysis.precision import relative_stderr, value_and_stderr, warning
from analysis.sensitivity import COLUMNS, sensitivity
from analysis.sweep import choose, sigma_sweep, slopes


def made_draws(n_draws: int, noise: float, n_samples: int = 40) -> np.ndarray:
    """Scores 1 to 2 with independent noise of the given size in every draw."""
    rng = np.random.default_rng(0)
    return np.linspace(1, 2, n_samples) + noise * rng.standard_normal((n_draws, n_samples))


def test_value_and_error_by_hand():
    value, stderr = value_and_stderr(np.array([[1.0, -2.0], [3.0, -2.0]]))
    assert value.tolist() == [2.0, 2.0] and stderr.tolist() == [1.0, 0.0]
    assert relative_stderr(value, stderr) == 0.25
    assert relative_stderr(np.zeros(2), np.zeros(2)) == 0.0
    assert relative_stderr(np.zeros(2), np.ones(2)) == np.inf


def test_a_warning_where_errors_exceed_values():
    assert warning(np.ones(3), np.full(3, 0.9)) is None
    assert "standard error is 2 times its value" in warning(np.ones(3), np.full(3, 2.0))


def test_settled_needs_both_small_errors_and_ranks_that_agree():
    assert settled(made_draws(10, 0.1))
    assert not settled(made_draws(10, 3.0))  # large errors
    assert not settled(made_draws(10, 0.6) * 0.1 + 10)  # tiny relative errors, ranks that halves disagree on
    assert not settled(made_draws(10, 0.1) * np.array([[30.0], *[[1.0]] * 9]))  # sure ranks, but a score of unknown size


def stream(monkeypatch, noise: float) -> None:
    monkeypatch.setattr(module, "draws", lambda *_, **__: iter(made_draws(1000, noise)))


def test_pairs_go_on_until_settled_and_a_hopeless_case_meets_the_cap(handle, batch, monkeypatch):
    used = {}
    for noise in (0.05, 0.4, 30.0):
        stream(monkeypatch, noise)
        found = mrd(handle.model, batch, sigma=1e-3, n_pairs=None, max_pairs=60)
        used[noise] = found.n_pairs, found.settled
        assert found.value == pytest.approx(np.abs(made_draws(1000, noise)[: found.n_pairs].mean(0)))
    assert used[0.05] == (5, True)
    assert 5 < used[0.4][0] < 60 and used[0.4][1]
    assert used[30.0] == (60, False)


def test_a_fixed_number_of_pairs_is_kept_to_and_progress_is_told(handle, batch):
    told = []
    found = mrd(handle.model, batch, sigma=1e-3, n_pairs=7, report=lambda done, total: told.append((done, total)))
    assert found.n_pairs == 7 and told == [(i, 7) for i in range(1, 8)] and found.sweep is None


def test_the_released_estimator_never_settles_where_pairs_do(handle, batch):
    released = mrd(handle.model, batch, **RELEASED | {"n_pairs": None}, max_pairs=20)
    assert (released.n_pairs, released.settled) == (20, False)


def made_sweep(sigma, value, error) -> pd.DataFrame:
    return pd.DataFrame({"sigma": sigma, "value": value, "relative_stderr": error, "slope": slopes(np.array(sigma), np.array(value))})


def test_slopes_are_exact_on_power_laws():
    sigma = np.array([1e-4, 3e-4, 1e-3, 2e-3])
    assert slopes(sigma, 5 * sigma**2) == pytest.approx([2, 2, 2, 2])
    assert slopes(sigma, 5 * sigma) == pytest.approx([1, 1, 1, 1])


def test_sigma_is_chosen_above_the_noise_and_below_saturation():
    sigma = np.logspace(-5, -1, 9)
    value = 1e3 * sigma**2 * (1 + (sigma / 3e-2) ** 2) + 1e-7  # a floor of rounding on the left, a fourth order on the right
    row = choose(made_sweep(sigma, value, np.where(sigma < 3e-4, 0.8, 0.1)))
    assert 3e-4 <= sigma[row] <= 1e-2
    noisy = made_sweep(sigma, 1e3 * sigma**2, np.where(sigma < 2e-3, 0.5, 0.1))
    assert sigma[choose(noisy)] > 2e-3  # the slope is 2 everywhere, so the error decides
    assert choose(made_sweep(sigma, sigma, np.ones(9))) == 0  # nowhere second order: the nearest, here a tie


def test_a_swept_sigma_is_where_the_tiny_model_is_second_order_and_can_be_overridden(handle, batch):
    found = mrd(handle.model, batch, sigma=None, n_pairs=3, seed=3, scope="sequence")
    table = found.sweep
    assert table["chosen"].sum() == 1 and table.loc[table["chosen"], "sigma"].item() == found.sigma
    assert table.loc[table["chosen"], "slope"].item() == pytest.approx(2, abs=0.05)
    assert found.value == pytest.approx(mrd(handle.model, batch, sigma=found.sigma, n_pairs=3, seed=3, scope="sequence").value)
    pd.testing.assert_frame_equal(sigma_sweep(handle.model, batch, seed=3, scope="sequence"), table)


@pytest.mark.slow
def test_sensitivity_shows_second_order_by_pairs_and_first_order_by_plain_draws(handle, batch):
    table = sensitivity(handle.model, batch.select([0, 1, 3, 4]), sigmas=(1e-5, 1e-4, 1e-3), counts=(5,), n_reference=10, n_probes=2)
    assert list(table) == COLUMNS
    grid = table[(table["part"] == "grid") & (table["n_pairs"].isin([5, 10]))]
    slope = grid[grid["sigma"] < 5e-4].groupby("estimator")["slope"].mean()
    assert slope["antithetic"] == pytest.approx(2, abs=0.05) and slope["monte_carlo"] == pytest.approx(1, abs=0.1)
    released, reference = (table[table["part"] == part].iloc[0] for part in ("released", "reference"))
    assert released["stderr"] > reference["value"] * (released["sigma"] / reference["sigma"]) ** 2
    assert table["chosen"].any() and reference["chosen"] and set(table.loc[table["chosen"], "sigma"]) == {reference["sigma"]}
    assert set(grid["n_forwards"]) == {10}  # of both, for a fair comparison
    assert set(table["estimator"]) == {"antithetic", "monte_carlo", "hutchinson", "gradient_norm"}
