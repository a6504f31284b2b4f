"""Evaluations that open-unlearning wrote (TOFU_EVAL.json, MUSE_SUMMARY.json, ...), kept beside a study's runs to compare with.

Each is a folder `imported/<study>/<name>/evaluation/` of the workspace, in the form of an evaluation of ours: LETHE_SUMMARY.json,
evaluation.csv (a row per forget sample that the file knows) and manifest.json, which says where it is from.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import atomic, dataset, place, read_only, store, studies
from analysis.evaluation_metrics import NOT_COMPUTED
from analysis.open_unlearning import BY_INDEX

LARGEST, MOST = 20_000_000, 500  # bytes of a file, metrics in it
NULL = NOT_COMPUTED + "the imported file has no figure for it"


def folder(study: studies.Study) -> Path:
    return store.workspace() / "imported" / store.check_slug(study.slug)


def imported(study: studies.Study) -> dict[str, Path]:
    """Folders that hold the study's imported evaluations, by name."""
    found = (file.parents[1] for file in sorted(folder(study).glob("*/evaluation/manifest.json")))
    return {path.name: path for path in found if place.SLUG.fullmatch(path.name)}


def bring_in(study: studies.Study, name: str, files: Mapping[str, bytes]) -> str:
    """Read EVAL and SUMMARY files, of one evaluation, by their names, and keep them as `name`, in place of an earlier import of that
    name. Returns what was read, in words.

    Raises ValueError naming the file and the metric or sample at fault, or where a file is of another forget set; in read-only mode.
    """
    read_only.refuse("importing an evaluation")
    target = folder(study) / store.check_slug(name) / "evaluation"
    if not files:
        raise ValueError("expected an EVAL or a SUMMARY file of open-unlearning, got none")
    samples = {sample.row: sample for sample in dataset.read_samples(study.forget)[0]}
    summary: dict[str, float | str] = {}
    rows: dict[int, dict[str, Any]] = {}
    for file, content in files.items():
        try:
            for metric, found in _metrics(content).items():
                _merge(summary, metric, _figure(metric, found))
                for row, values in _by_sample(metric, found, samples).items():
                    rows.setdefault(row, {}).update(values)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{file}: {str(error) or 'nested too deeply'}") from error
    said = f"{sum(isinstance(value, float) for value in summary.values())} of {len(summary)} metrics have a figure"
    p = summary.get("forget_quality")
    if isinstance(p, float) and 0 < p <= 1:
        summary.setdefault("forget_quality_log10_p", math.log10(p))
    table = pd.DataFrame([{"row": row, "sample_id": samples[row].id} | rows[row] for row in sorted(rows)])
    sums = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    with atomic.output_folder(target, "manifest.json") as new:
        atomic.write_json(new / "LETHE_SUMMARY.json", summary)
        if len(table):
            atomic.write_csv(new / "evaluation.csv", table)
        atomic.write_json(new / "manifest.json", {"imported from": "open-unlearning", "files": sums, "n_samples": len(table),
                                                  "forget": dataset.samples_hash(list(samples.values()))})
    return said + (f"; {len(table)} of {len(samples)} samples by themselves" if len(table) else "")


def truth_ratios(file: Path) -> list[float]:
    """Of every sample that has one, from an EVAL file: what forget quality needs of a retain-only model (open-unlearning's
    retain_logs_path). Raises ValueError naming the file."""
    try:
        found = _metrics(file.read_bytes()).get("forget_truth_ratio")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: {str(error) or 'nested too deeply'}") from error
    each = found.get("value_by_index") if isinstance(found, dict) else None
    cells = [_cell(values.get("score")) for values in each.values() if isinstance(values, dict)] if isinstance(each, dict) else []
    ratios = [value for value in cells if isinstance(value, float)]
    if not ratios:
        raise ValueError(f"{file}: expected an EVAL file with forget_truth_ratio by sample, found none")
    return ratios


def _metrics(content: bytes) -> dict[str, Any]:
    if len(content) > LARGEST:
        raise ValueError(f"expected at most {LARGEST // 10**6} MB, got {len(content) / 1e6:.0f} MB")
    try:
        found = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError("expected JSON as UTF-8 text") from error
    except ValueError as error:
        raise ValueError(f"expected JSON: {error}") from error
    if not isinstance(found, dict) or not found or len(found) > MOST:
        raise ValueError(f"expected an object of 1 to {MOST} metrics, as open-unlearning's EVAL and SUMMARY files are")
    if wrong := next((name for name in found if not name.isprintable() or not 0 < len(name) <= 80), None):
        raise ValueError(f"expected metrics with names of at most 80 printable characters, got {wrong[:40]!r}")
    return found


def _figure(metric: str, found: Any) -> float | str:
    """A metric's number, of an EVAL file's entry or a SUMMARY's, or text that says that there is none."""
    if isinstance(found, dict) and "agg_value" not in found:
        raise ValueError(f"{metric}: expected an object with agg_value, or a number, or null")
    value = found["agg_value"] if isinstance(found, dict) else found
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NULL
    if isinstance(value, str) and value.startswith(NOT_COMPUTED):  # a file of our own
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e300:
        raise ValueError(f"{metric}: expected a number or null, got {str(value)[:40]!r}")
    return float(value)


def _merge(summary: dict[str, float | str], metric: str, value: float | str) -> None:
    known = summary.get(metric)
    if isinstance(known, float) and isinstance(value, float) and not math.isclose(known, value, rel_tol=1e-6, abs_tol=1e-12):
        raise ValueError(f"{metric}: {value:g} here, {known:g} in another file; give files of one evaluation")
    if not isinstance(known, float):
        summary[metric] = value


def _by_sample(metric: str, found: Any, samples: Mapping[int, dataset.Sample]) -> dict[int, dict[str, Any]]:
    """What an EVAL file says of each forget sample, by the row in the forget file that its index is."""
    each = found.get("value_by_index") if isinstance(found, dict) else None
    columns = BY_INDEX.get(metric, {"score": metric} if metric.startswith("mia_") else {})
    if each is None or not columns:
        return {}
    if not isinstance(each, dict):
        raise ValueError(f"{metric}: expected value_by_index to be an object by sample, got {type(each).__name__}")
    rows: dict[int, dict[str, Any]] = {}
    for index, values in each.items():
        sample = samples.get(int(index)) if index.isdecimal() and len(index) < 10 else None
        if sample is None:
            raise ValueError(f"{metric}: sample {index[:20]!r} is no row of this study's forget set; import it where it belongs")
        if not isinstance(values, dict):
            continue  # open-unlearning has null for a sample that it dropped
        said = values.get("ground_truth")
        if isinstance(said, str) and said.strip() != sample.answer.strip():
            known = f"{said[:40]!r} is its answer, {sample.answer[:40]!r} that of this study's row"
            raise ValueError(f"{metric}: sample {index} is of another forget set: {known}")
        rows[sample.row] = {column: known for key, column in columns.items() if (known := _cell(values.get(key))) is not None}
    return rows


def _cell(value: Any) -> float | str | None:
    """Text or a finite number; None for null and for what has another form."""
    if isinstance(value, str):
        return value
    plain = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300  # NaN is not
    return float(value) if plain else None
