"""Where a number comes from: model, data, versions, time."""

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from analysis.dataset import Sample, samples_hash
from analysis.model import ModelHandle

PACKAGES = ("torch", "transformers", "numpy")


def of(handle: ModelHandle, **sets: list[Sample]) -> dict[str, Any]:
    """Fingerprint of the weights, hash and size of each sample set, package versions, device and time (UTC)."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": handle.fingerprint,
        "data": {name: {"n": len(samples), "hash": samples_hash(samples)} for name, samples in sets.items()},
        "device": str(handle.device),
        "versions": {package: version(package) for package in PACKAGES},
    }
