"""A study's model in numbers, from its files: nothing is loaded, and a hub id that is not on disk is only named."""

import math
from pathlib import Path
from typing import Any

import streamlit as st

from analysis import jobs, model_files, model_source, studies, token_lengths
from analysis.dataset import Sample
from components import cached, layout
from components.formats import shortened

SIZES = {"num_hidden_layers": "Layers", "num_attention_heads": "Heads per layer", "hidden_size": "Width"}
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}  # of a number; "auto" is as stored
TEMPLATE = "by the chat template of its tokenizer"


def show(study: studies.Study, first: Sample | None) -> None:
    """Sizes from config.json, parameters from the weights' headers, and how `first`, a sample, is asked."""
    folder = _folder(study)
    config = model_files.model_config(folder) if folder else {}
    n_parameters, problem = _parameters(folder) if folder and config else (0, "")
    for column, (label, value) in zip(st.columns(7), _figures(study, folder, config, n_parameters).items(), strict=False):
        column.metric(label, value)
    st.text(" ".join([_name(study, config), *_words(study, config, n_parameters)]))
    if problem:
        st.caption("The number of parameters is not known: the weights on disk cannot be read.")
        st.text(problem)
    if first is not None:
        st.text(_asked(study, folder, first))
    if folder and config and (folder / "README.md").is_file():
        with st.expander("Model card", key="model_card", on_change="rerun", bind="query-params"):
            st.text((folder / "README.md").read_text(errors="replace"))


def _folder(study: studies.Study) -> Path | None:
    """Where the model's files are, None if they are not on this machine."""
    try:
        return model_source.on_this_machine(study.model)
    except ValueError:
        return None


def _figures(study: studies.Study, folder: Path | None, config: dict[str, Any], n_parameters: int) -> dict[str, str]:
    """Those that are known, by what they are called."""
    kind = config.get("model_type")
    figures = {"Architecture": layout.escape(shortened(kind, 12)) if isinstance(kind, str) else "known once loaded"}
    figures |= {label: f"{config[key]:,}" for key, label in SIZES.items() if isinstance(config.get(key), int)}
    if folder and n_parameters:
        figures |= {"Parameters": compact(n_parameters), "Weights in memory": size(_n_bytes(study.dtype, folder, n_parameters))}
    return figures | {"Computed on": "CPU" if jobs.device_of(()) == "cpu" else "CUDA GPU"}


def _parameters(folder: Path) -> tuple[int, str]:
    """How many numbers the weights hold; 0 and why where that cannot be read."""
    if not any(folder.glob("*.safetensors")):
        return 0, ""
    try:
        return sum(math.prod(shape) for shape in cached.tensor_shapes(folder).values()), ""
    except ValueError as error:
        return 0, str(error)


def _n_bytes(dtype: str, folder: Path, n_parameters: int) -> int:
    return n_parameters * BYTES[dtype] if dtype in BYTES else sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _name(study: studies.Study, config: dict[str, Any]) -> str:
    if study.model == str(model_source.EMBEDDED):
        return "The small model that comes with Lethe, trained on an invented world."
    absent = "" if config else ", which is not on this machine yet: it is downloaded when it is first computed"
    return f"{shortened(study.model, 200)}{absent}."


def _words(study: studies.Study, config: dict[str, Any], n_parameters: int) -> list[str]:
    """What the figures leave out, a sentence each."""
    as_what = "as its weights are stored" if study.dtype == "auto" else f"in {study.dtype}"
    said = [f"{n_parameters:,} parameters, computed {as_what}; a run takes several times their memory."] if n_parameters else []
    longest, vocabulary = (config.get(key) for key in ("max_position_embeddings", "vocab_size"))
    if isinstance(longest, int) and isinstance(vocabulary, int):
        said.append(f"It reads at most {longest:,} tokens, of a vocabulary of {vocabulary:,}.")
    shared = config.get("num_key_value_heads")
    if isinstance(shared, int) and shared != config.get("num_attention_heads"):
        said.append(f"A layer's heads share {shared} keys and values.")
    return said


def _asked(study: studies.Study, folder: Path | None, first: Sample) -> str:
    """How a sample is put to this model."""
    if first.is_text:
        return f"It is given the beginning of a text, such as \"{shortened(first.question, 80)}\", and goes on."
    if study.chat and folder is None:
        return f"It is asked {TEMPLATE} if it has one, else as \"{shortened(first.prompt, 120)}\"."
    if study.chat and folder is not None and token_lengths.has_template(folder):
        return f"It is asked {TEMPLATE}, such as \"{shortened(first.question, 120)}\"."
    return f"It is asked as in \"{shortened(first.prompt, 120)}\", and the answer follows."


def compact(number: int) -> str:
    """950, 12,345, 1.74 M, 124 M, 7.24 B."""
    for limit, letter in ((10**9, "B"), (10**6, "M")):
        if number >= limit:
            return f"{number / limit:.3g} {letter}"
    return f"{number:,}"


def size(n_bytes: int) -> str:
    """32 kB, 7.0 MB, 14.5 GB."""
    if n_bytes < 1e6:
        return f"{n_bytes / 1e3:.0f} kB"
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
