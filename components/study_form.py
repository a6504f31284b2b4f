"""Make a study of one's own: a model and two sets, with what is known of each before anything is computed."""

from dataclasses import dataclass

import streamlit as st

from analysis import studies, study_making, token_lengths
from components import cached_uploads, demo_mode, equivalent_command, layout, study_upload
from components.study_model import size
from components.study_upload import Chosen

MODEL_HELP = """`embedded`, the path of a Hugging Face folder on this machine, or a hub id `OWNER/NAME[@REVISION]`, which is recorded
with its commit. Weights must be safetensors; no code of a model runs."""
CORRUPT_HELP = """For patching: the same question about another subject, of as many tokens. For the truth ratio: other answers to the
same question, of as many tokens. What a file brings is kept."""
DTYPE_HELP = "auto: as they are stored. Half precision takes half the memory and is less exact; training is always in float32."
PLAIN_PROMPT = '"Question: .. Answer:"'
LABELS = {"forget": "Forget set", "retain": "Retain set"}


@dataclass(frozen=True)
class ChosenModel:
    """The model that is named in the form; `about` it (`cached_uploads.about`), None if it cannot be taken as it is."""

    name: str
    dtype: str
    chat: bool
    about: dict | None


def show(*, key: str) -> str | None:
    """The form; returns the new study's slug once it was made. Problems are shown and nothing is written."""
    if demo_mode.closed("uploading a study"):
        return None
    with st.container(border=True):
        left, right = st.columns(2, gap="medium")
        title = left.text_input("Name of the study", placeholder="my-model", key=f"{key}_title").strip()
        with left:
            study_upload.example()
        with right:
            model = _model(key)
        sets = _sets(model, key)
        study_upload.left_out({role: chosen.found for role, chosen in sets.items()}, key=key)
        can_corrupt = bool(model.about and model.about.get("has_tokenizer"))
        corrupt = st.checkbox("Make corrupted questions and false answers where a set lacks them", help=CORRUPT_HELP,
                              disabled=not can_corrupt, key=f"{key}_corrupt") and can_corrupt
        pressed = st.button("Make the study", type="primary", key=f"{key}_make")
        equivalent_command.show(command(title, model, sets, corrupt))
    return _made(title, model, sets, corrupt) if pressed else None


def _model(key: str) -> ChosenModel:
    """The model's name, in which numbers and by which prompts it is computed, and what is known of it."""
    place, number = st.columns([2, 1], vertical_alignment="bottom")
    name = place.text_input("Model", placeholder="folder, OWNER/NAME, or embedded", help=MODEL_HELP, key=f"{key}_model").strip()
    dtype = number.selectbox("Weights as", studies.DTYPES, key=f"{key}_dtype", help=DTYPE_HELP)
    if not name:
        st.caption("Name a model to see its memory, and which samples it can read whole.")
        return ChosenModel("", dtype, True, None)
    try:
        about = cached_uploads.about(name, dtype)
    except (ValueError, OSError) as error:
        layout.problem("This model cannot be taken.", str(error))
        return ChosenModel(name, dtype, True, None)
    chat = not about.get("has_template") or st.toggle("Prompts by the tokenizer's chat template", True,
                                                      help=f"Off: {PLAIN_PROMPT}, as for a base model", key=f"{key}_chat")
    _said(about)
    if about.get("has_tokenizer") and not about.get("has_template"):
        st.caption(f"Its tokenizer has no chat template: a sample is asked as {PLAIN_PROMPT}, and its answer follows.")
    return ChosenModel(name, dtype, chat, about)


def _said(about: dict) -> None:
    memory, kind = about["memory"], "On the hub; it is downloaded when it is first computed"
    if "type" in about:
        kind = f"Type {layout.escape(str(about['type']))}, reads {about['max_length'] or 'an unknown number of'} tokens"
    needed = "an unknown amount" if memory.needed is None else size(memory.needed)
    st.caption(f"{kind}. Loading takes {needed} of memory; {size(memory.free)} are free.")
    if memory.refusal:
        layout.problem("This model does not fit into memory.", memory.refusal)
    elif memory.unknown:
        st.text(memory.unknown)


def _sets(model: ChosenModel, key: str) -> dict[str, Chosen]:
    """Both sets side by side, those that can be read by name; what is to be forgotten is taken out of what is to be kept."""
    name = model.name if model.about else None
    columns, found = dict(zip(LABELS, st.columns(2, gap="medium"), strict=True)), {}
    for role, label in LABELS.items():
        with columns[role]:
            chosen = study_upload.choose(label, role, name, model.chat, key=f"{key}_{role}")
        if chosen and role == "retain" and "forget" in found:
            chosen = Chosen(chosen.name, chosen.keys, study_making.without_forgotten(chosen.found, found["forget"].found))
        if chosen:
            found[role] = chosen
            with columns[role]:
                study_upload.show(label, chosen)
    return found


def command(title: str, model: ChosenModel, sets: dict[str, Chosen], corrupt: bool) -> list[str]:
    """The same as arguments of `python -m analysis`; what is not chosen yet stands in capitals."""
    options = [] if model.dtype == "float32" else ["--dtype", model.dtype]
    options += ["--no-chat-template"] * (not model.chat) + ["--corrupt"] * corrupt
    files = []
    for role in LABELS:
        files += [f"--{role}", sets[role].name if role in sets else "FILE"]
    for role, prefix in (("forget", ""), ("retain", "retain-")):
        keys = sets[role].keys if role in sets else study_upload.AS_IS
        if keys != (sets["forget"].keys if role == "retain" and "forget" in sets else study_upload.AS_IS):
            files += [f"--{prefix}question-key", keys[0], f"--{prefix}answer-key", keys[1]]
    return ["study", "make", "--name", title or "NAME", "--model", model.name or "MODEL", *options, *files]


def _made(title: str, model: ChosenModel, sets: dict[str, Chosen], corrupt: bool) -> str | None:
    try:
        with st.spinner("Making the study"):
            study_making.free_slug(title)
            recorded = study_making.checked_model(model.name)
            if missing := [label.lower() for role, label in LABELS.items() if role not in sets]:
                raise ValueError(f"give both files: the {' and the '.join(missing)} is missing")
            found = {role: chosen.found for role, chosen in sets.items()}
            if corrupt:
                by = token_lengths.reader(recorded, model.chat)
                found = {role: study_making.fitted(one, by, corrupt=True) for role, one in found.items()}
            names = {role: chosen.name for role, chosen in sets.items()}
            return study_making.make(title, recorded, names, found, model.dtype, model.chat).slug
    except (ValueError, OSError) as error:
        layout.problem("The study was not made.", str(error))
        return None
