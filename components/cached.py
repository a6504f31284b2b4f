"""What pages read from disk or compute, each behind a cache that a changed file empties: every st.cache_* wrapper is here."""

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from analysis import model_files, outcomes, runs, studies, validity
from analysis.circuit import Circuit
from analysis.course import mean_course
from analysis.observed import counts, observed_difficulty
from components import cached_model, cohort_rule, demo_mode, state
from components.cached_results import circuits, conflicts, forget_samples, retain_samples, sample_set, scores, unusable
from components.cached_results import stamp as _stamp
from components.cached_results import stamps as _stamps

__all__ = ["circuits", "conflicts", "forget_samples", "retain_samples", "sample_set", "scores", "unusable"]

RUN_FILES = ("samples.csv", "manifest.json", "config.yaml")  # a run is read anew when one of them changed
HASHES = {
    Circuit: lambda of: (of.sample_id, of.fingerprint, np.packbits(of.in_circuit).tobytes(), float(abs(of.scores).sum())),
    studies.Study: lambda of: (of.model, of.dtype, of.chat, str(of.forget), _stamp(of.forget)),
}


def described(of: studies.Study) -> pd.DataFrame:
    """Row, question, answer, CUD rank and cohort (by the rule in the address) of the forget samples, by id (`runs.describe`)."""
    scored, seen = scores(of), observed(of)
    rule = cohort_rule.fitting(cohort_rule.current(), seen is not None)
    return runs.describe(forget_samples(of), scored[0] if scored else None, rule, seen)


def held_out(of: studies.Study) -> pd.DataFrame | None:
    """The rows of validity.csv if it belongs to the present scores, circuits and runs, else its main part alone, computed now.

    None without scores, or without a run that counts. Raises ValueError if the two have fewer than 8 samples in common.
    """
    if scores(of) is None or observed(of) is None:
        return None
    names = ("scores/scores.csv", "circuits/circuits.json", "validity.csv", "alone/alone.csv")
    files = tuple((name, _stamp(of.results / name)) for name in names)
    return _held_out(of, files, _run_stamps(of), tuple(unusable(of, kind) for kind in ("scores", "circuits")))


@st.cache_data(max_entries=8, show_spinner="Comparing scores with outcomes", hash_funcs={studies.Study: repr})
def _held_out(of: studies.Study, files: tuple, run_stamps: tuple[tuple[str, float], ...], unused: tuple) -> pd.DataFrame:
    found = _counted(run_stamps)
    alone = [of.results / "alone"] if (of.results / "alone" / "alone.csv").is_file() else []
    digest = validity.inputs_digest(of.results / "scores", of.results / "circuits", found, alone)
    table = validity.read_table(of.results / "validity.csv", digest)
    if table is not None and not any(unused):
        return table
    drawn = circuits(of)
    return validity.main_part(scores(of)[0], drawn[0] if drawn else {}, found)


def observed(of: studies.Study) -> pd.Series | None:
    """Observed difficulty by sample id over the study's runs (`analysis.observed`); None if no run counts."""
    return _observed(_run_stamps(of))[0]


def counted(of: studies.Study) -> list[str]:
    """Names of the runs that observed difficulty comes from."""
    return _observed(_run_stamps(of))[1]


def left_after_runs(of: studies.Study) -> pd.Series | None:
    """Mean answer probability left by the runs that count, by sample id; None if no run counts."""
    return _left_after_runs(_run_stamps(of))


@st.cache_data(max_entries=8, show_spinner=False)
def _left_after_runs(stamps: tuple[tuple[str, float], ...]) -> pd.Series | None:
    found = _counted(stamps)
    left = [run.samples.set_index("sample_id")["probability_after"] for run in found]
    return pd.concat(left, axis=1).mean(axis=1) if found else None


def course(of: studies.Study) -> pd.DataFrame | None:
    """Each sample's answer probability over the runs that count, as their mean (`analysis.course`); None if none was measured."""
    return _course(_run_stamps(of))


@st.cache_data(max_entries=8, show_spinner=False)
def _course(stamps: tuple[tuple[str, float], ...]) -> pd.DataFrame | None:
    return mean_course(_counted(stamps))


def _counted(stamps: tuple[tuple[str, float], ...]) -> list[runs.Run]:
    return [found for found in (run(Path(folder)) for folder, _ in stamps) if counts(found)]


def _run_stamps(of: studies.Study) -> tuple[tuple[str, float], ...]:
    return tuple((str(record.folder), _stamp(record.folder / "samples.csv")) for record in run_records(of))


