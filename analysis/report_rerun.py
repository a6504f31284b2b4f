"""The commands and settings that make a study's results again, from the records that lie beside them."""

from pathlib import Path
from typing import Any

from analysis import jobs, store
from analysis.dataset import samples_hash
from analysis.report_data import Collected
from analysis.runs import Run
from analysis.studies import Study

OUTPUT = "rerun"  # folder that the script fills, beside the program
SAMPLINGS = {"Uniform": None, "CGA": "cga", "CGATwoLevel": "cga-released"}
OF_SCORE = {"preset": "--preset", "learning_rate": "--learning-rate", "sigma": "--sigma", "n_pairs": "--n-pairs", "seed": "--seed",
            "estimator": "--estimator", "max_pairs": "--max-pairs", "mrd_scope": "--mrd-scope"}
OF_ATTRIBUTION = {"method": "--method", "ablation": "--ablation", "ig_steps": "--ig-steps"}
OF_CUD = {"n_edges": "--n-edges", "n_anchors": "--n-anchors", "similarity": "--similarity", "label": "--label"}
OF_CIRCUITS = OF_ATTRIBUTION | {"metric": "--metric", "quadrature": "--quadrature", "select": "--select", "n_edges": "--n-edges",
                                "mass": "--mass", "seed": "--seed"}
OF_RUN = {"learning_rate": "--learning-rate", "n_epochs": "--n-epochs", "seed": "--seed", "batch_size": "--batch-size",
          "n_accumulation": "--accumulate", "precision": "--precision", "lora_rank": "--lora-rank", "retain_floor": "--retain-floor",
          "evaluate_every": "--evaluate-every", "weight_decay": "--weight-decay"}
OF_CONFLICTS = {"method": "--discovery", "ablation": "--ablation", "target": "--target", "n_samples": "--n-samples",
                "time_limit": "--time-limit", "seed": "--seed"}


def commands(found: Collected) -> list[list[str]]:
    """Arguments of `python -m analysis`, in the order in which they can run."""
    sets = sets_of(found.study)
    made = []
    if (config := found.scores_record.get("config")) is not None:
        made.append(of_scores(found.study, config))
    if (config := found.circuits_record.get("config")) is not None:
        made.append(of_circuits(found.study, config))
    if found.conflicts is not None:
        made.append(of_conflicts(found.study, found.conflicts.config))
    for run in found.runs:
        folder = f"{OUTPUT}/runs/{run.record.name}"
        made.append(of_run(found.study, run))
        if run.record.name in found.evaluations:
            unlearned = ["--model", f"{folder}/model", *found.study.model_arguments[2:]]
            made.append(["evaluate", *unlearned, *sets, *_beside(found), "--output", f"{folder}/evaluation"])
    if found.validity is not None and found.circuits:
        runs = [word for name in found.counted for word in ("--run", f"{OUTPUT}/runs/{name}")]
        folders = ["--scores", f"{OUTPUT}/scores", "--circuits", f"{OUTPUT}/circuits"]
        made.append(["validity", *folders, *runs, "--output", f"{OUTPUT}/validity.csv"])
    return made


def of_scores(study: Study, config: dict[str, Any]) -> list[str]:
    """The command of scores with this recorded config."""
    return ["score", *model(study), *sets_of(study), *_score(config), "--output", f"{OUTPUT}/scores"]


def of_circuits(study: Study, config: dict[str, Any]) -> list[str]:
    """The command of circuits with this recorded config."""
    return ["circuits", *model(study), "--data", short(study.forget), *_flags(config, OF_CIRCUITS), "--output", f"{OUTPUT}/circuits"]


def of_conflicts(study: Study, config: dict[str, Any]) -> list[str]:
    """The command of a conflict map with this recorded config."""
    return ["conflicts", *model(study), *sets_of(study), *_flags(config, OF_CONFLICTS), "--output", f"{OUTPUT}/conflicts"]


