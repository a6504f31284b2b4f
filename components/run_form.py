"""The form that starts an unlearning run: what will be run, how long it will take, and what is wrong with it."""

from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis import jobs, runs, store, studies
from components import demo_mode, equivalent_command, layout, masks_plot, run_estimate, run_options
from components.formats import duration

METHODS = {
    "GradAscent": "Raises the loss on the forget set and holds nothing: the control that destroys.",
    "GradDiff": "Raises the loss on the forget set while it trains on the retain set.",
    "NPO": "Pushes forget answers below what the model gave them before, less and less as they go.",
    "SimNPO": "NPO without the reference model, with the answer's length divided out.",
    "RMU": "Steers one layer's activations on the forget set towards a random direction.",
    "UNDIAL": "Learns from its former self, in which each token of the forget answers was made less likely.",
    "IdkDPO": "Makes “I do not know” and its like likelier than the forget answers.",
}


PRESET = """Learning rate, epochs, batch size and the method's own arguments as tuned on the embedded model. Off: those of
open-unlearning, for models of about 1B parameters. What is set below goes before either."""
SEED = "Decides every random choice: the order of samples, the retain batches. Runs that differ in it alone show how far chance goes."
NAME = "What Outcomes calls the run. Letters a-z, digits and . _ -; empty: the name that is shown."


@dataclass(frozen=True)
class RunRequest:
    """A run to start: the command-line arguments, and the folder that they write."""

    arguments: list[str]
    output: Path


def choose_method(*, key: str) -> str:
    """The seven methods in a row, which takes the width of the page, and what the chosen one does."""
    method = st.segmented_control("Method", list(METHODS), default="NPO", required=True, key=f"{key}_method", bind="query-params")
    st.caption(METHODS[method])
    return method


def show(study: studies.Study, records: list[runs.RunRecord], method: str, start: DeltaGenerator, *, key: str) -> RunRequest | None:
    """The form; returns a request when Start was pressed. `records`: the study's earlier runs, for the time estimate.

    `start` is where the button and the estimates go: above the form, where no screen is too low to show them.
    """
    preset = st.checkbox(
        "Preset for the embedded model", value=study.slug == "embedded", key=f"{key}_preset", bind="query-params", help=PRESET
    )
    unset = "preset" if preset else "default"
    options = run_options.training(method, preset, key)
    n_epochs = options.get("n-epochs")
    options |= run_options.parts(study, method, unset, n_epochs, key) | run_options.weights(study, n_epochs)
    left, right = st.columns(2)
    seed = left.number_input("Seed", 0, 2**31 - 1, 0, step=1, key=f"{key}_seed", bind="query-params", help=SEED)
    varied = [options[name] for name in ("sampling", "what-if") if name in options]
    suggestion = free_name(study, "-".join([method.lower(), *varied, f"seed{seed}"]))
    typed = right.text_input("Run name", placeholder=suggestion, max_chars=64, key=f"{key}_name", bind="query-params", help=NAME)
    options |= run_options.more(unset, key, masked="mask" in options)
    name = typed.strip() or suggestion
    problem = name_problem(study, name)
    request = None if problem else build(study, method, name, seed, preset, options)
    if request:
        equivalent_command.show(request.arguments, label="The command that Start runs")
    if problem:
        with start:
            layout.problem("A run cannot have this name.", problem)
    button, said, more = start.columns([3, 12, 4.6], vertical_alignment="center")
    with button:
        barred = problem is not None or run_options.too_short(options)
        pressed = not demo_mode.closed("starting runs") and st.button(
            "Start", type="primary", disabled=barred, width="stretch", key=f"{key}_start"
        )
    with said.container(gap=None):
        if "what-if" in options:
            st.caption(f"**Under a mask** ({masks_plot.label(options['what-if'])}): all other weights are frozen.")
        st.caption(estimate_text(runs.estimate_seconds(records, method, int(n_epochs) if n_epochs else None)))
        run_estimate.show(study, method, preset, options, more)
    return request if pressed else None


def build(study: studies.Study, method: str, name: str, seed: int, preset: bool, options: dict[str, str]) -> RunRequest:
    """The `unlearn` command line. `options`: its further flags, without dashes; all others are left to the preset."""
    output = runs.runs_folder(study) / store.check_slug(name)
    arguments = ["unlearn", *model(study)]
    arguments += ["--forget", short(study.forget), "--retain", short(study.retain), "--method", method]
    arguments += [*(["--preset", "embedded"] if preset else []), "--seed", str(seed)]
    arguments += [word for flag, value in options.items() for word in (f"--{flag}", short(value) if flag == "mask" else value)]
    if options.get("sampling") in run_options.CURRICULA:
        arguments += ["--scores", short(study.results / "scores")]
    return RunRequest([*arguments, "--output", short(output)], output)


def free_name(study: studies.Study, name: str) -> str:
    """`name`, or the first of `name`-2, `name`-3, ... that no run of the study has."""
    number, free = 1, name
    while name_problem(study, free):
        number += 1
        free = f"{name}-{number}"
    return free


def name_problem(study: studies.Study, name: str) -> str | None:
    """Why a run cannot have this name; None if it can."""
    try:
        store.check_slug(name)
    except ValueError as error:
        return f"Run name: {error}."
    if name.endswith(".partial"):
        return "Run name: '.partial' marks a run that is being written. Choose another ending."
    taken = [(runs.runs_folder(study) / name).exists(), (study.results / "runs" / name).exists()]
    taken += [job.active and job.output == runs.runs_folder(study) / name for job in jobs.jobs()]
    return f"Run name: there is already a run {name!r}. Choose another name." if any(taken) else None


def estimate_text(estimate: tuple[float, int] | None) -> str:
    if estimate is None:
        return "Time: not known yet. No earlier run of this study was timed."
    seconds, n_runs = estimate
    source = f"{n_runs} earlier run{'s' if n_runs > 1 else ''}"
    return f"Time: about {duration(seconds)} of training, as measured on {source}, plus loading and saving."


def model(study: studies.Study) -> list[str]:
    """The study's model as every command takes it."""
    return [short(word) for word in study.model_arguments]


def short(path: str | Path) -> str:
    """Relative to the project, where the command runs, if it lies there; a hub id as it is."""
    inside = Path(path).is_absolute() and Path(path).is_relative_to(store.PROJECT)
    return str(Path(path).relative_to(store.PROJECT)) if inside else str(path)
