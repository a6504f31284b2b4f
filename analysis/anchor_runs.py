"""The unlearning runs that choose CUD's anchors, each half of the forget set by itself; kept in the workspace, so that none is done
twice.

What a run is known by (see `objects`) is all that decides its numbers: the model's weights and config, the tokens and labels of the
half and of the retain set in their order (so the tokenizer and the prompt too), the method with its arguments, the training settings
and seed, the kind of device, the versions of torch, transformers and numpy, and the text of this project's own files that train and
measure. CUD's settings and edge scores are no part of it: other ones cost no training.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from analysis import facts, objects
from analysis.model import ModelHandle
from analysis.record import describe
from analysis.tokens import TokenBatch
from analysis.unlearning import UnlearningConfig, final_nll

KIND, FILE = "anchor-runs", "losses.parquet"
CODE = ("estimators", "evaluation", "lora", "losses", "methods", "mrd", "perturbation", "precision", "sampling", "stages", "tokens",
        "training", "unlearning")


def anchor_losses(
    handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, fold: Int[np.ndarray, " n_samples"],
    configs: dict[str, UnlearningConfig], cache: Path | None = None, report: Callable[[str, int, int], None] = lambda *_: None,
) -> pd.DataFrame:
    """Answer NLL of every forget sample after each method has unlearned that sample's half alone, nats per token.

    Rows in the order of `forget`, one column per method. `cache`: a workspace; None: nothing is read or kept.
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
    about = run_facts(handle, forget, retain, config)
    if (files := objects.get(cache, KIND, about)) is not None:
        objects.touch(cache, KIND, [about])
        return objects.table(files[FILE])["forget_nll"].to_numpy()
    found = final_nll(handle, forget, retain, config).forget_nll
    objects.put(cache, KIND, about, files_of(found.tolist()), handle.name)
    return found


def run_facts(handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, config: UnlearningConfig) -> dict[str, Any]:
    """All that decides a run's numbers, as plain data."""
    return facts.of_model(handle) | {
        "forget": facts.of_tokens(forget), "retain": facts.of_tokens(retain), "config": describe(config), "code": facts.of_code(CODE),
    }


def files_of(forget_nll: list[float]) -> dict[str, bytes]:
    """The object's files; `forget_nll` in nats per token, in the order of the half."""
    return {FILE: objects.table_bytes(pd.DataFrame({"forget_nll": forget_nll}, dtype=float))}
