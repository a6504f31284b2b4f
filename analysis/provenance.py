"""Where a number comes from: model, data, versions, time."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from analysis import belonging
from analysis.dataset import Sample, samples_hash
from analysis.model import ModelHandle

PACKAGES = ("torch", "transformers", "numpy")


def of(handle: ModelHandle, **sets: list[Sample]) -> dict[str, Any]:
    """Which model, how it was loaded and prompted, hash and size of each sample set, package versions, time (UTC)."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": handle.name,
        "model_digest": belonging.model_digest(handle.name),
        "fingerprint": handle.fingerprint,
        "tokenizer": handle.tokenizer_hash,
        "prompt_form": handle.prompt_form,
        "dtype": handle.dtype,
        "data": {name: {"n": len(samples), "hash": samples_hash(samples)} for name, samples in sets.items()},
        "device": str(handle.device),
        "versions": {package: version(package) for package in PACKAGES},
    }
