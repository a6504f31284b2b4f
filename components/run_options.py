"""The settings of an unlearning run that its preset gives; those that a person sets here, as the command line takes them."""

from contextlib import suppress
from pathlib import Path

import streamlit as st

from analysis import studies
from components import cached, conflict_source, masks_plot

DEFAULT_RATE, DEFAULT_EPOCHS = 1e-5, 10  # of `unlearning.UnlearningConfig`, which needs torch
RATE_HINT = "The default, 1e-5, is for models of about 1B parameters. One of a few million hardly forgets at it: try 3e-4 to 1e-3."
KEPT = {"bind": "query-params"}  # what defines the run is in the address
WITHOUT_RETAIN_LOSS = ("GradAscent", "RMU")  # one holds nothing, the other holds activations
SAMPLINGS = {
    "uniform": ("Uniform", "Every forget sample once per epoch, in random order."),
    "cga": ("CGA", "Draws samples in proportion to their MRD, measured anew each epoch (which takes time): easy ones more often."),
    "cga-released": ("CGA as released", "Weight 0.6 above the median MRD and 0.4 below, with replacement, measured once."),
    "easy-first": ("Easy first", "Starts with the quarter that CUD calls easiest; from half of the run on, all."),
    "hard-first": ("Hard first", "Starts with the quarter that CUD calls hardest; from half of the run on, all."),
}
CURRICULA = ("easy-first", "hard-first")
WEIGHTS = "weights"  # key of the select box and of its query parameter
ALL_WEIGHTS = "all"
WHAT_IFS = {  # masks made from a conflict map: which weights a run may change
    "clue": "First forget nodes forget, then conflict nodes forget and keep.",
    "forget-only": "Trains the forget nodes alone, to forget and to keep.",
    "conflict-only": "Trains the conflict nodes alone, to forget and to keep.",
    "conflict-as-everything": "Stage 1 as in CLUE, then stage 2 trains every head and MLP.",
    "random": "A control: as CLUE, but as many random heads and MLPs.",
    "important": "Nodes with the largest forget scores, to CLUE's number of parameters.",
    "gradient": "Single weights with the largest forget gradients, as many as in CLUE.",
}
MORE = {  # flag: label, lowest, highest, help
    "batch-size": ("Batch size", 1, 4096, "Forget samples, and as many retain samples, per forward pass."),
    "accumulate": ("Accumulation", 1, 1024, "Batches whose gradients are added up before each update."),
    "lora-rank": ("LoRA rank", 1, 1024, "Trains small added matrices of this rank (LoRA) instead of all weights."),
    "evaluate-every": ("Evaluate every", 1, 100_000, "Steps after which every memory is measured, not only after each epoch."),
}


def training(method: str, preset: bool, key: str) -> dict[str, str]:
    """Learning rate and epochs, side by side; an empty field shows what it then is."""
    rate_said, epochs_said = unset_values(method, preset)
    left, right = st.columns(2)
    rate = left.number_input(
        "Learning rate", 1e-8, 1.0, None, step=1e-5, format="%.1e", placeholder=rate_said, key=f"{key}_rate", **KEPT,
        help="Step size of AdamW, the same from the first update to the last; no unit.",
    )
    n_epochs = right.number_input(
        "Epochs", 1, 1000, None, step=1, placeholder=epochs_said, key=f"{key}_epochs", **KEPT,
        help="Passes over the forget set; every memory is measured after each.",
    )
    if not preset and rate is None:
        st.caption(RATE_HINT)
    return given({"learning-rate": rate, "n-epochs": n_epochs})


def unset_values(method: str, preset: bool) -> tuple[str, str]:
    """Learning rate and epochs of a run for which none is given, in words; those of a preset are read off a shipped run."""
    if not preset:
        return f"default: {rate_text(DEFAULT_RATE)}", f"default: {DEFAULT_EPOCHS}"
    made = next((r for r in cached.run_records(studies.embedded()) if r.shipped and r.method == method), None)
    if made is None or made.learning_rate is None or made.n_epochs is None:
        return "preset", "preset"
    return f"preset: {rate_text(made.learning_rate)}", f"preset: {made.n_epochs}"


def rate_text(rate: float) -> str:
    """A learning rate as tables write it: 1.5e-4."""
    return f"{rate:.1e}".replace("e-0", "e-")


def too_short(options: dict[str, str]) -> bool:
    """Whether the run would be refused: easy first and hard first need a second epoch."""
    return options.get("sampling") in CURRICULA and options.get("n-epochs") == "1"


