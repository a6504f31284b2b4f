"""What-if masks: which nodes each would train, how many parameters that is, and the way into a run."""

import pandas as pd
import streamlit as st

from analysis.conflict_map import ConflictMap
from components import layout, masks_plot, run_options, state

NONE = "none"


def choose(found: ConflictMap) -> str | None:
    """The what-if mask to show on the map and to use; None at first. In the URL."""
    offered = [name for name in run_options.WHAT_IFS if name in found.masks]
    asked = state.parameter("what_if")
    st.session_state["conflict_what_if"] = asked if asked in offered else NONE

    def picked() -> None:  # not bound to the address by Streamlit, which would lose it on the way back from another page
        state.set_parameter("what_if", st.session_state["conflict_what_if"])

    chosen = st.selectbox(
        "What if only some nodes may change?", [NONE, *offered], format_func=label, key="conflict_what_if", on_change=picked
    )
    return None if chosen == NONE else chosen


def label(what_if: str) -> str:
    """A mask in the words that the comparison of masks uses too."""
    return "every node may change" if what_if == NONE else masks_plot.label(what_if)


def explain(found: ConflictMap, what_if: str | None, source: str) -> None:
    """What the chosen mask does, and the link that uses it in a run."""
    if what_if is None:
        st.caption("A mask shades the nodes that it lets a run change, and can be used in one.")
        return
    n_touched = found.masks[what_if]["touched"]
    text, link = st.columns([3, 1], vertical_alignment="center")
    size = f"{n_touched:,} parameters, {n_touched / found.n_parameters:.1%} of the model"
    hidden = "" if opened(found, what_if) or not n_touched else " It is not made of labels, so the map does not show it."
    text.caption(f"{run_options.WHAT_IFS[what_if]} It may change {size}.{hidden} In commands: `--what-if {what_if}`.")
    if n_touched:
        query = state.carried() | {run_options.WEIGHTS: run_options.mask_label(source, what_if)}
        with link:
            st.page_link(layout.PAGES["Unlearn"], label="**Use in a run** →", query_params=query)
    else:
        link.caption("It changes nothing.")


def opened(found: ConflictMap, what_if: str | None) -> dict[str, str]:
    """Node -> the stages that train it, for the masks that are made of the map's labels; empty for the others."""
    forget, conflict = found.assigned("forget"), found.assigned("conflict")
    if what_if in ("forget-only", "conflict-only"):
        return dict.fromkeys(forget if what_if == "forget-only" else conflict, "all epochs")
    second = {"clue": conflict, "conflict-as-everything": tuple(found.nodes)}.get(what_if or "")
    if second is None:
        return {}
    return dict.fromkeys(second, "stage 2") | {name: "stages 1 and 2" if name in second else "stage 1" for name in forget}


def training(found: ConflictMap, node: str) -> str:
    """Which of the masks that are made of labels would train a node, and when."""
    stages = {name: opened(found, name).get(node) for name in run_options.WHAT_IFS if name in found.masks}
    said = [f"{label(name)} ({when})" for name, when in stages.items() if when]
    return f"Masks that would train it: {', '.join(said)}." if said else "No mask that is made of labels would train it."


def table(found: ConflictMap) -> None:
    """A row per what-if mask: parameters that its stages train, and their share of the model."""
    known = [(name, meaning, found.masks[name]) for name, meaning in run_options.WHAT_IFS.items() if name in found.masks]
    rows = pd.DataFrame([
        {"mask": label(name), **{key: counts[key] for key in ("stage1", "stage2", "touched")},
         "share": 100 * counts["touched"] / found.n_parameters, "meaning": meaning}
        for name, meaning, counts in known
    ])
    number = st.column_config.NumberColumn
    st.dataframe(
        rows, hide_index=True, height="content", key="conflict_masks",
        column_config={
            "mask": st.column_config.TextColumn("Mask", width=200), "stage1": number("Stage 1", format="localized", width=78),
            "stage2": number("Stage 2", format="localized", width=78), "touched": number("Touched", format="localized", width=78),
            "share": number("Of model", format="%.1f%%", width=70),
            "meaning": st.column_config.TextColumn("What it does", width=476),
        },
    )
    st.caption(
        f"Parameters that each stage may change, and those that either may (touched), of {found.n_parameters:,}. All else is frozen. "
        "Stage 1 is the first sixth of the epochs, with the forget loss alone; stage 2 the rest, with the forget and the retain loss; "
        "a mask with one stage spends all epochs in it. A run's seed draws the random nodes."
    )
