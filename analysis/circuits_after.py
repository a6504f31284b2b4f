"""Circuits of forget samples in the model before unlearning and in the unlearned one: what changed, and is it more than chance?

The unlearned model's edge scores are attributed to the same answer, which it now finds improbable: they say through which edges what
is left of that answer runs.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from analysis import store
from analysis.circuit import Circuit, selected
from analysis.comparison import bootstrap_interval, holm, readouts_frame
from analysis.dataset import Sample
from analysis.edge_frequency import membership
from analysis.plain_files import one_line

N_FLIPS = 9999
KEPT = "kept.csv"
SETTINGS = ("method", "ablation", "ig_steps", "metric", "quadrature", "select", "n_edges", "mass")  # of circuits that compare
Circuits = dict[str, Circuit]


def read(run: Path, before: Circuits, config: dict[str, Any]) -> Circuits | None:
    """The circuits in a run's folder `circuits/`, as the command `circuits` writes them for the run's model; None if there are none.

    Raises ValueError if they are not of the samples, the graph and the settings of `before`, or not of another model.
    """
    try:
        found = store.read_circuits(run / "circuits")
    except (OSError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{run.name}/circuits: expected what the command `circuits` writes: {error}") from error
    if found is None:
        return None
    after, used = found
    differing = [name for name in SETTINGS if used.get(name) != config.get(name)]
    if differing:
        words = ", ".join(f"{name} {used.get(name)} in place of {config.get(name)}" for name in differing)
        raise ValueError(f"{run.name}/circuits: expected the settings of the circuits before, got {words}; compute them again")
    known = {name: circuit for name, circuit in after.items() if name in before}
    for name, circuit in known.items():
        if circuit.index != before[name].index or circuit.fingerprint == before[name].fingerprint:
            raise ValueError(f"{run.name}/circuits: expected circuits of the run's model, got those of another or of the one before")
    return known


def compute(handle: Any, samples: list[Sample], sample_id: str, config: dict[str, Any]) -> Circuit:
    """One sample's circuit in the model of `handle`, by the settings that `circuits` recorded; raises ValueError if it is gone."""
    from analysis.attribution import AttributionConfig
    from analysis.scoring import circuits_of

    chosen = [sample for sample in samples if sample.id == sample_id]
    if not chosen:
        raise ValueError("this sample is no longer in the forget set")
    attribution = AttributionConfig(**{name: config[name] for name in SETTINGS[:5] if name in config})
    reference = samples if attribution.ablation == "mean" else None
    rule, n_edges = config.get("select", "greedy"), config.get("n_edges")
    circuit = circuits_of(handle, chosen, attribution, n_edges or 1, reference)[0][0]
    if rule == "greedy":
        return circuit
    return replace(circuit, in_circuit=selected(circuit.scores, circuit.index, rule, n_edges or config["mass"]))


def changes(before: Circuits, after: Circuits, boundary: int) -> pd.DataFrame:
    """Change (after minus before) of each depth read-out (`comparison.READOUTS`), one row per sample of `after`."""
    old = readouts_frame([before[name] for name in after], boundary)
    return readouts_frame(list(after.values()), boundary) - old


def likeness(before: Circuits, after: Circuits) -> pd.DataFrame:
    """Shared edges / edges of either (Jaccard), one row per sample of `after`, with two controls.

    `own`: of its circuits before and after; `other_after`: of its circuit before and those of the other samples after (mean);
    `other_before`: of its circuit before and those of the others before (mean). NaN controls for a single sample.
    """
    old, new = membership([before[name] for name in after]), membership(list(after.values()))
    across, within = _jaccard(old, new), _jaccard(old, old)
    n_others = len(after) - 1 or np.nan
    others = {name: (table.sum(1) - table.diagonal()) / n_others for name, table in (("after", across), ("before", within))}
    columns = {"own": across.diagonal(), "other_after": others["after"], "other_before": others["before"]}
    return pd.DataFrame(columns, index=pd.Index(list(after), name="sample_id"))


def kept(before: Circuits, after: Circuits) -> pd.DataFrame:
    """The control, of samples that were to be kept: how alike their circuits stayed (`own`), and `changes` of the read-outs that
    need no boundary; a row per sample."""
    return likeness(before, after)[["own"]].join(changes(before, after, 1).drop(columns="late_share"))


def read_kept(run: Path) -> pd.DataFrame | None:
    """`kept` as it is in a run's folder `circuits/`; None if it is not there. Raises ValueError if it cannot be read."""
    file = run / "circuits" / KEPT
    if not file.is_file():
        return None
    try:
        table = pd.read_csv(file, dtype={"sample_id": str}).set_index("sample_id")
        return table.astype(float)
    except (OSError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{file}: expected a table of numbers by sample_id: {one_line(error)}") from error


def summary(change: pd.DataFrame, cohort: pd.Series, seed: int = 0) -> pd.DataFrame:
    """Mean change of each column over the easy and the hard samples, and over all in `change`: a row per value and cohort.

    Columns: value, cohort (easy, hard, all), n, mean, low, high (95 % bootstrap interval over samples), p_value (two-sided, signs
    flipped at random) and p_holm (over the values, within a cohort). Cohorts with fewer than 2 samples have no interval and no p.
    """
    rng, cohort = np.random.default_rng(seed), cohort.reindex(change.index)
    parts = []
    for name in ("easy", "hard", "all"):
        rows = []
        for column in change:
            values = change.loc[(cohort == name) | (name == "all"), column].dropna().to_numpy(dtype=float)
            mean = values.mean() if len(values) else np.nan
            rows.append((column, name, len(values), mean, *bootstrap_interval(values, rng), sign_flip_p(values, rng)))
        part = pd.DataFrame(rows, columns=["value", "cohort", "n", "mean", "low", "high", "p_value"])
        parts.append(part.assign(p_holm=holm(part["p_value"].to_numpy())))
    return pd.concat(parts, ignore_index=True)


def sign_flip_p(values: Float[np.ndarray, " n"], rng: np.random.Generator) -> float:
    """Two-sided p of a mean of 0 when each value's sign is as likely to be the other, (1 + as extreme) / (1 + draws); NaN below 2."""
    if len(values) < 2:
        return float("nan")
    signs = rng.choice([-1.0, 1.0], (N_FLIPS, len(values)))
    as_extreme = np.abs(signs @ values) >= abs(values.sum()) * (1 - 1e-12)  # ties up to rounding count
    return float((1 + as_extreme.sum()) / (1 + N_FLIPS))


def _jaccard(first: np.ndarray, second: np.ndarray) -> Float[np.ndarray, "n_first n_second"]:
    """`similarity(..., "jaccard")` of every pair of circuits, by one product."""
    both = first.astype(float) @ second.astype(float).T
    either = first.sum(1)[:, None] + second.sum(1)[None, :] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)