def of_run(study: Study, run: Run) -> list[str]:
    """The command of a run with its recorded config; a mask that was a file of one's own is not known any more."""
    given = [*model(study), *sets_of(study), "--method", run.record.method, *_run(study, run.config)]
    return ["unlearn", *given, "--output", f"{OUTPUT}/runs/{run.record.name}"]


def model(study: Study) -> list[str]:
    return [short(word) for word in study.model_arguments]


def sets_of(study: Study) -> list[str]:
    return ["--forget", short(study.forget), "--retain", short(study.retain)]


def script(found: Collected) -> bytes:
    """rerun.sh. What data say stands in it as quoted words only."""
    lines = ["#!/bin/sh", "# Makes the results of this report again, below the folder rerun/. Run it in Lethe's own folder.",
             f"# Expected data: forget set {samples_hash(found.forget)}, retain set {samples_hash(found.retain)}.",
             "# A run whose mask was a file of one's own needs it by hand: see config.json.",
             "# Not in here: circuits after a run, samples unlearned alone, sensitivity of MRD, comparisons over seeds (circuits, "
             "alone, sensitivity, compare-*).",
             "set -eu", ""]
    return "\n".join([*lines, *map(jobs.command_line, commands(found)), ""]).encode()


def settings(found: Collected) -> dict[str, Any]:
    """config.json: the settings of every result as they were recorded, with what they were of."""
    kept = ("config", "fingerprint", "data", "versions")
    whole = {name: {key: record[key] for key in kept if key in record} for name, record in found.records.items()}
    if found.conflicts is not None:
        whole["conflicts"]["config"] = found.conflicts.config
    data = {"forget": samples_hash(found.forget), "retain": samples_hash(found.retain)}
    return {"study": found.study.slug, "model": short(found.study.model), "data": data, "commands": commands(found), "results": whole}


def _score(config: dict[str, Any]) -> list[str]:
    cud = config.get("cud") or {}
    words = [*_flags(config, OF_SCORE), *_flags(config.get("attribution") or {}, OF_ATTRIBUTION), *_flags(cud, OF_CUD)]
    words += [] if cud.get("weighted", True) else ["--no-weighted"]
    return [*words, *(word for method in cud.get("methods") or () for word in ("--anchor-method", str(method)))]


def _run(study: Study, config: dict[str, Any]) -> list[str]:
    words = ["--preset", "embedded" if study.slug == "embedded" else "default", *_flags(config, OF_RUN)]
    order = (config.get("sampling_args") or {}).get("order")
    if known := {name: value for name, value in (config.get("method_args") or {}).items() if value is not None}:
        words += ["--method-args", ",".join(f"{name}={value}" for name, value in known.items())]
    sampling = str(order).replace("_", "-") if order else SAMPLINGS.get(config.get("sampling") or "Uniform")
    if sampling:
        words += ["--sampling", sampling, *(["--scores", f"{OUTPUT}/scores"] if order else [])]
    if config.get("what_if"):
        words += ["--mask", f"{OUTPUT}/conflicts", "--what-if", str(config["what_if"])]
    return words


def _beside(found: Collected) -> list[str]:
    """What an evaluation compares with; the embedded study has more."""
    words = ["--original", short(found.study.model)]
    if found.study.slug == "embedded":
        words += ["--holdout", short(store.DATA / "holdout.jsonl"), "--retain-model", short(store.DATA / "retain_model")]
    return words


def _flags(config: dict[str, Any], names: dict[str, str]) -> list[str]:
    return [word for key, flag in names.items() if config.get(key) is not None for word in (flag, str(config[key]))]


def short(path: str | Path) -> str:
    """Relative to the project, where the commands run, if it lies there; a hub id as it is."""
    inside = Path(path).is_absolute() and Path(path).is_relative_to(store.PROJECT)
    return str(Path(path).relative_to(store.PROJECT)) if inside else str(path)
