"""What decides a computed number, as plain data: the model, the tokens, the versions, and this project's own code."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from analysis import provenance
from analysis.model import ModelHandle
from analysis.tokens import TokenBatch


def of_model(handle: ModelHandle) -> dict[str, Any]:
    """The weights' fingerprint, the config that says how they are wired, the kind of device, and the versions of the packages."""
    architecture = handle.model.config.to_dict() | {"_name_or_path": None}  # heads, activation, ...: no part of the weights
    return {
        "fingerprint": handle.fingerprint,
        "architecture": digest(json.dumps(architecture, sort_keys=True, default=str).encode()),
        "device": handle.device.type,
        "versions": {package: version(package) for package in provenance.PACKAGES},
    }


def of_tokens(batch: TokenBatch) -> str:
    """Hash of tokens and labels, so of the tokenizer and the form of the prompt as well."""
    shape = str(tuple(batch.input_ids.shape)).encode()
    tensors = (batch.input_ids, batch.attention_mask, batch.labels)
    return digest(shape, *(tensor.cpu().contiguous().numpy().tobytes() for tensor in tensors))


def of_code(names: tuple[str, ...]) -> str:
    """Hash of the text of these files of `analysis`."""
    here = Path(__file__).parent
    return digest(*((here / f"{name}.py").read_bytes() for name in names))


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
