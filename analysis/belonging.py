"""Whether results belong to the model and the samples as they are now: nothing of other data is shown as if it were of these."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis import index, model_source, place, token_lengths
from analysis.dataset import Sample, samples_hash

DECIDING = (".json", ".safetensors", ".model", ".txt", ".jinja")  # files of a model folder that its numbers may depend on
WORDS = {"forget": "the forget set has changed", "data": "the forget set has changed", "retain": "the retain set has changed",
         "dtype": "the type of the weights has changed", "prompt_form": "the form of the prompts has changed"}


def model_digest(name: str) -> str | None:
    """Hash of a local model's weights, config and tokenizer as files; the name of a hub model of a fixed revision, whose files never
    change; None where neither is known. Files are hashed once, then known by their size and time of change."""
    try:
        folder = model_source.local(name)
    except ValueError:
        return None
    if folder is None:
        return name if "@" in name else None
    files = sorted(file for file in folder.iterdir() if file.suffix in DECIDING and file.is_file())
    sums = [f"{file.name} {index.file_hash(place.workspace(), file, _sha256)}\n" for file in files]
    return hashlib.sha256("".join(sums).encode()).hexdigest()[:16]


def loading(name: str, dtype: str, chat: bool) -> dict[str, str]:
    """How a model is loaded, in the words of records, as far as that is known without loading it: `dtype` and `prompt_form`."""
    known = {} if dtype == "auto" else {"dtype": dtype}
    try:
        folder = model_source.local(name)
    except ValueError:
        return known
    if not chat or (folder is not None and not token_lengths.has_template(folder)):
        return known | {"prompt_form": "plain"}
    return known if folder is None else known | {"prompt_form": "chat template"}


def changed(
    record: Mapping[str, Any], sets: Mapping[str, list[Sample]], digest: str | None, loaded: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Why results with this record are not of these sets and this model (`model_digest`), loaded like this (`loading`), in words; None
    if nothing speaks against it.

    `sets` by the names that the record may know them by. What the record does not say is not held against it; results of the first
    n samples (`--limit`) belong to the set.
    """
    data = record.get("data")
    for name, about in data.items() if isinstance(data, dict) else ():
        if name in sets and isinstance(about, dict) and not _same(about, sets[name]):
            return WORDS[name]
    known = record.get("model_digest")
    if isinstance(known, str) and digest is not None and known != digest:
        return "the model's files have changed"
    return next((WORDS[name] for name, now in loaded.items() if isinstance(record.get(name), str) and record[name] != now), None)


def _same(about: Mapping[str, Any], samples: list[Sample]) -> bool:
    known, n = about.get("hash"), about.get("n")
    return not isinstance(known, str) or known in (samples_hash(samples), samples_hash(samples[:n] if isinstance(n, int) else samples))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
