"""Make a study of one's own: a model folder or hub id, a forget file and a retain file."""

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import streamlit as st

from analysis import dataset, store, studies
from components import demo_mode, layout, study_card

TYPES = [ending.removeprefix(".") for ending in dataset.FORMATS]
N_PREVIEW = 5
T = TypeVar("T")


@dataclass(frozen=True)
class Upload:
    """A file as it was uploaded, and which of its columns are the question and the answer."""

    name: str
    content: bytes
    question_key: str
    answer_key: str


def show(*, key: str) -> str | None:
    """The form; returns the new study's slug once it was made. Problems are shown and nothing is written."""
    if demo_mode.closed("uploading a study"):
        return None
    with st.container(border=True):
        left, right = st.columns(2, gap="medium")
        title = left.text_input("Name of the study", placeholder="my-model", key=f"{key}_title")
        model = right.text_input("Model", placeholder="path of a Hugging Face folder, or a hub id", key=f"{key}_model")
        with left:
            forget = _upload("Forget set", key=f"{key}_forget")
        with right:
            retain = _upload("Retain set", key=f"{key}_retain")
        if not st.button("Make the study", type="primary", key=f"{key}_make"):
            return None
    slug = re.sub(r"[^a-z0-9._-]+", "-", title.strip().lower())
    try:
        studies.create(slug, title.strip(), model.strip(), *_checked(slug, model, forget, retain), (".jsonl", ".jsonl"))
    except (ValueError, OSError) as error:
        layout.problem("The study was not made.", str(error))
        return None
    return slug


def _upload(label: str, *, key: str) -> Upload | None:
    """A file to choose; below it which columns are meant, the first rows as they are read, and the rows that cannot be."""
    meaning = "Rows with a question and an answer; JSON, JSONL, CSV or Parquet, up to 20 MB"
    file = st.file_uploader(label, type=TYPES, help=meaning, key=key)
    if file is None:
        return None
    whole = Upload(file.name, file.getvalue(), "", "")
    try:
        names = _read(whole, dataset.columns)
        if not names:
            raise ValueError(f"{file.name}: no rows with columns; expected objects with a question and an answer")
        keys = _columns(names, key)
        upload = Upload(file.name, whole.content, *keys)
        found, errors = _read(upload, lambda path: dataset.read_samples(path, *keys))
    except ValueError as error:
        layout.problem(f"The {label.lower()} cannot be read.", str(error))
        return None
    st.caption(f"{len(found):,} rows can be used" + (f", {len(errors):,} cannot: correct or remove these." if errors else "."))
    if found:
        first = study_card.table(found[:N_PREVIEW])[["question", "answer"]].rename(columns=str.capitalize)
        st.dataframe(first, hide_index=True, height="content", alt=f"The first rows of the {label.lower()} as they are read")
    if errors:
        study_card.row_errors(errors)
    return upload


def _columns(names: list[str], key: str) -> list[str]:
    """Which columns are the question and the answer: at first those of that name, else the first and the second."""
    defaults = [names.index(part) if part in names else min(place, len(names) - 1) for place, part in enumerate(("question", "answer"))]
    keys = [
        place.selectbox(f"Column with the {part}", names, default, key=f"{key}_{part}")
        for place, part, default in zip(st.columns(2), ("question", "answer"), defaults, strict=True)
    ]
    if keys[0] == keys[1]:
        raise ValueError(f"expected two columns, the question's and the answer's, got {keys[0]!r} for both")
    return keys


def _checked(slug: str, model: str, forget: Upload | None, retain: Upload | None) -> list[bytes]:
    """Both sets as they are to be kept. Raises ValueError saying what is missing or wrong."""
    store.check_slug(slug)
    if any(study.slug == slug for study in studies.known()):
        raise ValueError(f"There is already a study {slug!r}; choose another name.")
    folder = Path(model.strip()).expanduser()
    if not model.strip():
        raise ValueError("Name a model: a Hugging Face folder on this machine, or a hub id.")
    if (folder.is_absolute() or model.startswith((".", "~"))) and not (folder / "config.json").is_file():
        raise ValueError(f"Expected a Hugging Face folder with config.json at {folder}, found none.")
    if forget is None or retain is None:
        raise ValueError("Give both files: a forget set and a retain set.")
    return [_normalised(upload) for upload in (forget, retain)]


def _normalised(upload: Upload) -> bytes:
    """The rows as JSONL with `question` and `answer`. Raises ValueError naming the first bad row of the file."""
    samples = _read(upload, lambda path: dataset.load_samples(path, upload.question_key, upload.answer_key))
    rows = [{"question": s.question, "answer": s.answer, "corrupted_question": s.corrupted_question, "meta": s.meta} for s in samples]
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()


def _read(upload: Upload, read: Callable[[Path], T]) -> T:
    """What `read` makes of the file; its errors name the file as the person does."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(upload.name).suffix.lower()}"
        path.write_bytes(upload.content)
        try:
            return read(path)
        except dataset.DataError as error:
            raise ValueError(str(error).replace(str(path), upload.name)) from error
