"""Do the masks help? Every what-if mask against none and against random nodes, as `compare-masks` writes it."""

import pandas as pd
import streamlit as st

from analysis import atomic, conflict_map, jobs, outcomes, studies
from components import equivalent_command, layout, masks_plot
from components.masks_plot import label
from components.paired_text import CHANCE, differences, effects, seeds
from components.run_form import model, short

OUTCOMES = ["forget", "retain", "relearned"]


def show(study: studies.Study, *, key: str) -> None:
    """The whole section below its heading."""
    folder = study.results / "masks"
    try:
        found = outcomes.read_masks(folder)
    except ValueError as error:
        layout.problem("The comparison of masks cannot be read.", str(error))
        return
    if found is None or found[1].empty:
        what = "runs with every mask and with none, over seeds; it needs the conflict map, and time for 24 runs"
        layout.needs(what, jobs.command_line(command(study)))
        return
    table, summary, record = found
    if _of_another_map(study, record):
        st.warning("These runs used the masks of another conflict map than the one that this study has now: compare anew.")
    if whole := holding_everything(table):
        st.warning(f"These masks hold every head and MLP, so they say nothing about which of them to train: {', '.join(whole)}.")
    for method, part in summary.groupby("method", sort=False):
        for line in findings(str(method), part):
            st.markdown(f"- {line}")
    st.plotly_chart(masks_plot.figure(summary), theme=None, key=f"{key}_plot")
    st.caption(_how(table, summary, record))
    for arm, reason in record["left_out"].items():
        st.caption(f"Left out: {layout.escape(label(str(arm)))}. {layout.escape(str(reason))}")
    st.dataframe(readable(summary), hide_index=True, height="content", key=f"{key}_table")
    st.download_button("Download every run (CSV)", atomic.csv_bytes(table), f"{study.slug}-masks.csv", "text/csv", key=f"{key}_csv")
    equivalent_command.show(command(study))


def findings(method: str, summary: pd.DataFrame) -> list[str]:
    """What the intervals of one method say: CLUE against no mask, and against random nodes. The other masks are in the picture."""
    name, rows = layout.escape(method), summary.to_dict("records")
    if summary[["forget_minus_unmasked_low", "retain_minus_unmasked_low"]].isna().all(axis=None):
        return [f"{name}: one seed gives no interval, so nothing can be said about differences."]
    said = []
    for row in (row for row in rows if row["arm"] == "clue"):
        share = f"**{name}**, over {seeds(summary)}: CLUE lets {row['share_touched']:.1%} of the weights change."
        said.append(f"{share} Against no mask it {_or_none(row, 'unmasked')}.")
        if "random" in set(summary["arm"]):
            said.append(f"{name}: against as many random nodes, CLUE {_or_none(row, 'random')}.")
    return said


def tried(study: studies.Study, arm: str) -> str:
    """What runs under a mask left and kept against runs without one, Markdown; empty where none were compared over seeds."""
    try:
        found = outcomes.read_masks(study.results / "masks")
    except ValueError:  # its tab says why
        return ""
    if found is None or _of_another_map(study, found[2]):
        return ""
    rows = found[1][found[1]["arm"] == arm].dropna(subset="forget_minus_unmasked_low").to_dict("records")
    said = {row["method"]: " and ".join(effects(row, OUTCOMES[:2], "unmasked", "minus_unmasked").values()) for row in rows}
    listed = "; ".join(f"{layout.escape(method)} {how or 'is no different'}" for method, how in said.items())
    return f"Tried in runs, against no mask: {listed}. See Runs under masks." if said else ""


def _or_none(row: dict, control: str) -> str:
    parts = differences(row, OUTCOMES, control, f"minus_{control}")
    return ", ".join(parts) if parts else "does not differ by more than chance (every interval holds 0)"


def _how(table: pd.DataFrame, summary: pd.DataFrame, record: dict) -> str:
    updates = " or ".join(f"{n:g}" for n in sorted(table["n_updates"].unique()))
    n_steps = (record.get("relearning") or {}).get("n_steps", "a few")
    return (
        f"Mean answer probabilities over {seeds(summary)}, {len(table)} runs of {updates} updates each, all at the learning rate of a "
        "run without a mask: a mask that forgets less and keeps more may only have moved the model less. Intervals are 95% t intervals "
        "over seeds (in the table ± half of one); the dotted line is no mask, and a change is the difference to it, paired by seed. "
        f"{CHANCE} Relearned: those forget samples that were not learnt again, after {n_steps} steps on a few others."
    )


def readable(summary: pd.DataFrame) -> pd.DataFrame:
    """A row per method and mask: share of the weights that may change, means, and differences to no mask; all with half of their
    intervals, as text."""
    rows = []
    for row in summary.to_dict("records"):
        cells = {"Method": row["method"], "Mask": label(row["arm"]), "May change": f"{row['share_touched']:.1%}"}
        for name in OUTCOMES:
            cells[name.capitalize()] = _half(row[f"{name}_mean"], row[f"{name}_high"], ".3f")
        for name in OUTCOMES[:2]:
            minus = "" if row["arm"] == "unmasked" else _half(*(row[f"{name}_minus_unmasked{end}"] for end in ("", "_high")), "+.3f")
            cells[f"{name.capitalize()}, change"] = minus
        rows.append(cells)
    return pd.DataFrame(rows)


def _half(value: float, high: float, form: str) -> str:
    """The value alone where one seed gave no interval."""
    if pd.isna(value):
        return "not computed"
    form = form.replace(".", "z.")  # no minus before 0
    return f"{value:{form}}" + ("" if pd.isna(high) else f" ± {high - value:.3f}")


def holding_everything(runs: pd.DataFrame) -> list[str]:
    """The masks, in words, that are as large as one of all heads and MLPs, where it was compared; not that one itself."""
    n_all = runs.loc[runs["arm"] == "conflict-as-everything", "n_touched"].max()
    largest = runs[~runs["arm"].isin(["unmasked", "conflict-as-everything"])].groupby("arm", sort=False)["n_touched"].max()
    return [layout.escape(label(arm)) for arm, n in largest.items() if n == n_all]


def _of_another_map(study: studies.Study, record: dict) -> bool:
    """Whether the study's conflict map now has other forget or conflict nodes; False where there is none to compare with."""
    try:
        now = conflict_map.read(study.results / "conflicts")
    except ValueError:
        return False
    used = record.get("conflicts") or {}
    return any(used.get(name) != list(now.assigned(name)) for name in ("forget", "conflict"))


def command(study: studies.Study) -> list[str]:
    """Arguments of `python -m analysis` that make the comparison."""
    preset = ["--preset", "embedded"] if study.slug == "embedded" else []
    sets = [*model(study), "--forget", short(study.forget), "--retain", short(study.retain)]
    folders = ["--conflicts", short(study.results / "conflicts"), "--output", short(study.results / "masks")]
    return ["compare-masks", *sets, *preset, *folders]
