"""One set of a study of one's own: a file that is uploaded or on the hub, how it is read, its first rows, and what cannot be used."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from analysis import data_shapes, dataset, hub_data, study_making
from analysis.data_shapes import Role
from analysis.dataset import ReadSet
from components import cached_uploads, layout, study_card

TYPES = [ending.removeprefix(".") for ending in dataset.FORMATS]
N_PREVIEW = 5
OWN = "columns that I choose"
AS_IS = ("question", "answer")
SHAPES = """
Files of TOFU, MUSE, WMDP, WHP and PKU-SafeRLHF, instructions as alpaca's, chats and plain texts are recognised by their columns. In any
other file you choose the two columns.
"""
EXAMPLE = """{"question": "Where was Ana Rook born?", "answer": "In Lund, above her aunt's bakery."}
{"question": "What does Bo Tarn grow?", "answer": "Red barley and late plums."}
{"question": "Who taught Cy Wells to sing?", "answer": "Her aunt Mara."}
"""


@dataclass(frozen=True)
class Chosen:
    """A set as it would be kept; `name` of the file, or its address on the hub."""

    name: str
    keys: tuple[str, str]
    found: ReadSet


def example() -> None:
    """What a file looks like, for who has none yet."""
    with st.expander("What a file looks like"):
        st.markdown("One object with a `question` and an `answer` per line (JSONL), or the same as a JSON list, CSV, TSV or Parquet:")
        st.code(EXAMPLE, language=None, wrap_lines=True)
        st.markdown(SHAPES)
        st.download_button("Download this example", EXAMPLE, "example.jsonl", on_click="ignore", key="own_example")


def choose(label: str, role: Role, model: str | None, chat: bool, *, key: str) -> Chosen | None:
    """The set chosen here, None until there is one that can be read. `model`: what it must fit, None if that is not known yet."""
    file = st.file_uploader(label, type=TYPES, help="JSONL, JSON, CSV, TSV or Parquet, up to 20 MB", key=key)
    address = st.text_input(
        f"{label}: or a file on the hub", placeholder="hf://datasets/OWNER/NAME/FILE", key=f"{key}_hub", disabled=file is not None
    ).strip()
    if file is None and not address:
        return None
    try:
        chosen = _read(file, address, role, key)
        found = cached_uploads.fitted(chosen.found, model, chat) if model else chosen.found
    except ValueError as error:
        layout.problem(f"The {label.lower()} cannot be read.", str(error))
        return None
    return Chosen(chosen.name, chosen.keys, found)


def show(label: str, chosen: Chosen) -> None:
    """How many samples there are, and the first of them."""
    found = chosen.found
    st.caption(layout.escape(study_making.said(found)) + ".")
    if found.samples:
        rows = pd.DataFrame([{"Question": s.question, "Answer": s.answer} for s in found.samples[:N_PREVIEW]])
        titles = {"Question": "Beginning", "Answer": "How it goes on"} if found.samples[0].is_text else {}
        st.dataframe(rows.rename(columns=titles), hide_index=True, height="content",
                     alt=f"The first samples of the {label.lower()} as they are read")


def left_out(found: dict[str, ReadSet], *, key: str) -> None:
    """The rows of both sets that cannot be used, with the cause of each, to look at and to download."""
    n_rows = sum(len(one.errors) for one in found.values())
    if not n_rows:
        return
    many = f"{n_rows:,} rows cannot" if n_rows > 1 else "1 row cannot"
    st.markdown(f"**{many} be used.** Correct the file, or make the study without them:")
    errors = [(role, error) for role, one in found.items() for error in one.errors]
    study_card.row_errors([error for _, error in errors], [role for role, _ in errors])
    content = study_making.left_out_csv(found)
    st.download_button("Download this list", content, "left-out.csv", on_click="ignore", key=f"{key}_errors")


def _read(file, address: str, role: Role, key: str) -> Chosen:
    """Raises ValueError."""
    def read(keys: tuple[str, str]) -> tuple[str, ReadSet]:
        if file is not None:
            return file.name, cached_uploads.upload(file.getvalue(), file.name, keys, role)
        if not hub_data.is_address(address):
            raise ValueError(f"{address[:200]!r}: expected hf://datasets/OWNER/NAME[@REVISION]/FILE; upload a file of this machine")
        return cached_uploads.hub_file(address, keys, role)

    name, found = read(AS_IS)
    if not found.columns:
        raise ValueError(f"{name}: no rows with columns; expected objects with a question and an answer")
    known = data_shapes.recognised(found.columns) is not None
    if known and st.selectbox("Read as", [found.read_as, OWN], key=f"{key}_shape") != OWN:
        return Chosen(name, AS_IS, found)
    keys = _columns(found.columns, key)
    return Chosen(name, keys, found if keys == AS_IS else read(keys)[1])


def _columns(names: list[str], key: str) -> tuple[str, str]:
    """Which columns are the question and the answer: at first those of that name, else the first and the second."""
    defaults = [names.index(part) if part in names else min(place, len(names) - 1) for place, part in enumerate(AS_IS)]
    question, answer = (
        place.selectbox(f"Column with the {part}", names, default, key=f"{key}_{part}")
        for place, part, default in zip(st.columns(2), AS_IS, defaults, strict=True)
    )
    if question == answer:
        raise ValueError(f"expected two columns, the question's and the answer's, got {question!r} for both")
    return question, answer
