"""What a run will take, said before it starts: memory, and how many jobs are before it."""

import pandas as pd
import psutil
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from analysis import jobs, model_files, model_source, run_memory, studies
from analysis.run_memory import RunShape
from components import cached

BATCH = {True: 8, False: 16}  # samples of each set in a forward pass, with the embedded preset and without
CHARACTERS = 3  # of English per token; tokenizers take about four, so this errs upwards
ASSUMED = """Weights and optimiser state are counted from the shapes in the model's files, in float32, on the device that computes.
Activations are a guess from the longest sample and the batch size. Saving and the last measurement come after training."""


def show(study: studies.Study, method: str, preset: bool, options: dict[str, str], more: DeltaGenerator) -> None:
    """Memory, with its parts in `more`, and the queue. `options`: flags without dashes."""
    try:
        parts = memory(study, shape_of(study, method, preset, options))
    except ValueError:  # a hub model still to be downloaded, or a folder without safetensors
        st.caption("Memory: not known. It is counted from weights (safetensors) on this machine.")
    else:
        _memory(parts, more)
    ahead = sum(job.active and job.device == jobs.device_of(()) for job in jobs.jobs())
    if ahead:
        st.caption(f"Queue: {ahead} job{'s' if ahead > 1 else ''} before this one; it starts by itself.")


def _memory(parts: dict[str, int], more: DeltaGenerator) -> None:
    total, free = sum(parts.values()), psutil.virtual_memory().available
    said = f"Memory: about {gigabytes(total)}; this machine has {gigabytes(free)} free"
    if total > free:
        st.warning(f"{said}. Without a GPU that has as much, the run will end early: a smaller batch or LoRA takes less.")
    else:
        st.caption(f"{said}.")
    with more.popover("What takes the memory", width="stretch"):
        table = pd.DataFrame({"Part": list(parts), "Memory": [gigabytes(size) for size in parts.values()]})
        st.dataframe(table, hide_index=True, height="content")
        st.caption(ASSUMED)


def memory(study: studies.Study, run: RunShape) -> dict[str, int]:
    """Bytes by what takes them. Raises ValueError where the model's safetensors are not on this machine."""
    folder = model_source.on_this_machine(study.model)
    if folder is None:
        raise ValueError(f"{study.model}: not downloaded yet")
    return run_memory.estimate(cached.tensor_shapes(folder), model_files.model_config(folder), run)


def shape_of(study: studies.Study, method: str, preset: bool, options: dict[str, str]) -> RunShape:
    """The settings that decide a run's memory, from the form's."""
    rank = options.get("lora-rank")
    return RunShape(
        method, int(options.get("batch-size", BATCH[preset])), longest(study), options.get("retain-loss", "NLL"),
        options.get("precision", "fp32"), int(rank) if rank else None, "retain-floor" in options, "mask" in options,
    )


def longest(study: studies.Study) -> int:
    """Tokens of the longest sample, guessed from its characters; at most as many as the model reads."""
    samples = [*cached.forget_samples(study), *cached.retain_samples(study)]
    guess = max((len(s.question) + len(s.answer) for s in samples), default=0) // CHARACTERS + 16  # and the prompt's own words
    folder = model_source.on_this_machine(study.model)
    limit = model_files.model_config(folder).get("max_position_embeddings") if folder else None
    return min(guess, limit) if isinstance(limit, int) else guess


def gigabytes(n_bytes: int) -> str:
    """0.02 GB, 1.4 GB, 120 GB."""
    value = n_bytes / 1e9
    return f"{value:.0f} GB" if value >= 10 else f"{value:.2g} GB" if value >= 0.01 else "< 0.01 GB"
