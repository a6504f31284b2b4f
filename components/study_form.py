"""Make a study of one's own: a model folder or hub id, a forget file and a retain file."""

import json
import re
import tempfile
from pathlib import Path

import streamlit as st

from analysis import dataset, store
from components import demo_mode, layout

TYPES = [ending.removeprefix(".") for ending in dataset.FORMATS]


def show(*, key: str) -> str | None:
    """The form; returns the new study's slug once it was made. Problems are shown and nothing is written."""
    if demo_mode.closed("uploading a study"):
        return None
    with st.form(key, border=True):
        left, right = st.columns(2)
        title = left.text_input("Name of the study", placeholder="my-model")
        model = right.text_input("Model", placeholder="path of a Hugging Face folder, or a hub id")
        forget = left.file_uploader("Forget set", type=TYPES, help="Rows with question and answer")
        retain = right.file_uploader("Retain set", type=TYPES, help="Rows with question and answer")
        question_key = left.text_input("Column with the question", "question")
        answer_key = right.text_input("Column with the answer", "answer")
        if not st.form_submit_button("Make the study", type="primary"):
            return None
    slug = re.sub(r"[^a-z0-9._-]+", "-", title.strip().lower())
    try:
        _check(slug, model, forget, retain)
        sets = [_normalised(file, question_key, answer_key) for file in (forget, retain)]
        store.create_study(slug, title.strip(), model.strip(), *sets, (".jsonl", ".jsonl"))
    except (ValueError, OSError) as error:
        layout.problem("The study was not made.", str(error))
        return None
    return slug


def _check(slug: str, model: str, forget, retain) -> None:
    store.check_slug(slug)
    if any(study.slug == slug for study in store.studies()):
        raise ValueError(f"There is already a study {slug!r}; choose another name.")
    folder = Path(model.strip()).expanduser()
    if not model.strip():
        raise ValueError("Name a model: a Hugging Face folder on this machine, or a hub id.")
    if (folder.is_absolute() or model.startswith((".", "~"))) and not (folder / "config.json").is_file():
        raise ValueError(f"Expected a Hugging Face folder with config.json at {folder}, found none.")
    if forget is None or retain is None:
        raise ValueError("Give both files: a forget set and a retain set.")


def _normalised(file, question_key: str, answer_key: str) -> bytes:
    """The usable rows as JSONL with `question` and `answer`. Raises ValueError naming the first bad row of the file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{Path(file.name).suffix.lower()}"
        path.write_bytes(file.getvalue())
        try:
            samples = dataset.load_samples(path, question_key, answer_key)
        except dataset.DataError as error:
            raise ValueError(str(error).replace(str(path), file.name)) from error
    rows = [{"question": s.question, "answer": s.answer, "corrupted_question": s.corrupted_question, "meta": s.meta} for s in samples]
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()
