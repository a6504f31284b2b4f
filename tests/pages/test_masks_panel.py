"""The comparison of masks on the page: what it says follows from the numbers; without it the command is shown."""

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis import atomic, conflict_map, studies
from analysis.mask_comparison import summary
from components import masks_panel, masks_plot
from components.masks_panel import findings
from components.masks_plot import ARMS
from tests.pages.conflict_fixture import made_map, write_map
from tests.pages.runs_fixture import made_up_study, texts  # noqa: F401

SCRIPT = """
from analysis import studies
from components import masks_panel
masks_panel.show(studies.embedded(), key="masks")
"""
FORGET = {"unmasked": 0.05, "clue": 0.25, "random": 0.25, "important": 0.05}
RETAIN = {"unmasked": 0.90, "clue": 0.95, "random": 0.93, "important": 0.90}
N_TOUCHED = {"unmasked": 100, "conflict-as-everything": 50}  # 10 of all other arms
NOISE = {"unmasked": 0.01, "clue": 0.01, "random": 0.02, "important": 0.03}  # of the arm, one sign a seed


def made_runs(arms=tuple(FORGET), n_seeds: int = 3, method: str = "NPO") -> pd.DataFrame:
    """Differences between arms have the sign that FORGET and RETAIN give them, and small intervals."""
    sign = np.array([-1, 0, 1])
    rows = [{
        "method": method, "arm": arm, "seed": seed, "n_updates": 20, "n_touched": N_TOUCHED.get(arm, 10),
        "share_touched": 1.0 if arm == "unmasked" else 0.125,
        "forget_probability": FORGET.get(arm, 0.3) + NOISE.get(arm, 0.01) * sign[seed], "n_forgotten": 7, "seconds": 3.0,
        "retain_probability": RETAIN.get(arm, 0.8) + 0.001 * sign[seed], "relearned_probability": 0.4 + 0.01 * sign[seed],
    } for arm in arms for seed in range(n_seeds)]
    return pd.DataFrame(rows)


def write_masks(study: studies.Study, runs: pd.DataFrame, left_out: dict | None = None) -> None:
    folder, used = study.results / "masks", made_map()
    atomic.write_csv(folder / "masks.csv", runs)
    atomic.write_csv(folder / "summary.csv", summary(runs))
    nodes = {name: list(used.assigned(name)) for name in ("forget", "conflict")}
    atomic.write_json(folder / "masks.json", {"left_out": left_out or {}, "conflicts": nodes, "relearning": {"n_steps": 20}})


def opened() -> AppTest:
    return AppTest.from_string(SCRIPT, default_timeout=120).run()


def test_without_a_comparison_the_command_is_shown(study):
    at = opened()
    assert not at.exception and "Not computed yet: runs with every mask and with none" in at.info[0].value
    said = at.code[0].value
    assert " -m analysis compare-masks --model" in said and "--preset embedded" in said
    assert "--conflicts" in said and said.endswith("results/masks")


def test_findings_are_the_differences_whose_interval_holds_no_0():
    said = findings("NPO", summary(made_runs()))
    assert said[0] == (
        "**NPO**, over 3 seeds: CLUE lets 12.5% of the weights change. Against no mask it leaves more of the forget set "
        "(+0.200, +0.200 to +0.200), keeps more of the retain set (+0.050, +0.050 to +0.050)."
    )
    assert said[1] == "NPO: against as many random nodes, CLUE keeps more of the retain set (+0.020, +0.020 to +0.020)."
    assert len(said) == 2


def test_no_difference_is_said_to_be_none_and_one_seed_to_say_nothing():
    same = made_runs().assign(forget_probability=0.1, retain_probability=0.9)
    assert "Against no mask it does not differ by more than chance (every interval holds 0)." in findings("NPO", summary(same))[0]
    assert findings("N*P", summary(made_runs(n_seeds=1))) == [
        "N\\*P: one seed gives no interval, so nothing can be said about differences."
    ]


