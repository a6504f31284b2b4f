"""A *study* is a model with its forget and retain set: the embedded one in `data/`, a user's own in the workspace."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import atomic, model_source, plain_files, read_only, store
from analysis.links_out import way_out

DTYPES = ("float32", "bfloat16", "float16", "auto")
LEFT_OUT = "left_out.csv"


@dataclass(frozen=True)
class Study:
    """A model, a forget set and a retain set. `model` is a folder or a hub id; `results` is read, `runs` is also written.

    `dtype`: of the weights; `chat`: whether the tokenizer's chat template, if it has one, forms the prompts.
    """

    slug: str
    title: str
    model: str
    forget: Path
    retain: Path
    results: Path
    dtype: str = "float32"
    chat: bool = True

    @property
    def model_arguments(self) -> list[str]:
        """How the model is named to a command, with what differs from the defaults."""
        dtype = [] if self.dtype == "float32" else ["--dtype", self.dtype]
        return ["--model", self.model, *dtype, *([] if self.chat else ["--no-chat-template"])]


def embedded() -> Study:
    """The study that comes with Lethe."""
    data = store.DATA
    return Study("embedded", "Embedded world", str(data / "model"), data / "forget.jsonl", data / "retain.jsonl", data / "results")


def known() -> list[Study]:
    """The embedded study, then the workspace's own, by name. A folder that is not a whole study is left out."""
    found = [embedded()]
    for file in sorted((store.workspace() / "studies").glob("*/study.json")):
        with suppress(ValueError):
            found.append(_read(file))
    return found


def named(slug: str) -> Study:
    """Raises ValueError if there is no such study."""
    if slug == "embedded":
        return embedded()
    file = store.workspace() / "studies" / store.check_slug(slug) / "study.json"
    if not file.is_file():
        raise ValueError(f"there is no study {slug!r} in {store.workspace()}; load a model and a forget set first")
    return _read(file)


def create(
    slug: str, title: str, model: str, forget: bytes, retain: bytes, suffixes: tuple[str, str] = (".jsonl", ".jsonl"),
    more: Mapping[str, Any] | None = None, left_out: bytes | None = None,
) -> Study:
    """Keep a user's sets in the workspace, beside the name of the model they belong to.

    `more` goes into study.json: `dtype`, `chat`, and `sources`, which says of each set where it comes from; `left_out` is a CSV of the
    rows that could not be used. Raises ValueError in read-only mode.
    """
    read_only.refuse("loading a study")
    folder = store.workspace() / "studies" / _own_slug(slug)
    with atomic.output_folder(folder, "study.json") as temporary:
        (temporary / f"forget{suffixes[0]}").write_bytes(forget)
        (temporary / f"retain{suffixes[1]}").write_bytes(retain)
        if left_out is not None:
            (temporary / LEFT_OUT).write_bytes(left_out)
        record = {"title": title, "model": model, "forget": f"forget{suffixes[0]}", "retain": f"retain{suffixes[1]}"}
        atomic.write_json(temporary / "study.json", record | dict(more or {}))
    return named(slug)


def sources(study: Study) -> dict[str, dict[str, Any]]:
    """What study.json says of where each set comes from: `file`, `read_as`, `n_left_out`. Empty where it says nothing of use."""
    try:
        found = json.loads((study.forget.parent / "study.json").read_text())["sources"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}
    return {str(key): entry for key, entry in found.items() if isinstance(entry, dict)} if isinstance(found, dict) else {}


def _own_slug(name: str) -> str:
    if store.check_slug(name) == "embedded":
        raise ValueError("'embedded' is the name of the study that comes with Lethe; choose another")
    return name


def _read(file: Path) -> Study:
    """Raises ValueError unless the folder has a name of its own and the file says all that a study needs."""
    folder, keys = file.parent, ("title", "model", "forget", "retain")
    _own_slug(folder.name)
    if (link := way_out(folder)) is not None:
        raise ValueError(f"{folder.name}: {link.name} is a link that leads out of the workspace; put the files themselves there")
    try:
        record = plain_files.json_object(file)  # which no half of a character may hold
        title, model, forget, retain = (record[key] for key in keys)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder.name}/study.json: expected an object with {', '.join(keys)}") from error
    if not all(isinstance(value, str) and "\0" not in value for value in (title, model, forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected text for {', '.join(keys)}")
    if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in (forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected forget and retain sets inside the study's folder")
    dtype, chat = record.get("dtype", "float32"), record.get("chat", True)  # older studies do not say
    if dtype not in DTYPES or not isinstance(chat, bool):
        raise ValueError(f"{folder.name}/study.json: expected dtype to be one of {', '.join(DTYPES)}, and chat true or false")
    model = str(model_source.EMBEDDED) if model == "embedded" else model
    return Study(folder.name, title, model, folder / forget, folder / retain, folder / "results", dtype, chat)
