"""The name of a model -> the folder of its files. One string names a model everywhere: `embedded`, a local folder, or a hub id
OWNER/NAME[@REVISION]. Imports no torch."""

import re
from pathlib import Path
from typing import Any

from analysis import hub

EMBEDDED = Path(__file__).resolve().parent.parent / "data" / "model"
HUB_ID = re.compile(r"([\w-][\w.-]*(?<!\.)/[\w-][\w.-]*(?<!\.))(?:@([\w-][\w./-]*(?<!\.)))?", re.ASCII)
READ = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]  # no code, no pickle: what is not fetched cannot be run
UNREAD = ["*/*", "consolidated*"]  # other formats and copies of the same weights


class ModelError(ValueError):
    """A model that cannot be loaded or analysed; the message says what was expected and what came."""


def local(name: str) -> Path | None:
    """The folder that the name is, None for a hub id. Raises ModelError if it is neither."""
    folder = EMBEDDED if name == "embedded" else Path(name).expanduser()
    try:
        if name and folder.is_dir():
            return folder
    except (OSError, ValueError) as error:
        raise ModelError(f"{name[:80]!r}: expected a model folder, OWNER/NAME[@REVISION] of the hub, or 'embedded'") from error
    if HUB_ID.fullmatch(name) and ".." not in name:
        return None
    shown = name if name.isprintable() and len(name) < 200 else repr(name[:80])
    raise ModelError(f"{shown}: no such folder; expected a Hugging Face model folder, OWNER/NAME[@REVISION] of the hub, or 'embedded'")


def pinned(name: str) -> str:
    """The name as it is recorded: `embedded`, a folder's whole path, or OWNER/NAME@COMMIT, asked of the hub unless it is a commit
    already. Raises ValueError if there is no such model or revision, or the hub cannot be reached."""
    if name == "embedded":
        return name
    if (folder := local(name)) is not None:
        return str(folder.resolve())
    from huggingface_hub import HfApi

    owner_name, revision = HUB_ID.fullmatch(name).groups()
    with hub.explained(name):
        return f"{owner_name}@{HfApi().resolve_revision(owner_name, revision=revision).resolved}"


def on_this_machine(name: str) -> Path | None:
    """The folder of a model that needs no download, None if it does need one. Asks the hub nothing."""
    if (folder := local(name)) is not None:
        return folder
    from huggingface_hub import errors, snapshot_download

    try:
        folder = Path(snapshot_download(**_snapshot(name), local_files_only=True))
    except errors.LocalEntryNotFoundError:
        return None
    return folder if any(folder.glob("*.safetensors")) else None  # other programs may have fetched a part


def with_config(name: str) -> Path:
    """The folder with at least the model's config.json: what it can be refused by is fetched before its weights. Raises ValueError."""
    if (folder := on_this_machine(name)) is not None:
        return folder
    from huggingface_hub import snapshot_download

    with hub.explained(name):  # as a part of the snapshot, so that the hub's cache knows that it is not whole
        return Path(snapshot_download(**_snapshot(name) | {"allow_patterns": ["config.json"]}))


def located(name: str) -> Path:
    """The folder of a model's files; a hub model is downloaded first. Raises ValueError if it cannot be had or fills the disk."""
    if (folder := on_this_machine(name)) is not None:
        return folder
    from huggingface_hub import snapshot_download

    with hub.explained(name):
        hub.check_space(name, sum(on_hub(name)[0].values()))
        return Path(snapshot_download(**_snapshot(name)))


def on_hub(name: str) -> tuple[dict[str, int], Any]:
    """Bytes by name of the files that would be downloaded, and what the hub counts of the weights (`total` numbers), None if it does
    not. Raises ValueError, also where there are no safetensors."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import filter_repo_objects

    asked = _snapshot(name)
    with hub.explained(name):
        info = HfApi().model_info(asked["repo_id"], revision=asked["revision"], files_metadata=True)
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    files = list(filter_repo_objects(sizes, allow_patterns=READ, ignore_patterns=UNREAD))
    if not any(file.endswith(".safetensors") for file in files):
        raise ModelError(f"{name}: has no safetensors on the hub, and nothing else is opened: ask its owner, or convert a copy")
    return {file: sizes[file] for file in files}, info.safetensors


def _snapshot(name: str) -> dict[str, Any]:
    owner_name, revision = HUB_ID.fullmatch(name).groups()
    return {"repo_id": owner_name, "revision": revision, "allow_patterns": READ, "ignore_patterns": UNREAD}