def parts(study: studies.Study, method: str, unset: str, n_epochs: str | None, key: str) -> dict[str, str]:
    """What holds the retain set, and in which order the forget set comes. Curricula need the study's scores."""
    scored = (study.results / "scores" / "scores.csv").is_file()
    offered = [name for name in SAMPLINGS if scored or name not in CURRICULA]
    left, right = st.columns(2)
    none = method in WITHOUT_RETAIN_LOSS
    loss = left.selectbox(
        "Retain loss", ["NLL", "KL"], index=None, placeholder=f"none in {method}" if none else unset, disabled=none,
        key=f"{key}_no_loss" if none else f"{key}_loss", **({} if none else KEPT),
        help="NLL: trains on the retain answers. KL: stays close to the model before, at the retain answers' tokens.",
    )
    sampling = right.selectbox(
        "Sampling", offered, format_func=lambda name: SAMPLINGS[name][0], key=f"{key}_sampling", **KEPT,
        help="Which forget samples an epoch draws, and in which order; always as many.",
    )
    missing = "" if scored else " Easy first and hard first need this study's scores: compute them on the Difficulty page."
    st.caption(SAMPLINGS[sampling][1] + missing)
    if too_short({"sampling": sampling} | ({"n-epochs": n_epochs} if n_epochs else {})):
        st.warning("This order needs at least 2 epochs: in the first half of the run it holds back three quarters of the samples.")
    chosen = None if sampling == "uniform" else sampling
    return given({"retain-loss": None if none else loss, "sampling": chosen})


def mask_label(source: str, what_if: str) -> str:
    """A mask as the select box and the address name it, in the words of the Conflict map."""
    return f"{'own ' if source == 'own' else ''}conflict map: {masks_plot.label(what_if)}"


def weights(study: studies.Study, n_epochs: str | None) -> dict[str, str]:
    """Which weights may change: all, or those that a conflict map of the study frees. In the URL, so that its page can link here."""
    masks = {mask_label(source, name): (folder, name) for source, folder, name in _masks(study)}
    if not masks:
        return {}
    chosen = st.selectbox(
        "Weights that may change", [ALL_WEIGHTS, *masks], key=WEIGHTS, bind="query-params",
        help="All, or those of the nodes that the Conflict map says to forget, or finds in conflict.",
    )
    if chosen == ALL_WEIGHTS:
        return {}
    folder, name = masks[chosen]
    st.caption(f"{WHAT_IFS[name]} All other weights are frozen; LoRA does not go with a mask.")
    sizes = cached.conflicts(study, folder).masks[name]
    if n_epochs == "1" and sizes["stage1"] and sizes["stage2"]:
        st.warning("This mask trains in two stages, which need at least 2 epochs.")
    return {"mask": str(folder), "what-if": name}


def _masks(study: studies.Study) -> list[tuple[str, Path, str]]:
    """Each mask that the study's conflict maps have: which map, its folder, and the what-if. A damaged map has none."""
    found = []
    for source, folder in conflict_source.folders(study).items():
        with suppress(ValueError):
            found += [(source, folder, name) for name in WHAT_IFS if name in cached.conflicts(study, folder).masks]
    return found


def more(unset: str, key: str, *, masked: bool = False) -> dict[str, str]:
    """Everything else, folded away. `unset`: what stands in an empty field, preset or default. A mask leaves no LoRA to choose."""
    values: dict[str, object] = {}
    with st.expander("More settings"):
        st.caption("What is left empty is as in the preset." if unset == "preset" else "What is left empty has the method's default.")
        columns = st.columns(2)
        for place, (flag, (label, low, high, text)) in enumerate(MORE.items()):
            barred = masked and flag == "lora-rank"
            value = columns[place % 2].number_input(
                label, low, high, None, step=1, placeholder="none" if barred else unset, help=text, disabled=barred,
                key=f"{key}_no_{flag}" if barred else f"{key}_{flag}", **({} if barred else KEPT),
            )
            values[flag] = None if barred else value
        values["precision"] = columns[0].selectbox(
            "Precision", ["fp32", "bf16"], index=None, placeholder=unset, key=f"{key}_precision", **KEPT,
            help="Number format of the forward passes. bf16 is faster on a GPU and less exact; the weights stay fp32.",
        )
        values["retain-floor"] = columns[1].number_input(
            "Retain floor", 0.0, 1.0, None, step=0.05, placeholder=unset, key=f"{key}_floor", **KEPT,
            help="A probability: the run stops when that of the retain set falls below it.",
        )
    return given(values)


def given(values: dict[str, object]) -> dict[str, str]:
    """Those that are set, as text."""
    return {flag: f"{value:g}" if isinstance(value, float) else str(value) for flag, value in values.items() if value is not None}
