"""Arms of a comparison: runs that differ in one thing, made over seeds and set against a control that shares the seed."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import nn

from analysis.dataset import Sample
from analysis.evaluation import FORGOTTEN, answer_nll
from analysis.model import ModelHandle, load_model
from analysis.presets import preset
from analysis.record import describe
from analysis.tokens import TokenBatch, tokenize
from analysis.unlearning import UnlearningConfig, unlearn

Row = dict[str, Any]


def configs_of(name: str, methods: Sequence[str], learning_rate: float | None, n_epochs: int | None) -> list[UnlearningConfig]:
    """The preset of each method, once each, with the rate and epochs that are given."""
    given = {"learning_rate": learning_rate, "n_epochs": n_epochs}
    changes = {key: value for key, value in given.items() if value is not None}
    return [replace(preset(name, method), **changes) for method in dict.fromkeys(methods)]


def described(config: UnlearningConfig) -> dict[str, Any]:
    """What all arms of a config share."""
    return {key: value for key, value in describe(config).items() if key not in ("seed", "sampling", "sampling_args")}


def n_workers(handle: ModelHandle, asked: int | None) -> int:
    """Runs at a time: what was asked, else one per core, and one alone on a GPU."""
    return asked or (os.cpu_count() or 1 if handle.device.type == "cpu" else 1)


def each(
    run: Callable[..., Row], model: str, loading: tuple, runs: list[tuple], workers: int, report: Callable[[str, int, int], None]
) -> list[Row]:
    """`run(handle, *arguments)` for each of `runs`. With more than one worker they share the machine as processes of one thread
    each, and come in the order in which they end; the figures are the same up to rounding. `loading`: what
    `load_model` is given beside the name."""
    rows = []
    for row in _rows(run, model, loading, runs, workers):
        rows.append(row)
        report(f"{row['method']}, {row['arm']}, seed {row['seed']}: run", len(rows), len(runs))
    return rows


def _rows(run: Callable[..., Row], model: str, loading: tuple, runs: list[tuple], workers: int) -> Iterator[Row]:
    if workers == 1:
        handle = load_model(model, *loading)
        yield from (run(handle, *arguments) for arguments in runs)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(_in_a_process, run, model, loading, *a) for a in runs]))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_a_process(run: Callable[..., Row], model: str, loading: tuple, *arguments) -> Row:
    import torch

    torch.set_num_threads(1)
    return run(load_model(model, *loading), *arguments)


def batches(handle: ModelHandle, *sets: list[Sample]) -> list[TokenBatch]:
    return [tokenize(samples, handle.tokenizer, max_length=handle.max_length) for samples in sets]


def finished(
    handle: ModelHandle, forget: TokenBatch, retain: TokenBatch, config: UnlearningConfig, arm: str, **given
) -> tuple[Row, Float[np.ndarray, " n_forget"], nn.Module]:
    """One run to its end: what every comparison says of it, each forget sample's answer probability then, and the model. `given`:
    what `unlearn` takes beside its config. Probabilities of the row are means of exp(-NLL per answer token) over a set."""
    for record, model in unlearn(handle, forget, retain, retain.select([0]), config, **given):  # noqa: B007 the last is kept
        pass
    left = np.exp(-answer_nll(model, forget))
    row = {
        "method": type(config.method).__name__, "arm": arm, "seed": config.seed, "n_updates": record.step,
        "forget_probability": float(left.mean()), "retain_probability": float(np.exp(-answer_nll(model, retain)).mean()),
        "n_forgotten": int((left < FORGOTTEN).sum()), "seconds": round(record.seconds, 1),
    }
    return row, left, model


def ordered(rows: list[Row], columns: list[str], arms: Sequence[str]) -> pd.DataFrame:
    """A row per run: by method, then in the order of `arms`, then by seed."""
    place = {arm: i for i, arm in enumerate(arms)}
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["method", "arm", "seed"], key=lambda c: c.map(place) if c.name == "arm" else c, ignore_index=True)


def summary(table: pd.DataFrame, outcomes: Sequence[str], controls: dict[str, str]) -> pd.DataFrame:
    """Per method and arm: mean over seeds of each of `outcomes` with its 95 % t interval, and the same of the difference to each
    control, paired by seed.

    Columns: method, arm, n_seeds, and per outcome <outcome>_mean, _low, _high; per control <outcome>_minus_<control> and its interval
    <outcome>_<stem>_low, _high, where `controls` holds each control's stem. NaN where one seed gives no interval, or there is no
    such control.
    """
    rows = []
    for (method, arm), part in table.groupby(["method", "arm"], sort=False):
        row: Row = {"method": method, "arm": arm, "n_seeds": len(part)}
        for outcome in outcomes:
            values = part.set_index("seed")[f"{outcome}_probability"]
            row |= _ends(values, *(f"{outcome}_{end}" for end in ("mean", "low", "high")))
            for control, stem in controls.items():
                other = table[(table["method"] == method) & (table["arm"] == control)].set_index("seed")[f"{outcome}_probability"]
                names = (f"{outcome}_minus_{control}", f"{outcome}_{stem}_low", f"{outcome}_{stem}_high")
                row |= _ends(values - other.reindex(values.index), *names)
        rows.append(row)
    return pd.DataFrame(rows)


def _ends(values: pd.Series, *names: str) -> dict[str, float]:
    return dict(zip(names, mean_interval(values), strict=True))


def mean_interval(values: pd.Series) -> tuple[float, float, float]:
    """Mean and its 95 % interval by Student's t over the values; (mean, nan, nan) of a single one."""
    from scipy.stats import t

    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, float("nan"), float("nan")
    half = float(t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half