def run_records(of: studies.Study) -> list[runs.RunRecord]:
    """The study's finished runs (`runs.list_runs`), read anew only when a file of one changed."""
    folders = sorted(folder for parent in (of.results / "runs", runs.runs_folder(of)) for folder in parent.glob("*"))
    return _run_records(of, tuple((str(f), *(_stamp(f / name) for name in RUN_FILES)) for f in folders))


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASHES)
def _run_records(of: studies.Study, stamps: tuple) -> list[runs.RunRecord]:
    return runs.list_runs(of)


def run_frame(of: studies.Study) -> pd.DataFrame:
    """A row per run with its settings and what it left, by run id (`outcomes.frame`)."""
    records = run_records(of)
    return _run_frame(records, tuple(_stamp(record.folder / "config.yaml") for record in records))


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs={runs.RunRecord: repr})
def _run_frame(records: list[runs.RunRecord], stamps: tuple[float, ...]) -> pd.DataFrame:
    return outcomes.frame(records)


def run(folder: Path) -> runs.Run:
    """A finished run's tables (`runs.read_run`); raises ValueError if it is gone or damaged."""
    return _run(folder, tuple(_stamp(folder / name) for name in RUN_FILES))


@st.cache_resource(max_entries=64, show_spinner=False)
def _run(folder: Path, stamps: tuple[float, ...]) -> runs.Run:
    return runs.read_run(folder)


def evaluation(folder: Path) -> outcomes.Evaluation | None:
    """The evaluation of the run in this folder, None if there is none; raises ValueError if it cannot be read."""
    files = ("LETHE_SUMMARY.json", "evaluation.csv", "parameter_change.csv")
    return _evaluation(folder / "evaluation", tuple(_stamp(folder / "evaluation" / name) for name in files))


@st.cache_resource(max_entries=64, show_spinner=False)
def _evaluation(folder: Path, stamps: tuple[float, ...]) -> outcomes.Evaluation | None:
    return outcomes.read_evaluation(folder)


def tensor_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of a model's weights (`model_files.tensor_shapes`); raises ValueError without safetensors."""
    return _tensor_shapes(folder, _stamps(folder))


@st.cache_data(max_entries=8, show_spinner=False)
def _tensor_shapes(folder: Path, files: tuple[tuple[str, float], ...]) -> dict[str, tuple[int, ...]]:
    return model_files.tensor_shapes(folder)


@st.cache_data(max_entries=8, show_spinner=False)
def _observed(stamps: tuple[tuple[str, float], ...]) -> tuple[pd.Series | None, list[str]]:
    found = _counted(stamps)
    return (observed_difficulty(found) if found else None), [run.record.name for run in found]


def faithfulness(of: studies.Study, circuits: list[Circuit], ablation: str) -> list[float]:
    """Faithfulness of circuits of one sample, measured with the study's model (`analysis.faithfulness`).

    Raises ValueError if the model cannot be loaded, is not the one that the circuits came from, or the sample is gone.
    """
    return _faithfulness(of, circuits[0], np.stack([circuit.in_circuit for circuit in circuits]), ablation)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def _faithfulness(of: studies.Study, circuit: Circuit, kept: np.ndarray, ablation: str) -> list[float]:
    from analysis import curves
    from analysis.faithfulness import faithfulness

    with demo_mode.turn():
        handle = cached_model.of_study(of)
        return faithfulness(handle, kept=kept, **curves.inputs_of(handle, forget_samples(of), circuit, ablation)).tolist()


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def size_curve(of: studies.Study, circuit: Circuit, rule: str, ablation: str) -> pd.DataFrame:
    """Faithfulness and completeness over circuit size, from this circuit's scores (`analysis.curves`); raises as above."""
    from analysis import curves

    with demo_mode.turn():
        handle = cached_model.of_study(of)
        inputs = curves.inputs_of(handle, forget_samples(of), circuit, ablation)
        return curves.size_curve(handle, scores=circuit.scores, rule=rule, between=state.give_way, **inputs)


@st.cache_data(max_entries=64, show_spinner=False, hash_funcs=HASHES)
def answer_by_layer(of: studies.Study, circuit: Circuit) -> pd.DataFrame:
    """The logit lens of a circuit's sample, next to other answers (`analysis.logit_lens`); raises as above."""
    from analysis import curves, logit_lens

    with demo_mode.turn():
        handle, samples = cached_model.of_study(of), forget_samples(of)
        curves.inputs_of(handle, samples, circuit, "zero")  # raises if this is another model or the sample is gone
        sample = next(sample for sample in samples if sample.id == circuit.sample_id)
        return logit_lens.answer_by_layer(handle, sample, samples)
