"""A run on disk while it happens: `<output>.partial/` fills step by step and becomes `<output>/` when it is whole."""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jaxtyping import Float
from torch import nn

from analysis import atomic, checkpoint, provenance
from analysis.dataset import Sample
from analysis.evaluation import FORGOTTEN, answer_nll
from analysis.logit_record import highest_logits
from analysis.lora import merged
from analysis.model import ModelHandle
from analysis.run_files import RunFiles, checkpoint_file
from analysis.stages import Stage
from analysis.tokens import tokenize
from analysis.unlearning import Evaluation, StepRecord, UnlearningConfig, unlearn

N_PROBE = 160  # retain samples watched per evaluation; the closing figures are over the whole set


def record_run(
    handle: ModelHandle, forget: list[Sample], retain: list[Sample], config: UnlearningConfig, output: Path,
    report: Callable[[StepRecord], None] = lambda record: None, *, difficulty: Float[np.ndarray, " n_forget"] | None = None,
    stages: Sequence[Stage] | None = None, what_if: str | None = None, resume: bool = False, checkpoint_every: int | None = None,
    again: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Unlearn and write steps.csv, trajectories.csv, samples.csv, config.yaml, manifest.json and model/. Returns the summary. `what_if`
    is the name that `stages` go by in the config; `again` what config.yaml holds, where a command can run it again.

    `resume` goes on from the checkpoint that an interrupted run of this output left, if there is one; otherwise what such a run left
    is replaced. Checkpoints come every `checkpoint_every` steps; None is after each epoch, or rarer if they would take over 5 % of the
    time. Raises ValueError if `output` exists (a run is never overwritten), and if the checkpoint is of other settings, model or data.
    """
    check_new(output)
    if checkpoint_every is not None and checkpoint_every < 1:
        raise ValueError(f"checkpoint_every must be at least 1 step, got {checkpoint_every}")
    about, partial = provenance.of(handle, forget=forget, retain=retain), checkpoint_file(output).parents[1]
    described = describe(config, stages, what_if)
    identity = described | {key: about[key] for key in ("fingerprint", "data", "device")}
    identity |= {} if about["prompt_form"] == "plain" else {"tokenizer": about["tokenizer"]}
    identity["difficulty"] = None if difficulty is None else _digest(difficulty)
    goes_on = checkpoint.read(checkpoint_file(output), identity) if resume else None
    batches = [tokenize(samples, handle.tokenizer, max_length=handle.max_length) for samples in (forget, retain)]
    probe_rows = sorted({int(i) for i in np.linspace(0, len(retain) - 1, min(N_PROBE, len(retain)))})
    records = unlearn(
        handle, *batches, batches[1].select(probe_rows), config, difficulty=difficulty, stages=stages,
        restore=None if goes_on is None else lambda run: checkpoint.restore(run, goes_on), after_step=lambda run: files.save(run),
    )
    evaluations = [] if goes_on is None else goes_on.evaluations
    records = chain([next(records)], records)  # settings that do not fit are refused here, before an interrupted run is replaced
    if goes_on is None:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
    ids = {"forget": [s.id for s in forget], "retain": [retain[row].id for row in probe_rows]}
    try:
        with closing(RunFiles(partial, identity, goes_on, checkpoint_every, config.steps_per_epoch(len(forget)))) as files:
            model, samples, ended = _fill(files, records, evaluations, forget, config, ids, report)
            retain_nll = [answer_nll(m, batches[1]) for m in (handle.model, model)]
            summary = _summary(samples, *retain_nll) | ended
            manifest = provenance.of(handle, forget=forget, retain=retain) | {
                "config": described, "summary": summary, "logits": highest_logits(model, batches[0], ids["forget"]),
            }
            _finish(partial, handle, model, manifest, samples, again)
    except atomic.DiskFull:  # stays, to be resumed, like what a killed worker leaves
        raise
    except ValueError:  # bad settings
        if goes_on is None:
            shutil.rmtree(partial)
        raise
    atomic.flush(partial)
    partial.replace(output)  # before its checkpoint goes: whoever is killed between the two has the run
    atomic.remove(output / "checkpoint")
    (output / "progress.json").unlink(missing_ok=True)  # of a run that an earlier version began
    return summary


def check_new(output: Path) -> None:
    """Raises ValueError if `output` exists: a run is never overwritten."""
    if output.exists():
        raise ValueError(f"{output} exists already; choose another output folder or remove it")


def _fill(
    files: RunFiles, records: Iterator, evaluations: list[Evaluation], forget: list[Sample], config: UnlearningConfig,
    ids: dict[str, list[str]], report: Callable[[StepRecord], None],
) -> tuple[nn.Module, pd.DataFrame, dict[str, Any]]:
    """Write every step down; `evaluations` are those that a resumed run has already. Returns the plain model at the end, its
    samples.csv, and how the run ended."""
    last, ended = 0, {"stopped_early": False}
    for record, model in records:  # noqa: B007 the last model is saved
        if record.stopped_early:
            evaluations = [e for e in evaluations if e.step <= record.step]
            ended = {"stopped_early": True, "stopped_step": last, "kept_step": record.step}
        else:
            files.append(record, ids)
            evaluations += [] if record.evaluation is None else [record.evaluation]
            last = record.step
        report(record)
    return merged(model), samples_frame(forget, evaluations), ended | {"seconds": round(record.seconds, 1)}


def samples_frame(forget: list[Sample], evaluations: list[Evaluation]) -> pd.DataFrame:
    """One row per forget sample from a run's evaluations, the first of them before unlearning.

    `forgotten_step` is the first evaluated step with an answer probability below 0.3, `forgotten_epoch` the first whole epoch;
    missing if there was none.
    """
    nll = np.stack([e.forget_nll for e in evaluations])
    below = np.exp(-nll) < FORGOTTEN
    below[0] = False  # a sample that was never known has not been forgotten by the start
    whole = [i for i, e in enumerate(evaluations) if e.epoch == int(e.epoch)]
    return pd.DataFrame({
        "sample_id": [s.id for s in forget],
        "row": [s.row for s in forget],
        "nll_before": nll[0],
        "nll_after": nll[-1],
        "probability_before": np.exp(-nll[0]),
        "probability_after": np.exp(-nll[-1]),
        "forgotten_epoch": _first(below[whole], np.array([int(evaluations[i].epoch) for i in whole])),
        "forgotten_step": _first(below, np.array([e.step for e in evaluations])),
    })


def _first(below: np.ndarray, labels: np.ndarray) -> pd.Series:
    """Per column of `below` the label of its first true row, missing if it has none."""
    first = pd.Series(labels[below.argmax(0)], dtype="Int64")
    return first.where(below.any(0))


def _summary(samples: pd.DataFrame, retain_before: np.ndarray, retain_after: np.ndarray) -> dict[str, Any]:
    return {
        "forget_probability_before": round(float(samples["probability_before"].mean()), 4),
        "forget_probability": round(float(samples["probability_after"].mean()), 4),
        "retain_probability_before": round(float(np.exp(-retain_before).mean()), 4),
        "retain_probability": round(float(np.exp(-retain_after).mean()), 4),
        "n_forgotten": int((samples["probability_after"] < FORGOTTEN).sum()),
        "n_forget": len(samples),
        "n_retain": len(retain_after),
    }


def describe(config: UnlearningConfig, stages: Sequence[Stage] | None = None, what_if: str | None = None) -> dict[str, Any]:
    """The config as plain data: the method's name and arguments as in open-unlearning, then how it was trained. `mask` is a hash of all
    stages' masks; `what_if` and `stages` are there only where there are stages."""
    fields = asdict(config)
    arguments = {k: v for k, v in fields.pop("method").items() if not k.startswith("_")}
    sampling = {"sampling": type(config.sampling).__name__, "sampling_args": fields.pop("sampling")}
    described = {"method": type(config.method).__name__, "method_args": arguments} | fields | sampling
    if stages is None:
        return described | {"mask": None}
    masks = [(name, stage.mask[name].cpu().numpy()) for stage in stages if stage.mask is not None for name in sorted(stage.mask)]
    return described | {"mask": _digest(*(part for pair in masks for part in pair)), "what_if": what_if,
                        "stages": [stage.describe() for stage in stages]}


def _digest(*parts: "str | np.ndarray") -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else f"{part.shape}{part.dtype}".encode() + part.tobytes())
    return digest.hexdigest()[:16]


def _finish(partial: Path, handle: ModelHandle, model: nn.Module, manifest: dict[str, Any], samples: pd.DataFrame,
            again: dict[str, Any] | None) -> None:
    atomic.write_csv(partial / "samples.csv", samples)
    settings = yaml.safe_dump(again or manifest["config"], sort_keys=False, allow_unicode=True)
    atomic.write_bytes(partial / "config.yaml", settings.encode())
    model.save_pretrained(partial / "model")
    handle.tokenizer.save_pretrained(partial / "model")
    atomic.write_json(partial / "manifest.json", manifest)
