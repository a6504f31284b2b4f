"""A *study* is a model with its forget and retain set: the embedded one in `data/`, a user's own in the workspace."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from analysis import atomic, read_only, store


@dataclass(frozen=True)
class Study:
    """A model, a forget set and a retain set. `model` is a folder or a hub id; `results` is read, `runs` is also written."""

    slug: str
    title: str
    model: str
    forget: Path
    retain: Path
    results: Path


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


def create(slug: str, title: str, model: str, forget: bytes, retain: bytes, suffixes: tuple[str, str]) -> Study:
    """Keep a user's sets in the workspace, beside the name of the model they belong to. Raises ValueError in read-only mode."""
    read_only.refuse("loading a study")
    folder = store.workspace() / "studies" / _own_slug(slug)
    with atomic.output_folder(folder, "study.json") as temporary:
        (temporary / f"forget{suffixes[0]}").write_bytes(forget)
        (temporary / f"retain{suffixes[1]}").write_bytes(retain)
        record = {"title": title, "model": model, "forget": f"forget{suffixes[0]}", "retain": f"retain{suffixes[1]}"}
        atomic.write_json(temporary / "study.json", record)
    return named(slug)


def _own_slug(name: str) -> str:
    if store.check_slug(name) == "embedded":
        raise ValueError("'embedded' is the name of the study that comes with Lethe; choose another")
    return name


def _read(file: Path) -> Study:
    """Raises ValueError unless the folder has a name of its own and the file says all that a study needs."""
    folder, keys = file.parent, ("title", "model", "forget", "retain")
    _own_slug(folder.name)
    try:
        record = json.loads(file.read_text())
        title, model, forget, retain = (record[key] for key in keys)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{folder.name}/study.json: expected an object with {', '.join(keys)}") from error
    if not all(isinstance(value, str) for value in (title, model, forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected text for {', '.join(keys)}")
    if not all((folder / name).resolve().is_relative_to(folder.resolve()) for name in (forget, retain)):
        raise ValueError(f"{folder.name}/study.json: expected forget and retain sets inside the study's folder")
    return Study(folder.name, title, model, folder / forget, folder / retain, folder / "results")
