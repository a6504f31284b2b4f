"""From two files and a model's name to a study: what can be used is kept, what cannot is listed, and both are said.

A page and the command `study make` both go through here.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from analysis import atomic, corruption, dataset, hub_data, model_files, model_source, place, plain_files, studies, token_lengths
from analysis.data_shapes import Role
from analysis.dataset import ReadSet
from analysis.token_lengths import Reader


@dataclass(frozen=True)
class SetFile:
    """A file to make a set of; `name` is what its owner calls it, or its address on the hub with the commit."""

    path: Path
    name: str
    question_key: str = "question"
    answer_key: str = "answer"


def named_file(name: str, question_key: str = "question", answer_key: str = "answer") -> SetFile:
    """A path or a hub address, which is fetched. Raises ValueError."""
    if not hub_data.is_address(name):
        return SetFile(Path(name).expanduser(), name, question_key, answer_key)
    path, address = hub_data.fetched(name)
    return SetFile(path, address, question_key, answer_key)


def read(file: SetFile, role: Role) -> ReadSet:
    """The set that is in the file; raises ValueError that calls it by its name."""
    try:
        return dataset.read_set(file.path, file.question_key, file.answer_key, role=role)
    except dataset.DataError as error:
        raise ValueError(str(error).replace(str(file.path), file.name)) from error


def fitted(found: ReadSet, by: Reader, corrupt: bool = False) -> ReadSet:
    """The samples that a model can read whole; the others become errors. Nothing is left out where its tokenizer is not known.

    With `corrupt`, samples get a corrupted question and false answers where they have none. One that gets none is kept: only what
    needs them will say that they are missing. Raises ValueError where that needs a tokenizer that is not known.
    """
    if by.tokenizer is None:
        if corrupt:
            raise ValueError("corrupted questions need the model's tokenizer.json on this machine; make the study without them")
        return found
    too_long = token_lengths.length_report(found.samples, by)
    samples = [sample for sample, problem in zip(found.samples, too_long, strict=True) if problem is None]
    if corrupt:
        samples = corruption.perturb(corruption.corrupt(samples, by.tokenizer)[0], by.tokenizer)[0]
    return replace(found, samples=samples, errors=[*found.errors, *filter(None, too_long)])


def without_forgotten(retain: ReadSet, forget: ReadSet) -> ReadSet:
    """The retain set without samples that are to be forgotten: nothing can be forgotten and kept at once."""
    places = {sample.id: sample.place for sample in forget.samples}
    both = [sample.error("", f"is in the forget set too (row {places[sample.id]})") for sample in retain.samples if sample.id in places]
    return replace(retain, samples=[s for s in retain.samples if s.id not in places], errors=[*retain.errors, *both])


def checked_model(name: str) -> str:
    """The model's name as a study records it: a hub id with its commit. Raises ValueError if it is none, or cannot be analysed."""
    if not name.strip():
        raise ValueError("name a model: a Hugging Face folder on this machine, a hub id OWNER/NAME, or embedded")
    folder, recorded = model_source.local(name.strip()), model_source.pinned(name.strip())
    try:
        model_files.check(folder) if folder else model_files.check_config(model_source.with_config(recorded))
    except model_source.ModelError as error:
        raise ValueError(f"{name}: {error}") from error
    return recorded


def make(
    title: str, model: str, names: dict[str, str], sets: dict[str, ReadSet], dtype: str = "float32", chat: bool = True
) -> studies.Study:
    """Write a study of a checked model; its name is the slug of the title. `sets`, and their files' names, by `forget` and `retain`.

    Raises ValueError if there is a study of that name, or if a set has no sample.
    """
    slug = free_slug(title)
    sources = {}
    for role, found in sets.items():
        if not found.samples:
            first = f"; the first of {len(found.errors)} problems: {found.errors[0]}" if found.errors else ""
            raise ValueError(f"{names[role]}: no row can be used for the {role} set{first}")
        sources[role] = {"file": names[role], "read_as": found.read_as, "n_left_out": len(found.errors)}
    content = (dataset.as_jsonl(sets[name].samples) for name in ("forget", "retain"))
    more = {"dtype": dtype, "chat": chat, "sources": sources}
    errors = any(found.errors for found in sets.values())
    return studies.create(slug, title.strip(), model, *content, more=more, left_out=left_out_csv(sets) if errors else None)


def said(found: ReadSet) -> str:
    """How many samples a set has, how it was read, and what was left out or made."""
    made = [(sum(s.corrupted_question is not None for s in found.samples), "with a corrupted question"),
            (sum(s.meta.get("perturbed_answer") is not None for s in found.samples), "with false answers"),
            (len(found.errors), "rows left out")]
    return ", ".join([f"{len(found.samples):,} samples, read as {found.read_as}", *(f"{n:,} {what}" for n, what in made if n)])


def left_out_csv(sets: dict[str, ReadSet]) -> bytes:
    """The rows that cannot be used: the set, row, column and cause."""
    rows = [{"set": name, **vars(error)} for name, found in sets.items() for error in found.errors]
    return atomic.csv_bytes(pd.DataFrame(rows, columns=["set", "row", "column", "cause"]))


def read_left_out(file: Path) -> pd.DataFrame:
    """The same again, from the study's folder. Raises ValueError if the file is damaged."""
    try:
        rows = pd.read_csv(file, dtype={"set": str, "row": int, "column": str, "cause": str}, keep_default_na=False)
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(f"{file}: expected the table of rows that were left out: {plain_files.one_line(error)}") from error
    if list(rows) != ["set", "row", "column", "cause"]:
        raise ValueError(f"{file}: expected columns set, row, column and cause, got {', '.join(map(str, rows))[:200]}")
    return rows


def free_slug(title: str) -> str:
    """The folder's name for a new study of this title: small letters, digits, '.', '_' and '-'. Raises ValueError if it is taken."""
    slug = place.check_slug(re.sub(r"[^a-z0-9._-]+", "-", title.strip().lower()).strip("-.")[:64])
    if (place.workspace() / "studies" / slug).exists() or slug == "embedded":
        raise ValueError(f"there is already a study {slug!r}; choose another name, or remove it first")
    return slug
