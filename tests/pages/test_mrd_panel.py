"""The panel on MRD's own settings: what it says follows from sensitivity.csv; without it the command is shown."""

import numpy as np
import pandas as pd
import pytest

from analysis import atomic, store, studies
from components.mrd_panel import findings, measured_with
from tests.pages.test_difficulty_page import said

SIGMAS = np.array([1e-5, 1e-4, 1e-3, 1e-2])


def made_table(gradient_norm: float = 200.0) -> pd.DataFrame:
    """Scores 6e4 sigma^2 with 10 % error at 5 pairs; plain draws have the noise of a gradient."""
    rows = []
    for sigma in SIGMAS:
        for n in (3, 5):
            rows.append(("grid", "antithetic", sigma, n, 2 * n, 6e4 * sigma**2, 6e3 * sigma**2, 2.0, 0.9))
            error = sigma * gradient_norm / np.sqrt(2 * n)
            rows.append(("grid", "monte_carlo", sigma, 2 * n, 2 * n, error, error, 1.0, 0.1))
    rows += [
        ("grid", "hutchinson", 1e-3, 5, None, 0.06, 0.006, np.nan, 0.9),
        ("grid", "gradient_norm", 1e-3, 0, None, 0.2, 0.0, np.nan, 0.3),
        ("reference", "antithetic", 1e-3, 100, 200, 0.06, 0.002, np.nan, np.nan),
        ("released", "monte_carlo", 1e-5, 100, 100, 1e-4, 1e-5 * gradient_norm / 10, np.nan, 0.05),
    ]
    columns = ["part", "estimator", "sigma", "n_pairs", "n_forwards", "value", "stderr", "slope", "spearman"]
    table = pd.DataFrame(rows, columns=columns).astype({"n_forwards": "Int64"})
    return table.assign(n_samples=24, relative_stderr=table["stderr"] / table["value"], chosen=table["sigma"] == 1e-3)


def test_what_is_said_of_the_released_setting_follows_from_the_numbers():
    noisy, control = (findings(made_table(norm))[0] for norm in (200.0, 0.2))
    assert "standard error of 2.0e-04, 33 times the second-order term of 6.0e-06" in noisy
    assert "what it gives there is noise" in noisy and "Spearman 0.05 (n=24)" in noisy
    assert "0.033 times" in control and "can be told from noise" in control


def test_what_is_said_of_the_chosen_sigma_follows_from_the_numbers():
    chosen = findings(made_table())[1]
    assert "sigma** of 0.001" in chosen and "to the power 2.00" in chosen
    assert "5 pairs leave a standard error of 10% and ranks that agree with 100 other pairs by 0.90" in chosen


@pytest.mark.parametrize("details, expected", [
    ({"config": {"sigma": 0.001, "n_pairs": 30}}, "antithetic, sigma 0.001 (as given), 30 pairs."),
    ({"config": {"sigma": None}, "mrd": {"estimator": "hutchinson", "sigma": 0.003, "n_pairs": 15, "settled": True, "sweep": [{}]}},
     "hutchinson, sigma 0.003 (found by a sweep), 15 pairs, settled."),
    ({"mrd": {"estimator": "antithetic", "sigma": 1e-5, "n_pairs": 100, "settled": False, "sweep": None}}, "**not settled**"),
    ({"seed": 0}, "not recorded"),
])
def test_it_says_what_the_scores_were_measured_with(details, expected):
    assert expected in measured_with(details)


def written(study: studies.Study, fingerprint: str) -> None:
    folder = study.results / "sensitivity"
    atomic.write_csv(folder / "sensitivity.csv", made_table())
    atomic.write_json(folder / "sensitivity.json", {"fingerprint": fingerprint})


def test_the_command_is_shown_until_it_has_run_then_two_charts(scored_study, open_page):
    page = open_page("difficulty", show="Noise of MRD")
    assert f"analysis sensitivity --model nowhere --forget {scored_study.forget}" in said(page)
    assert "Not computed yet: MRD over" in said(page)
    n_charts = len(page.get("plotly_chart"))
    written(scored_study, "a")
    page = open_page("difficulty", show="Noise of MRD")
    assert "Not computed yet: MRD over" not in said(page) and "33 times" in said(page)
    assert len(page.get("plotly_chart")) == n_charts + 2
    assert "second-order term" in page.get("plotly_chart")[-2].proto.spec


def test_numbers_of_other_weights_are_not_shown(scored_study, open_page):
    atomic.write_json(scored_study.results / "scores" / "scores.json", {"fingerprint": "b"})
    written(scored_study, "a")
    page = open_page("difficulty", show="Noise of MRD")
    assert "analysis sensitivity" in said(page) and "33 times" not in said(page)


def test_scores_below_their_errors_are_warned_of(scored_study, open_page):
    assert not open_page("difficulty").warning
    folder = scored_study.results / "scores"
    atomic.write_csv(folder / "scores.csv", store.read_scores(folder)[0].assign(mrd_stderr=5.0))
    page = open_page("difficulty")
    assert not page.exception and "MRD says little" in page.warning[0].value


@pytest.mark.parametrize(("file", "content"), [("sensitivity.csv", "part,sigma\ngrid,x\n"), ("sensitivity.json", "[")])
def test_a_damaged_file_is_named(scored_study, open_page, file, content):
    written(scored_study, "a")
    (scored_study.results / "sensitivity" / file).write_text(content)
    page = open_page("difficulty", show="Noise of MRD")
    assert f"sensitivity/{file}" in said(page) and "analysis sensitivity" in said(page)
