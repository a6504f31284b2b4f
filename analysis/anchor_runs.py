"""The unlearning runs that choose CUD's anchors, each half of the forget set by itself; kept on disk, so that none is done twice.

A run is kept as `<cache>/<key>.json`. The key is a hash of all that decides its numbers: the model's weights and config, the tokens
and labels of the half and of the retain set in their order (so the tokenizer and the prompt too), the method with its arguments,
the training settings and seed, the kind of device, the versions of torch, transformers and numpy, and the text of this project's
own files that train and measure. CUD's settings and edge scores are no part of it: other ones cost no training.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from analysis import atomic, provenance
from analysis.model import ModelHandle
from analysis.record import describe
from analysis.tokens import TokenBatch
from analysis.unlearning import UnlearningConfig, final_nll

CODE = ("estimators", "evaluation", "lora", "losses", "methods", "mrd", "perturbation", "precision", "sampling", "stages", "tokens",
        "training", "unlearning")


def anchor_losses(
    handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, fold: Int[np.ndarray, " n_samples"],
    configs: dict[str, UnlearningConfig], cache: Path | None = None, report: Callable[[str, int, int], None] = lambda *_: None,
) -> pd.DataFrame:
    """Answer NLL of every forget sample after each method has unlearned that sample's half alone, nats per token.

    Rows in the order of `forget`, one column per method. `cache` None: nothing is read or kept.
    """
    losses = pd.DataFrame(np.nan, index=range(len(forget)), columns=list(configs))
    runs = [(half, method) for half in (0, 1) for method in configs]
    for done, (half, method) in enumerate(runs):
        report(f"anchor run with {method} on half {half}", done, len(runs))
        rows = np.flatnonzero(fold == half).tolist()
        losses.loc[rows, method] = _kept_or_run(handle, forget.select(rows), retain, configs[method], cache)
    return losses


def _kept_or_run(
    handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, config: UnlearningConfig, cache: Path | None
) -> Float[np.ndarray, " n_forget"]:
    if cache is None:
        return final_nll(handle, forget, retain, config).forget_nll
    contents = run_key(handle, forget, retain, config)
    file = cache / f"{hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:24]}.json"
    with suppress(OSError, ValueError, LookupError, TypeError):  # missing, or changed by hand: it is run again
        kept = np.array(json.loads(file.read_text())["forget_nll"], dtype=float)
        if kept.shape == (len(forget),) and np.isfinite(kept).all():
            return kept
    found = final_nll(handle, forget, retain, config).forget_nll
    atomic.write_json(file, {"key": contents, "forget_nll": found.tolist()})
    return found


def run_key(handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, config: UnlearningConfig) -> dict[str, Any]:
    """All that decides a run's numbers, as plain data."""
    here = Path(__file__).parent
    architecture = handle.model.config.to_dict() | {"_name_or_path": None}  # heads, activation, ...: no part of the weights
    return {
        "fingerprint": handle.fingerprint,
        "architecture": _digest(json.dumps(architecture, sort_keys=True, default=str).encode()),
        "forget": _digest(*_bytes(forget)),
        "retain": _digest(*_bytes(retain)),
        "config": describe(config),
        "device": handle.device.type,
        "versions": {package: version(package) for package in provenance.PACKAGES},
        "code": _digest(*((here / f"{name}.py").read_bytes() for name in CODE)),
    }


def _bytes(batch: TokenBatch) -> list[bytes]:
    shape = str(tuple(batch.input_ids.shape)).encode()
    return [shape, *(tensor.cpu().numpy().tobytes() for tensor in (batch.input_ids, batch.attention_mask, batch.labels))]


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