def test_a_panel_per_method_and_a_row_per_mask_with_share_and_intervals(study):
    runs = pd.concat([made_runs(tuple(ARMS)), made_runs(tuple(ARMS), method="GradDiff")])
    write_masks(study, runs)
    at = opened()
    assert not at.exception and not at.warning
    table = at.dataframe[0].value.set_index(["Method", "Mask"])
    row = table.loc[("NPO", "CLUE")]
    assert len(table) == 2 * len(ARMS) and row["May change"] == "12.5%"
    assert row["Forget"] == "0.250 ± 0.025" and row["Forget, change"] == "+0.200 ± 0.000"
    assert table.loc[("NPO", "no mask"), "Forget, change"] == ""
    drawn = masks_plot.figure(summary(runs))
    assert len(drawn.data) == 6 and all(len(trace.y) == len(ARMS) for trace in drawn.data), "a panel per method and outcome"
    assert drawn.data[0].y[1] == "CLUE" and drawn.data[0].x[1] == pytest.approx(0.25), "NPO, what is left of the forget set"
    assert sum(shape.type == "line" for shape in drawn.layout.shapes) == 6, "no mask as a line in each"
    assert "48 runs of 20 updates each" in texts(at) and "after 20 steps on a few others" in texts(at)


def test_a_mask_that_was_tried_says_how_it_went_if_it_was_this_maps(study):
    assert masks_panel.tried(study, "clue") == ""
    write_masks(study, made_runs())
    write_map(study.results / "conflicts")
    assert masks_panel.tried(study, "clue") == (
        "Tried in runs, against no mask: NPO leaves more of the forget set and keeps more of the retain set. See Runs under masks."
    )
    assert "NPO is no different." in masks_panel.tried(study, "important") and masks_panel.tried(study, "gradient") == ""
    write_masks(study, made_runs(n_seeds=1))
    assert masks_panel.tried(study, "clue") == "", "one seed tells nothing"
    atomic.write_json(study.results / "masks" / "masks.json", {"left_out": {}, "conflicts": {"forget": ["m0"], "conflict": []}})
    atomic.write_csv(study.results / "masks" / "summary.csv", summary(made_runs()))
    assert masks_panel.tried(study, "clue") == "", "of another map"


def test_masks_of_every_head_and_mlp_are_said_to_be_no_choice(study):
    runs = made_runs(("unmasked", "clue", "conflict-as-everything", "random", "important"))
    write_masks(study, runs.assign(n_touched=runs["n_touched"].where(~runs["arm"].isin(["clue", "random"]), 50)))
    said = opened().warning[0].value
    assert said.startswith("These masks hold every head and MLP") and said.endswith(": CLUE, random nodes.")


def test_a_mask_that_could_not_be_is_named_with_its_reason(study):
    write_masks(study, made_runs(), {"forget-only": "no forget <b>node</b>"})
    assert "Left out: forget nodes only. no forget \\<b\\>node\\</b\\>" in texts(opened())


def test_a_comparison_of_another_map_is_said_to_be_that(study):
    write_masks(study, made_runs())
    write_map(study.results / "conflicts")
    assert not opened().warning
    record = conflict_map.to_json(made_map())
    record["nodes"]["m1"] |= {"assigned": "forget"}
    atomic.write_json(study.results / "conflicts" / "conflicts.json", record)
    assert "another conflict map" in opened().warning[0].value


@pytest.mark.parametrize(("name", "content"), [
    ("masks.csv", "method,arm\nNPO,clue\n"), ("summary.csv", "method,arm\nNPO,clue\n"), ("masks.json", "{}"), ("masks.json", "{"),
])
def test_a_damaged_comparison_is_an_error_not_a_traceback(study, name, content):
    write_masks(study, made_runs())
    (study.results / "masks" / name).write_text(content)
    at = opened()
    assert not at.exception and at.error[0].value == "The comparison of masks cannot be read."
    assert name in at.text[0].value and "compare-masks" in at.text[0].value or "expected the columns" in at.text[0].value
