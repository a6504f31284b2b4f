"""Data files on the hub, by their standard address hf://datasets/OWNER/NAME[@REVISION]/PATH; no code of a repository is run."""

import re
from pathlib import Path
from urllib.parse import unquote

from analysis import hub
from analysis.rows import FORMATS, MAX_BYTES, DataError

ADDRESS = re.compile(r"hf:/{1,2}datasets/([\w-][\w.-]*/[\w-][\w.-]*)(?:@([^/]+))?/(.+)", re.ASCII)  # a Path has only one slash


def is_address(name: str | Path) -> bool:
    return str(name).startswith("hf:/")


def fetched(name: str | Path) -> tuple[Path, str]:
    """The file on this machine, downloaded unless it is, and its address with the commit that it is of.

    Raises DataError or HubError (both ValueErrors) if the address is none, the hub refuses, or the file is larger than is read.
    """
    repo, revision, path = _parts(str(name))
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache

    with hub.explained(str(name)):
        commit = HfApi().resolve_revision(repo, repo_type="dataset", revision=revision).resolved
        kept = try_to_load_from_cache(repo, path, revision=commit, repo_type="dataset")
        if not isinstance(kept, str):
            _check_size(str(name), get_hf_file_metadata(hf_hub_url(repo, path, repo_type="dataset", revision=commit)).size)
            kept = hf_hub_download(repo, path, repo_type="dataset", revision=commit)
    return Path(kept), f"hf://datasets/{repo}@{commit}/{path}"


def _parts(address: str) -> tuple[str, str | None, str]:
    found = ADDRESS.fullmatch(address)
    path = found[3] if found else ""
    if not found or {"", ".", ".."} & set(path.split("/")) or not path.isprintable() or "\\" in path:
        raise DataError(f"{address[:200]!r}: expected hf://datasets/OWNER/NAME[@REVISION]/PATH of a file")
    if Path(path).suffix.lower() not in FORMATS:
        raise DataError(f"{address}: expected a file ending in {', '.join(FORMATS)}")
    return found[1], unquote(found[2]) if found[2] else None, path


def _check_size(address: str, size: int | None) -> None:
    if size is None or size > MAX_BYTES:
        said = "the hub does not say how large it is" if size is None else f"{size / 2**20:,.0f} MB"
        raise DataError(f"{address}: {said}; files of at most {MAX_BYTES // 2**20} MB are fetched")
    hub.check_space(address, size)
